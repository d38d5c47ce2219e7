#include <array>
#include <cstddef>

#include "decide/constants.hpp"
#include "ops/common.hpp"
#include "ops/validate.hpp"
#include "params.h"
#include "schedule/operation.hpp"

namespace weft {
namespace {

using checks::ceil_div;
using checks::row_stride;
using checks::set_slice;
using ops::RotaryShape;
using params::RotaryPush;

RotaryPush make_push(const RotaryCall& call, const RotaryShape& shape) {
  RotaryPush push{};
  push.heads = shape.heads;
  push.rows = shape.length;
  push.dim = shape.dim;
  push.turned = shape.turned;
  set_slice(call.input, push.data_stride_batch, push.data_stride_head);
  push.data_stride_row = row_stride(call.input);
  push.angles_stride_row = row_stride(call.angles);
  set_slice(call.output, push.result_stride_batch, push.result_stride_head);
  push.result_stride_row = row_stride(call.output);
  return push;
}

}  // namespace

Result<void> rotary(Recorder& recorder, const RotaryCall& call) {
  const checks::Rules rules{"rotary"};
  const Device& device = recorder.device();
  WEFT_ASSIGN(const RotaryShape shape, ops::validate(call));
  WEFT_TRY(ops::check_device(
      rules, recorder, {{"input", call.input}, {"angles", call.angles}, {"output", call.output}}));
  if (call.output.elements() == 0) return {};
  const decide::SimpleChoice choice =
      decide::choose_simple(decide::Simple::rotary, device.traits());
  const uint64_t parts = ceil_div(shape.turned, 8) + ceil_div(shape.dim - shape.turned, 8);
  WEFT_ASSIGN(const auto groups,
              ops::slice_grid(rules, device.traits(), shape.length * parts, choice.local_size,
                              uint64_t{shape.batch} * shape.heads));

  std::array<uint32_t, WEFT_ROTARY_ALIGNED + 1> constants{};
  constants[WEFT_ROTARY_LOCAL_SIZE] = choice.local_size;
  constants[WEFT_ROTARY_DATA_TYPE] = decide::element_type(call.input.dtype);
  constants[WEFT_ROTARY_RESULT_TYPE] = decide::element_type(call.output.dtype);
  constants[WEFT_ROTARY_INTERLEAVED] = call.interleaved;
  constants[WEFT_ROTARY_ALIGNED] = shape.aligned;
  WEFT_ASSIGN(const vulkan::Pipeline* pipeline,
              vulkan::pipeline(*device.state(), choice.shader, constants));

  schedule::Operation operation("rotary", choice.name, pipeline);
  operation.push(make_push(call, shape));
  operation.read(call.input, offsetof(RotaryPush, data));
  operation.read(call.angles, offsetof(RotaryPush, angles));
  operation.write(call.output, offsetof(RotaryPush, result));
  operation.grid(groups[0], groups[1], groups[2]);
  return recorder.add(std::move(operation));
}

}  // namespace weft
