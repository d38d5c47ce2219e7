#include <array>
#include <cstddef>

#include "decide/constants.hpp"
#include "ops/common.hpp"
#include "ops/validate.hpp"
#include "params.h"
#include "schedule/operation.hpp"

namespace weft {
namespace {

using checks::row_stride;
using checks::set_slice;
using ops::MixKeysShape;
using params::MixKeysPush;

constexpr size_t kConstants = WEFT_MIX_KEYS_ALIGNED + 1;

std::array<uint32_t, kConstants> constants(const MixKeysCall& call, const MixKeysShape& shape,
                                           uint32_t local_size) {
  std::array<uint32_t, kConstants> values{};
  values[WEFT_MIX_KEYS_LOCAL_SIZE] = local_size;
  values[WEFT_MIX_KEYS_DATA_TYPE] = decide::element_type(call.input.dtype);
  values[WEFT_MIX_KEYS_RESULT_TYPE] = decide::element_type(call.output.dtype);
  values[WEFT_MIX_KEYS_HAS_FACTORS] = static_cast<bool>(call.factors);
  values[WEFT_MIX_KEYS_HAS_MATRIX] = static_cast<bool>(call.matrix);
  values[WEFT_MIX_KEYS_ALIGNED] = shape.aligned;
  return values;
}

schedule::Operation make_operation(const MixKeysCall& call, const MixKeysShape& shape,
                                   const char* kernel, const vulkan::Pipeline* pipeline) {
  MixKeysPush push{};
  push.heads = shape.heads;
  push.rows = shape.length;
  push.kv_len = shape.kv_len;
  push.dim = shape.dim;
  set_slice(call.input, push.data_stride_batch, push.data_stride_head);
  push.data_stride_row = row_stride(call.input);
  set_slice(call.output, push.result_stride_batch, push.result_stride_head);
  push.result_stride_row = row_stride(call.output);
  set_slice(call.factors, push.factors_stride_batch, push.factors_stride_head);
  set_slice(call.matrix, push.matrix_stride_batch, push.matrix_stride_head);
  if (call.matrix) push.matrix_stride_row = row_stride(call.matrix);
  schedule::Operation operation("mix_keys", kernel, pipeline);
  operation.push(push);
  operation.read(call.input, offsetof(MixKeysPush, data));
  if (call.factors) operation.read(call.factors, offsetof(MixKeysPush, factors));
  if (call.matrix) operation.read(call.matrix, offsetof(MixKeysPush, matrix));
  operation.write(call.output, offsetof(MixKeysPush, result));
  if (call.matrix)
    operation.flops = 2.0 * static_cast<double>(call.output.elements()) * shape.kv_len;
  return operation;
}

}  // namespace

Result<void> mix_keys(Recorder& recorder, const MixKeysCall& call) {
  const checks::Rules rules{"mix_keys"};
  const Device& device = recorder.device();
  WEFT_ASSIGN(const MixKeysShape shape, ops::validate(call));
  WEFT_TRY(ops::check_device(rules, recorder,
                             {{"input", call.input},
                              {"factors", call.factors},
                              {"matrix", call.matrix},
                              {"output", call.output}}));
  if (call.output.elements() == 0) return {};
  const decide::SimpleChoice choice =
      decide::choose_simple(decide::Simple::mix_keys, device.traits());
  WEFT_ASSIGN(const auto groups,
              ops::slice_grid(rules, device.traits(), shape.length * checks::ceil_div(shape.dim, 4),
                              choice.local_size, uint64_t{shape.batch} * shape.heads));
  WEFT_ASSIGN(
      const vulkan::Pipeline* pipeline,
      vulkan::pipeline(*device.state(), choice.shader, constants(call, shape, choice.local_size)));
  schedule::Operation operation = make_operation(call, shape, choice.name, pipeline);
  operation.grid(groups[0], groups[1], groups[2]);
  return recorder.add(std::move(operation));
}

}  // namespace weft
