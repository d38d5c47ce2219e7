#include "attention/pack.hpp"

#include <array>
#include <cstddef>

#include "attention/record.hpp"
#include "decide/constants.hpp"
#include "params.h"
#include "vulkan/device.hpp"

namespace weft::attention_detail {

using checks::ceil_div;
using params::PackPush;

Dims packed_shape(const Tensor& tensor) {
  Dims shape = tensor.shape;
  for (size_t axis = 0; axis < 2; ++axis)
    if (checks::stride_elements(tensor, axis) == 0) shape[axis] = 1;
  return shape;
}

Result<Tensor> pack(Recorder& recorder, const checks::Rules& rules, const Tensor& data, const Tensor& memory) {
  const Device& device = recorder.device();
  const Dims& shape = memory.shape;
  const decide::SimpleChoice choice = decide::choose_simple(decide::Simple::pack, device.traits());
  const uint64_t groups_of_4 =
      static_cast<uint64_t>(shape[2]) * ceil_div(static_cast<uint64_t>(shape[3]), 4);
  const std::array<uint64_t, 3> groups = {ceil_div(groups_of_4, choice.local_size),
                                          static_cast<uint64_t>(shape[1]), static_cast<uint64_t>(shape[0])};
  WEFT_TRY(rules.grid(device.traits(), groups, {"rows times dim", "heads", "the batch"}));
  std::array<uint32_t, WEFT_PACK_RESULT_TYPE + 1> constants{};
  constants[WEFT_PACK_LOCAL_SIZE] = choice.local_size;
  constants[WEFT_PACK_TYPE] = decide::element_type(data.dtype);
  constants[WEFT_PACK_ALIGNED] = shape[3] % 4 == 0 && checks::starts_on_4(data);
  constants[WEFT_PACK_RESULT_TYPE] = decide::element_type(memory.dtype);
  WEFT_ASSIGN(const vulkan::Pipeline* pipeline, vulkan::pipeline(*device.state(), choice.shader, constants));

  PackPush push{};
  set_slice(data, push.data_stride_batch, push.data_stride_head);
  set_slice(memory, push.result_stride_batch, push.result_stride_head);
  push.rows = static_cast<uint32_t>(shape[2]);
  push.dim = static_cast<uint32_t>(shape[3]);
  push.data_stride_row = row_stride(data);
  schedule::Operation operation(rules.operation, choice.name, pipeline);
  operation.push(push);
  operation.read(data, offsetof(PackPush, data));
  operation.write(memory, offsetof(PackPush, result));
  operation.grid(groups[0], groups[1], groups[2]);
  WEFT_TRY(recorder.add(std::move(operation)));
  Tensor result = memory;
  for (size_t axis = 0; axis < 2; ++axis)
    if (shape[axis] != data.shape[axis]) result.strides[axis] = 0;
  result.shape = data.shape;
  return result;
}

}  // namespace weft::attention_detail
