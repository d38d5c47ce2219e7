#include <array>
#include <cstddef>

#include "decide/constants.hpp"
#include "ops/common.hpp"
#include "ops/validate.hpp"
#include "params.h"
#include "schedule/operation.hpp"

namespace weft {

using params::MultiplyPush;

Result<void> multiply(Recorder& recorder, const MultiplyCall& call) {
  const checks::Rules rules{"multiply"};
  const Device& device = recorder.device();
  WEFT_ASSIGN(const ops::PairShape shape, ops::validate(call));
  WEFT_TRY(ops::check_device(
      rules, recorder, {{"left", call.left}, {"right", call.right}, {"output", call.output}}));
  if (call.output.elements() == 0) return {};
  const decide::SimpleChoice choice =
      decide::choose_simple(decide::Simple::multiply, device.traits());
  WEFT_ASSIGN(const auto groups, ops::element_grid(rules, device.traits(), shape.output.count,
                                                   shape.output.dim, choice.local_size));

  std::array<uint32_t, WEFT_MULTIPLY_ALIGNED + 1> constants{};
  constants[WEFT_MULTIPLY_LOCAL_SIZE] = choice.local_size;
  constants[WEFT_MULTIPLY_LEFT_TYPE] = decide::element_type(call.left.dtype);
  constants[WEFT_MULTIPLY_RIGHT_TYPE] = decide::element_type(call.right.dtype);
  constants[WEFT_MULTIPLY_RESULT_TYPE] = decide::element_type(call.output.dtype);
  constants[WEFT_MULTIPLY_ACTIVATION] = static_cast<uint32_t>(call.activation);
  constants[WEFT_MULTIPLY_ALIGNED] = shape.aligned;
  WEFT_ASSIGN(const vulkan::Pipeline* pipeline,
              vulkan::pipeline(*device.state(), choice.shader, constants));

  MultiplyPush push{};
  push.rows = shape.output.count;
  push.dim = shape.output.dim;
  push.right_rows = shape.right.count;
  push.left_stride_row = shape.left.stride;
  push.right_stride_row = shape.right.stride;
  push.result_stride_row = shape.output.stride;
  schedule::Operation operation("multiply", choice.name, pipeline);
  operation.push(push);
  operation.read(call.left, offsetof(MultiplyPush, left));
  operation.read(call.right, offsetof(MultiplyPush, right));
  operation.write(call.output, offsetof(MultiplyPush, result));
  operation.grid(groups[0], groups[1]);
  return recorder.add(std::move(operation));
}

}  // namespace weft
