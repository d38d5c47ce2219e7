// Copies between host and device memory that the host can't see: two rings of staging slots.
#pragma once

#include <array>
#include <cstddef>
#include <mutex>
#include <span>

#include "vulkan/device_state.hpp"

namespace weft::vulkan {

class Transfer {
 public:
  explicit Transfer(DeviceState& device) noexcept : device_(device) {}

  Result<void> upload(const std::shared_ptr<BufferState>& target, uint64_t offset_bytes,
                      std::span<const std::byte> data);
  Result<void> download(const std::shared_ptr<BufferState>& source, uint64_t offset_bytes,
                        std::span<std::byte> data);

 private:
  static constexpr size_t kSlots = 4;
  static constexpr uint64_t kSlotBytes = 4u << 20;

  struct Slot {
    std::shared_ptr<BufferState> staging;  // made on first use
    uint64_t busy_until = 0;               // timeline value
    std::span<std::byte> waiting;          // download: where the slot's bytes go
  };
  using Ring = std::array<Slot, kSlots>;

  Result<void> prepare(Slot& slot, Memory memory);
  Result<uint64_t> copy(const std::shared_ptr<BufferState>& from, uint64_t from_offset,
                        const std::shared_ptr<BufferState>& to, uint64_t to_offset, uint64_t bytes);
  Result<void> drain(Slot& slot);

  DeviceState& device_;
  std::mutex up_mutex_, down_mutex_;  // a download that waits holds up no upload
  Ring up_, down_;
  size_t next_up_ = 0;  // the slot that was used longest ago
};

}  // namespace weft::vulkan
