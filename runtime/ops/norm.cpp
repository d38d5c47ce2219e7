#include <array>
#include <cstddef>

#include "decide/constants.hpp"
#include "ops/common.hpp"
#include "ops/validate.hpp"
#include "params.h"
#include "schedule/operation.hpp"

namespace weft {
namespace {

using ops::NormShape;
using params::NormPush;

constexpr size_t kConstants = WEFT_NORM_LANES + 1;

std::array<uint32_t, kConstants> constants(const NormCall& call, const NormShape& shape,
                                           uint32_t kind, uint32_t local_size, uint32_t lanes) {
  const Tensor& parameter = call.weight ? call.weight : call.bias;
  std::array<uint32_t, kConstants> values{};
  values[WEFT_NORM_LOCAL_SIZE] = local_size;
  values[WEFT_NORM_KIND] = kind;
  values[WEFT_NORM_DATA_TYPE] = decide::element_type(call.input.dtype);
  values[WEFT_NORM_PARAMETER_TYPE] = parameter ? decide::element_type(parameter.dtype) : 0;
  values[WEFT_NORM_RESULT_TYPE] = decide::element_type(call.output.dtype);
  values[WEFT_NORM_HAS_WEIGHT] = static_cast<bool>(call.weight);
  values[WEFT_NORM_HAS_BIAS] = static_cast<bool>(call.bias);
  values[WEFT_NORM_ALIGNED] = shape.aligned;
  values[WEFT_NORM_LANES] = lanes;
  return values;
}

Result<void> norm(Recorder& recorder, const NormCall& call, const char* name, uint32_t kind) {
  const checks::Rules rules{name};
  const Device& device = recorder.device();
  WEFT_ASSIGN(const NormShape shape, ops::validate(name, call));
  WEFT_TRY(ops::check_device(rules, recorder,
                             {{"input", call.input},
                              {"weight", call.weight},
                              {"bias", call.bias},
                              {"output", call.output}}));
  if (call.output.elements() == 0) return {};
  const decide::SimpleChoice choice = decide::choose_simple(decide::Simple::norm, device.traits());
  const uint32_t lanes = decide::norm_lanes(device.traits(), shape.output.dim, choice.local_size);
  const auto groups = ops::folded_grid(
      device.traits(), checks::ceil_div(uint64_t{shape.output.count} * lanes, choice.local_size));
  WEFT_TRY(rules.grid(device.traits(), groups, {"blocks of rows", "blocks of rows", ""}));
  WEFT_ASSIGN(const vulkan::Pipeline* pipeline,
              vulkan::pipeline(*device.state(), choice.shader,
                               constants(call, shape, kind, choice.local_size, lanes)));

  NormPush push{};
  push.rows = shape.output.count;
  push.dim = shape.output.dim;
  push.data_stride_row = shape.input.stride;
  push.result_stride_row = shape.output.stride;
  push.epsilon = call.epsilon;
  schedule::Operation operation(name, choice.name, pipeline);
  operation.push(push);
  operation.read(call.input, offsetof(NormPush, data));
  if (call.weight) operation.read(call.weight, offsetof(NormPush, weight));
  if (call.bias) operation.read(call.bias, offsetof(NormPush, bias));
  operation.write(call.output, offsetof(NormPush, result));
  operation.grid(groups[0], groups[1]);
  return recorder.add(std::move(operation));
}

}  // namespace

Result<void> layer_norm(Recorder& recorder, const NormCall& call) {
  return norm(recorder, call, "layer_norm", WEFT_NORM_LAYER);
}

Result<void> rms_norm(Recorder& recorder, const NormCall& call) {
  return norm(recorder, call, "rms_norm", WEFT_NORM_RMS);
}

}  // namespace weft
