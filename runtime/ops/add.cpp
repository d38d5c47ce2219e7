#include <array>
#include <cstddef>

#include "decide/constants.hpp"
#include "ops/common.hpp"
#include "ops/validate.hpp"
#include "params.h"
#include "schedule/operation.hpp"

namespace weft {

using params::AddPush;

Result<void> add(Recorder& recorder, const AddCall& call) {
  const checks::Rules rules{"add"};
  const Device& device = recorder.device();
  WEFT_ASSIGN(const ops::AddShape shape, ops::validate(call));
  WEFT_TRY(ops::check_device(
      rules, recorder, {{"left", call.left}, {"right", call.right}, {"output", call.output}}));
  if (call.output.elements() == 0) return {};
  const decide::SimpleChoice choice = decide::choose_simple(decide::Simple::add, device.traits());
  const auto groups = ops::element_grid(device.traits(), shape.output.count, shape.output.dim,
                                        choice.local_size);
  WEFT_TRY(rules.grid(device.traits(), groups, {"blocks of elements", "blocks of elements", ""}));

  std::array<uint32_t, WEFT_ADD_ALIGNED + 1> constants{};
  constants[WEFT_ADD_LOCAL_SIZE] = choice.local_size;
  constants[WEFT_ADD_LEFT_TYPE] = decide::element_type(call.left.dtype);
  constants[WEFT_ADD_RIGHT_TYPE] = decide::element_type(call.right.dtype);
  constants[WEFT_ADD_RESULT_TYPE] = decide::element_type(call.output.dtype);
  constants[WEFT_ADD_ALIGNED] = shape.aligned;
  WEFT_ASSIGN(const vulkan::Pipeline* pipeline,
              vulkan::pipeline(*device.state(), choice.shader, constants));

  AddPush push{};
  push.rows = shape.output.count;
  push.dim = shape.output.dim;
  push.right_rows = shape.right.count;
  push.left_stride_row = shape.left.stride;
  push.right_stride_row = shape.right.stride;
  push.result_stride_row = shape.output.stride;
  schedule::Operation operation("add", choice.name, pipeline);
  operation.push(push);
  operation.read(call.left, offsetof(AddPush, left));
  operation.read(call.right, offsetof(AddPush, right));
  operation.write(call.output, offsetof(AddPush, result));
  operation.grid(groups[0], groups[1]);
  return recorder.add(std::move(operation));
}

}  // namespace weft
