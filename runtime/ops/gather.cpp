#include <array>
#include <cstddef>

#include "decide/constants.hpp"
#include "ops/common.hpp"
#include "ops/validate.hpp"
#include "params.h"
#include "schedule/operation.hpp"

namespace weft {

using params::GatherPush;

Result<void> gather(Recorder& recorder, const GatherCall& call) {
  const checks::Rules rules{"gather"};
  const Device& device = recorder.device();
  WEFT_ASSIGN(const ops::GatherShape shape, ops::validate(call));
  WEFT_TRY(ops::check_device(
      rules, recorder,
      {{"table", call.table}, {"indices", call.indices}, {"output", call.output}}));
  if (call.output.elements() == 0) return {};
  const decide::SimpleChoice choice =
      decide::choose_simple(decide::Simple::gather, device.traits());
  WEFT_ASSIGN(const auto groups, ops::element_grid(rules, device.traits(), shape.output.count,
                                                   shape.output.dim, choice.local_size));

  std::array<uint32_t, WEFT_GATHER_ALIGNED + 1> constants{};
  constants[WEFT_GATHER_LOCAL_SIZE] = choice.local_size;
  constants[WEFT_GATHER_TABLE_TYPE] = decide::element_type(call.table.dtype);
  constants[WEFT_GATHER_RESULT_TYPE] = decide::element_type(call.output.dtype);
  constants[WEFT_GATHER_ALIGNED] = shape.aligned;
  WEFT_ASSIGN(const vulkan::Pipeline* pipeline,
              vulkan::pipeline(*device.state(), choice.shader, constants));

  GatherPush push{};
  push.count = shape.output.count;
  push.dim = shape.output.dim;
  push.table_rows = shape.table.count;
  push.table_stride_row = shape.table.stride;
  push.result_stride_row = shape.output.stride;
  schedule::Operation operation("gather", choice.name, pipeline);
  operation.push(push);
  operation.read(call.table, offsetof(GatherPush, table));
  operation.read(call.indices, offsetof(GatherPush, indices));
  operation.write(call.output, offsetof(GatherPush, result));
  operation.grid(groups[0], groups[1]);
  return recorder.add(std::move(operation));
}

}  // namespace weft
