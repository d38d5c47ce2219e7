// One dispatch as recorded: its kernel, its parameters, and the byte ranges that it reads and writes.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "vulkan/pipeline.hpp"
#include "weft/tensor.hpp"

namespace weft::schedule {

// A byte range of a buffer that an operation touches.
struct Access {
  std::shared_ptr<vulkan::BufferState> buffer;
  uint64_t begin = 0;
  uint64_t end = 0;
  bool write = false;
};

// An address that is written into the push constants or the argument block once memory is placed.
struct AddressSlot {
  std::shared_ptr<vulkan::BufferState> buffer;
  uint64_t offset_bytes = 0;
  uint32_t at = 0;  // byte position in the block
};

struct Operation {
  static constexpr uint32_t kMaxPushBytes = 128;

  // `name` and `kernel` must outlive the recording: string literals and table rows.
  Operation(const char* name, const char* kernel, const vulkan::Pipeline* pipeline)
      : name(name), kernel(kernel), pipeline(pipeline) {}

  template <class T>
  void push(const T& block) {
    static_assert(sizeof(T) <= kMaxPushBytes);
    std::memcpy(push_block.data(), &block, sizeof(T));
    push_bytes = sizeof(T);
  }

  // Declares an access; the address of the tensor's first element goes to byte `at` of the push block.
  void read(const Tensor& tensor, uint32_t at) {
    access(tensor, false);
    slots.push_back({tensor.buffer.state(), tensor.offset_bytes, at});
  }
  void write(const Tensor& tensor, uint32_t at) {
    access(tensor, true);
    slots.push_back({tensor.buffer.state(), tensor.offset_bytes, at});
  }
  // The tensor is read too, through the address that write() gave.
  void also_read(const Tensor& tensor) { access(tensor, false); }

  // An argument block in memory, its address at byte `at` of the push block.
  template <class T>
  void args(const T& block, uint32_t at) {
    args_block.resize(sizeof(T));
    std::memcpy(args_block.data(), &block, sizeof(T));
    args_at = at;
  }
  // Declare an access; the address goes to byte `at` of the argument block.
  void read_by_args(const Tensor& tensor, uint32_t at) {
    access(tensor, false);
    args_slots.push_back({tensor.buffer.state(), tensor.offset_bytes, at});
  }
  void write_by_args(const Tensor& tensor, uint32_t at) {
    access(tensor, true);
    args_slots.push_back({tensor.buffer.state(), tensor.offset_bytes, at});
  }
  // Numbers that follow the argument block, their address at byte `at` of the push block.
  void args_list(std::span<const uint32_t> numbers, uint32_t at) {
    lists.push_back({static_cast<uint32_t>(args_block.size()), at});
    const size_t old_bytes = args_block.size();
    args_block.resize(old_bytes + (numbers.size_bytes() + 7) / 8 * 8);
    std::memcpy(args_block.data() + old_bytes, numbers.data(), numbers.size_bytes());
  }

  void grid(uint64_t x, uint64_t y = 1, uint64_t z = 1) { groups = {x, y, z}; }

  struct List {
    uint32_t offset_bytes = 0;  // of the numbers in the argument block
    uint32_t at = 0;            // where their address goes in the push block
  };

  const char* name;
  const char* kernel;
  const vulkan::Pipeline* pipeline;
  std::string label;  // set by the recorder
  std::array<std::byte, kMaxPushBytes> push_block{};
  uint32_t push_bytes = 0;
  std::vector<std::byte> args_block;
  uint32_t args_at = 0;
  std::vector<List> lists;
  std::vector<Access> accesses;
  std::vector<AddressSlot> slots;       // in the push block
  std::vector<AddressSlot> args_slots;  // in the argument block
  std::array<uint64_t, 3> groups{1, 1, 1};
  double flops = 0;
  double bytes = 0;

 private:
  void access(const Tensor& tensor, bool write) {
    const uint64_t end = tensor.offset_bytes + tensor.extent_bytes();
    accesses.push_back({tensor.buffer.state(), tensor.offset_bytes, end, write});
    bytes += static_cast<double>(tensor.elements()) * size_bytes(tensor.dtype);
  }
};

}  // namespace weft::schedule
