#include <array>
#include <cstddef>

#include "decide/constants.hpp"
#include "decide/select.hpp"
#include "ops/common.hpp"
#include "ops/linear.hpp"
#include "ops/validate.hpp"
#include "params.h"
#include "schedule/operation.hpp"

namespace weft {
namespace {

using ops::LinearShape;
using params::LinearPush;

static_assert(static_cast<int>(Activation::relu) == WEFT_ACTIVATION_RELU &&
              static_cast<int>(Activation::silu) == WEFT_ACTIVATION_SILU &&
              static_cast<int>(Activation::gelu) == WEFT_ACTIVATION_GELU &&
              static_cast<int>(Activation::gelu_tanh) == WEFT_ACTIVATION_GELU_TANH &&
              static_cast<int>(Activation::quick_gelu) == WEFT_ACTIVATION_QUICK_GELU);

std::array<uint32_t, decide::kLinearConstants> constants(const LinearCall& call,
                                                         const LinearShape& shape,
                                                         const decide::LinearRow& row,
                                                         const DeviceTraits& traits) {
  std::array<uint32_t, decide::kLinearConstants> values{};
  values[WEFT_LINEAR_LOCAL_SIZE] = decide::local_size(row, traits);
  values[WEFT_LINEAR_ROWS] = row.rows;
  values[WEFT_LINEAR_COLUMNS] = row.columns;
  values[WEFT_LINEAR_DATA_TYPE] = decide::element_type(call.input.dtype);
  values[WEFT_LINEAR_WEIGHT_TYPE] = decide::element_type(call.weight.dtype);
  values[WEFT_LINEAR_RESULT_TYPE] = decide::element_type(call.output.dtype);
  values[WEFT_LINEAR_BIAS_TYPE] = call.bias ? decide::element_type(call.bias.dtype) : 0;
  values[WEFT_LINEAR_HAS_BIAS] = static_cast<bool>(call.bias);
  values[WEFT_LINEAR_ACTIVATION] = static_cast<uint32_t>(call.activation);
  values[WEFT_LINEAR_ALIGNED] = shape.aligned;
  values[WEFT_LINEAR_BLOCK_ROWS] = decide::block_rows(row);
  values[WEFT_LINEAR_BLOCK_COLUMNS] = decide::block_columns(row);
  values[WEFT_LINEAR_SUBGROUP_SIZE] = decide::subgroup_size(row, traits);
  values[WEFT_LINEAR_SUBGROUPS] = row.subgroups.count;
  values[WEFT_LINEAR_MATRIX_M] = row.matrix.m;
  values[WEFT_LINEAR_MATRIX_N] = row.matrix.n;
  values[WEFT_LINEAR_MATRIX_K] = row.matrix.k;
  values[WEFT_LINEAR_READ_TOGETHER] = row.where == decide::Where::cpu && row.rows == 1;
  return values;
}

schedule::Operation make_operation(const LinearCall& call, const LinearShape& shape,
                                   const char* kernel, const vulkan::Pipeline* pipeline) {
  LinearPush push{};
  push.rows = shape.output.count;
  push.in_features = shape.input.dim;
  push.out_features = shape.output.dim;
  push.data_stride_row = shape.input.stride;
  push.weight_stride_row = shape.weight.stride;
  push.result_stride_row = shape.output.stride;
  schedule::Operation operation("linear", kernel, pipeline);
  operation.push(push);
  operation.read(call.input, offsetof(LinearPush, data));
  operation.read(call.weight, offsetof(LinearPush, weight));
  if (call.bias) operation.read(call.bias, offsetof(LinearPush, bias));
  operation.write(call.output, offsetof(LinearPush, result));
  operation.flops = 2.0 * push.rows * push.in_features * push.out_features;
  return operation;
}

}  // namespace

namespace ops {

decide::LinearProblem problem_of(const LinearCall& call, const LinearShape& shape) noexcept {
  return {shape.output.count, shape.output.dim, call.weight.dtype != DType::f32,
          decide::common_inputs({call.input.dtype, call.weight.dtype})};
}

Result<void> record(Recorder& recorder, const LinearCall& call, const LinearShape& shape,
                    const decide::LinearRow& row) {
  const checks::Rules rules{"linear"};
  const Device& device = recorder.device();
  const std::array<uint64_t, 3> groups = {
      checks::ceil_div(shape.output.count, decide::block_rows(row)),
      checks::ceil_div(shape.output.dim, decide::block_columns(row)), 1};
  WEFT_TRY(rules.grid(device.traits(), groups, {"blocks of rows", "blocks of columns", ""}));
  WEFT_ASSIGN(const vulkan::Pipeline* pipeline,
              vulkan::pipeline(*device.state(), row.shader, constants(call, shape, row, device.traits()),
                               decide::subgroup_size(row, device.traits())));
  schedule::Operation operation = make_operation(call, shape, row.name, pipeline);
  operation.grid(groups[0], groups[1]);
  return recorder.add(std::move(operation));
}

}  // namespace ops

Result<void> linear(Recorder& recorder, const LinearCall& call) {
  const checks::Rules rules{"linear"};
  WEFT_ASSIGN(const LinearShape shape, ops::validate(call));
  WEFT_TRY(ops::check_device(rules, recorder,
                             {{"input", call.input},
                              {"weight", call.weight},
                              {"bias", call.bias},
                              {"output", call.output}}));
  if (call.output.elements() == 0) return {};
  WEFT_ASSIGN(const decide::LinearRow* row,
              ops::choose(recorder.device(), ops::problem_of(call, shape)));
  return ops::record(recorder, call, shape, *row);
}

}  // namespace weft
