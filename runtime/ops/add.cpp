#include <array>
#include <cstddef>

#include "decide/constants.hpp"
#include "ops/common.hpp"
#include "ops/validate.hpp"
#include "params.h"
#include "schedule/operation.hpp"

namespace weft {

namespace {

using ops::PairShape;
using params::AddPush;

static_assert(static_cast<int>(GateKind::none) == WEFT_GATE_NONE &&
              static_cast<int>(GateKind::value) == WEFT_GATE_VALUE &&
              static_cast<int>(GateKind::tanh) == WEFT_GATE_TANH);

constexpr size_t kConstants = WEFT_ADD_ROW_FACTORS + 1;

std::array<uint32_t, kConstants> constants(const AddCall& call, const PairShape& shape,
                                           uint32_t local_size) {
  const Tensor& gate = call.gate.value;
  std::array<uint32_t, kConstants> values{};
  values[WEFT_ADD_LOCAL_SIZE] = local_size;
  values[WEFT_ADD_LEFT_TYPE] = call.left ? decide::element_type(call.left.dtype) : 0;
  values[WEFT_ADD_RIGHT_TYPE] = decide::element_type(call.right.dtype);
  values[WEFT_ADD_RESULT_TYPE] = decide::element_type(call.output.dtype);
  values[WEFT_ADD_ALIGNED] = shape.aligned;
  values[WEFT_ADD_HAS_LEFT] = static_cast<bool>(call.left);
  values[WEFT_ADD_GATE] = static_cast<uint32_t>(call.gate.kind);
  values[WEFT_ADD_GATE_TYPE] = gate ? decide::element_type(gate.dtype) : 0;
  values[WEFT_ADD_GATE_COLUMNS] = ops::has_columns(call.gate);
  values[WEFT_ADD_ROW_FACTORS] = static_cast<bool>(call.row_factors);
  return values;
}

}  // namespace

Result<void> add(Recorder& recorder, const AddCall& call) {
  const checks::Rules rules{"add"};
  const Device& device = recorder.device();
  WEFT_ASSIGN(const PairShape shape, ops::validate(call));
  WEFT_TRY(ops::check_device(rules, recorder,
                             {{"left", call.left},
                              {"right", call.right},
                              {"gate.value", call.gate.value},
                              {"row_factors", call.row_factors},
                              {"output", call.output}}));
  if (call.output.elements() == 0) return {};
  const decide::SimpleChoice choice = decide::choose_simple(decide::Simple::add, device.traits());
  WEFT_ASSIGN(const auto groups, ops::element_grid(rules, device.traits(), shape.output.count,
                                                   shape.output.dim, choice.local_size));

  WEFT_ASSIGN(
      const vulkan::Pipeline* pipeline,
      vulkan::pipeline(*device.state(), choice.shader, constants(call, shape, choice.local_size)));

  AddPush push{};
  push.rows = shape.output.count;
  push.dim = shape.output.dim;
  push.right_rows = shape.right.count;
  push.left_stride_row = shape.left.stride;
  push.right_stride_row = shape.right.stride;
  push.result_stride_row = shape.output.stride;
  schedule::Operation operation("add", choice.name, pipeline);
  operation.push(push);
  if (call.left) operation.read(call.left, offsetof(AddPush, left));
  operation.read(call.right, offsetof(AddPush, right));
  if (call.gate.value) operation.read(call.gate.value, offsetof(AddPush, gate));
  if (call.row_factors) operation.read(call.row_factors, offsetof(AddPush, row_factors));
  operation.write(call.output, offsetof(AddPush, result));
  operation.grid(groups[0], groups[1]);
  return recorder.add(std::move(operation));
}

}  // namespace weft
