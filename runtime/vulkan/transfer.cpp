#include "vulkan/transfer.hpp"

#include <algorithm>
#include <cstring>

#include "base/text.hpp"
#include "vulkan/command_list.hpp"

namespace weft {
namespace vulkan {

Result<void> Transfer::prepare(Slot& slot, Memory memory) {
  if (!slot.staging) {
    WEFT_ASSIGN(slot.staging, make_buffer(device_, kSlotBytes, memory));
  }
  return wait(device_, slot.busy_until, UINT64_MAX);
}

Result<uint64_t> Transfer::copy(const std::shared_ptr<BufferState>& from, uint64_t from_offset,
                                const std::shared_ptr<BufferState>& to, uint64_t to_offset,
                                uint64_t bytes) {
  WEFT_ASSIGN(auto list, make_command_list(device_));
  WEFT_ASSIGN(VkCommandBuffer commands, begin(*list));
  const VkBufferCopy region{from->buffer_offset + from_offset, to->buffer_offset + to_offset,
                            bytes};
  device_.vk.vkCmdCopyBuffer(commands, from->buffer, to->buffer, 1, &region);
  WEFT_TRY(end(device_, commands));
  struct Kept {
    std::shared_ptr<CommandList> list;
    std::array<std::shared_ptr<BufferState>, 2> buffers;
  };
  auto kept = std::make_shared<Kept>(Kept{list, {from, to}});
  return submit(device_, *list, kept->buffers, kept);
}

Result<void> Transfer::upload(const std::shared_ptr<BufferState>& target, uint64_t offset_bytes,
                              std::span<const std::byte> data) {
  std::lock_guard lock(up_mutex_);
  for (; !data.empty(); next_up_ = (next_up_ + 1) % kSlots) {
    Slot& slot = up_[next_up_];
    WEFT_TRY(prepare(slot, Memory::upload));
    const auto part = data.first(std::min<uint64_t>(data.size(), kSlotBytes));
    std::memcpy(slot.staging->mapped, part.data(), part.size());
    WEFT_ASSIGN(slot.busy_until, copy(slot.staging, 0, target, offset_bytes, part.size()));
    offset_bytes += part.size();
    data = data.subspan(part.size());
  }
  return {};
}

Result<void> Transfer::drain(Slot& slot) {
  if (slot.waiting.empty()) return {};
  WEFT_TRY(wait(device_, slot.busy_until, UINT64_MAX));
  std::memcpy(slot.waiting.data(), slot.staging->mapped, slot.waiting.size());
  slot.waiting = {};
  return {};
}

Result<void> Transfer::download(const std::shared_ptr<BufferState>& source, uint64_t offset_bytes,
                                std::span<std::byte> data) {
  std::lock_guard lock(down_mutex_);
  for (Slot& slot : down_) slot.waiting = {};  // of a download that failed
  for (size_t i = 0; !data.empty(); ++i) {
    Slot& slot = down_[i % kSlots];
    WEFT_TRY(drain(slot));
    WEFT_TRY(prepare(slot, Memory::readback));
    const auto part = data.first(std::min<uint64_t>(data.size(), kSlotBytes));
    WEFT_ASSIGN(slot.busy_until, copy(source, offset_bytes, slot.staging, 0, part.size()));
    slot.waiting = part;
    offset_bytes += part.size();
    data = data.subspan(part.size());
  }
  for (Slot& slot : down_) WEFT_TRY(drain(slot));
  return {};
}

}  // namespace vulkan

namespace {

const char* usage_name(VkBufferUsageFlags usage) {
  return usage == VK_BUFFER_USAGE_TRANSFER_DST_BIT ? "VK_BUFFER_USAGE_TRANSFER_DST_BIT"
                                                   : "VK_BUFFER_USAGE_TRANSFER_SRC_BIT";
}

// Everything but the size on the host's side.
Result<void> check_copy(const char* what, const Device& device, const Tensor& tensor,
                        VkBufferUsageFlags usage) {
  const std::string name = what;
  if (!tensor) return fail(Code::invalid_argument, name + ": the tensor has no buffer");
  if (!vulkan::same_device(tensor.buffer, device))
    return fail(Code::invalid_argument, name + ": the tensor must belong to this device");
  if (vulkan::is_transient(tensor.buffer))
    return fail(Code::invalid_argument, name + ": a transient tensor can't be reached by the host");
  if (!tensor.buffer.state()->buffer)
    return fail(Code::invalid_argument,
                name +
                    ": the tensor's memory is known by its address only (wrap_address); the "
                    "host can't reach it");
  if (!(tensor.buffer.state()->usage & usage))
    return fail(Code::invalid_argument, name + ": the wrapped buffer must have " +
                                            usage_name(usage) + " in its usage, found " +
                                            std::to_string(tensor.buffer.state()->usage));
  if (!is_dtype(tensor.dtype))
    return fail(Code::invalid_argument,
                text(name, ": dtype is ", tensor.dtype, "; it must be a DType"));
  for (size_t i = 0; i < std::min(tensor.rank(), Dims::kMaxRank); ++i)
    if (tensor.shape[i] < 0)
      return fail(Code::invalid_argument,
                  text(name, ": every dimension must be 0 or more, found shape ", tensor.shape));
  if (!tensor.is_dense())
    return fail(Code::invalid_argument, name + ": the tensor must be dense, found shape " +
                                            tensor.shape.text() + " with strides " +
                                            tensor.strides.text());
  if (tensor.offset_bytes % size_bytes(tensor.dtype) != 0)
    return fail(Code::invalid_argument,
                text(name, ": offset_bytes is ", tensor.offset_bytes, "; it must be a multiple of ",
                     size_bytes(tensor.dtype)));
  const uint64_t buffer_bytes = tensor.buffer.size_bytes(), bytes = tensor.extent_bytes();
  if (tensor.offset_bytes > buffer_bytes || bytes > buffer_bytes - tensor.offset_bytes)
    return fail(Code::invalid_argument,
                text(name, ": the tensor has ", bytes, " bytes from byte ", tensor.offset_bytes,
                     " on, its buffer has ", buffer_bytes, "; it must lie inside"));
  return check_not_lost(*device.state(), name);
}

Result<void> check_size(const char* what, const Tensor& tensor, uint64_t bytes) {
  if (tensor.extent_bytes() == bytes) return {};
  return fail(Code::invalid_argument, text(what, ": the tensor holds ", tensor.extent_bytes(),
                                           " bytes, the host gave ", bytes, "; they must match"));
}

}  // namespace

Result<uint64_t> Device::download_bytes(const Tensor& tensor) const {
  WEFT_TRY(check_copy("download", *this, tensor, VK_BUFFER_USAGE_TRANSFER_SRC_BIT));
  return tensor.extent_bytes();
}

Result<void> Device::upload(const Tensor& tensor, std::span<const std::byte> data) const {
  WEFT_TRY(check_copy("upload", *this, tensor, VK_BUFFER_USAGE_TRANSFER_DST_BIT));
  WEFT_TRY(check_size("upload", tensor, data.size()));
  if (data.empty()) return {};
  const auto& target = tensor.buffer.state();
  if (!target->mapped) return state_->transfer->upload(target, tensor.offset_bytes, data);
  WEFT_TRY(vulkan::wait(*state_, target->last_use, UINT64_MAX));
  std::memcpy(static_cast<std::byte*>(target->mapped) + tensor.offset_bytes, data.data(),
              data.size());
  return {};
}

Result<void> Device::download(const Tensor& tensor, std::span<std::byte> data) const {
  WEFT_TRY(check_copy("download", *this, tensor, VK_BUFFER_USAGE_TRANSFER_SRC_BIT));
  WEFT_TRY(check_size("download", tensor, data.size()));
  if (data.empty()) return {};
  const auto& source = tensor.buffer.state();
  if (!source->mapped || !source->host_cached)
    return state_->transfer->download(source, tensor.offset_bytes, data);
  WEFT_TRY(vulkan::wait(*state_, source->last_use, UINT64_MAX));
  std::memcpy(data.data(), static_cast<const std::byte*>(source->mapped) + tensor.offset_bytes,
              data.size());
  return {};
}

}  // namespace weft
