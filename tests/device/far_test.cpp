// Tensors that reach past 4 GiB and past 2^31 elements, by their strides: on every row, with each
// tensor of an attention in turn.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#define WEFT_TEST_HAS_MMAP 1
#endif

#include "device/attention_run.hpp"
#include "weft/vulkan.h"

using namespace weft;
using namespace weft::test;

namespace {

// A buffer of which only what is touched takes memory on CPU drivers, whose device addresses are
// the process's own; GPUs allocate it.
class FarMemory {
 public:
  FarMemory(const Device& device, uint64_t bytes) {
    if (device.traits().max_allocation_bytes >= bytes) {
      if (Result<Buffer> made = device.buffer(bytes)) buffer_ = *std::move(made);
    } else if (device.traits().type == DeviceType::cpu) {
      map(device, bytes);
    }
  }

  explicit operator bool() const { return static_cast<bool>(buffer_); }
  const Buffer& buffer() const { return buffer_; }
  std::byte* host() const { return static_cast<std::byte*>(region_.get()); }  // null: on a GPU

 private:
  void map([[maybe_unused]] const Device& device, [[maybe_unused]] uint64_t bytes) {
#ifdef WEFT_TEST_HAS_MMAP
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return;
    region_ = std::shared_ptr<void>(memory, [bytes](void* at) { munmap(at, bytes); });
    buffer_ = must(wrap_address(device, reinterpret_cast<uintptr_t>(memory), bytes));
#endif
  }

  std::shared_ptr<void> region_;  // lives longer than the buffer
  Buffer buffer_;
};

// A tensor of a call that one of its strides takes far away.
struct Far {
  const char* tensor;
  size_t axis;
  int64_t stride;
  uint64_t offset_bytes = 0;
};

// Buffers end on whole pages.
uint64_t bytes_of(const Tensor& tensor) {
  return (tensor.offset_bytes + tensor.extent_bytes() + 8191) / 4096 * 4096;
}

Result<void> write_row(const Device& device, const Tensor& row, std::byte* host,
                       std::span<const std::byte> bytes) {
  if (!host) return device.upload(row, bytes);
  std::memcpy(host + row.offset_bytes, bytes.data(), bytes.size());
  return {};
}

Result<void> read_row(const Device& device, const Tensor& row, const std::byte* host,
                      std::span<std::byte> bytes) {
  if (!host) return device.download(row, bytes);
  std::memcpy(bytes.data(), host + row.offset_bytes, bytes.size());
  return {};
}

// Calls visit(row of the tensor, index of its first element in a dense array).
template <class Visit>
Result<void> for_each_row(const Tensor& tensor, Visit visit) {
  const size_t rank = tensor.rank();
  const int64_t width = tensor.shape.back();
  Tensor row{.buffer = tensor.buffer, .dtype = tensor.dtype, .shape = {width}, .strides = {1}};
  const int64_t rows = width > 0 ? tensor.elements() / width : 0;
  for (int64_t r = 0; r < rows; ++r) {
    int64_t rest = r;
    uint64_t element = 0;
    for (size_t axis = rank - 1; axis-- > 0;) {
      element += static_cast<uint64_t>(rest % tensor.shape[axis]) *
                 static_cast<uint64_t>(tensor.strides[axis]);
      rest /= tensor.shape[axis];
    }
    row.offset_bytes = tensor.offset_bytes + element * size_bytes(tensor.dtype);
    WEFT_TRY(visit(row, static_cast<size_t>(r * width)));
  }
  return {};
}

Result<void> write_rows(const Device& device, const Tensor& tensor, std::byte* host,
                        const reference::Array& values) {
  cases::Placement dense = cases::place(tensor.dtype, {tensor.shape.back()}, cases::Layout::bhld);
  return for_each_row(tensor, [&](const Tensor& row, size_t first) {
    reference::Array part(1, 1, 1, row.shape[0]);
    std::copy_n(values.values.begin() + static_cast<ptrdiff_t>(first), part.values.size(),
                part.values.begin());
    const std::vector<std::byte> bytes = cases::encode(part, dense);
    return write_row(device, row, host,
                     std::span(bytes).subspan(dense.offset_bytes, row.extent_bytes()));
  });
}

Result<reference::Array> read_rows(const Device& device, const Tensor& tensor,
                                   const std::byte* host, const reference::Array& like) {
  cases::Placement dense = cases::place(tensor.dtype, {tensor.shape.back()}, cases::Layout::bhld);
  reference::Array values = like;
  WEFT_TRY(for_each_row(tensor, [&](const Tensor& row, size_t first) -> Result<void> {
    std::vector<std::byte> bytes(dense.buffer_bytes, cases::kGuardByte);
    WEFT_TRY(read_row(device, row, host,
                      std::span(bytes).subspan(dense.offset_bytes, row.extent_bytes())));
    const reference::Array part = cases::decode(bytes, dense);
    std::copy(part.values.begin(), part.values.end(),
              values.values.begin() + static_cast<ptrdiff_t>(first));
    return {};
  }));
  return values;
}

// The tensor of a call by name, and the values of an input.
Tensor& tensor_of(AttentionCall& call, const std::string& name) {
  if (name == "query") return call.query;
  if (name == "key") return call.key;
  if (name == "value") return call.value;
  if (name == "keep_mask") return call.keep_mask;
  if (name == "bias") return call.bias;
  if (name == "query_regions") return call.query_regions;
  if (name == "key_regions") return call.key_regions;
  if (name == "null_key") return call.null_key;
  if (name == "null_value") return call.null_value;
  return name == "logsumexp" ? call.logsumexp : call.output;
}

const reference::Array* values_of(const reference::AttentionInputs& inputs,
                                  const std::string& name) {
  if (name == "query") return &inputs.query;
  if (name == "key") return &inputs.key;
  if (name == "value") return &inputs.value;
  if (name == "keep_mask") return &*inputs.keep_mask;
  if (name == "bias") return &*inputs.bias;
  if (name == "query_regions") return &*inputs.query_regions;
  if (name == "key_regions") return &*inputs.key_regions;
  if (name == "null_key") return &*inputs.null_key;
  if (name == "null_value") return &*inputs.null_value;
  return nullptr;  // an output
}

// Rows of no item hold NaN before; where they still do, all is well.
std::string compare_far(const char* name, reference::Array found, DType dtype,
                        reference::Array expected, const Allowed& allowed) {
  for (size_t i = 0; i < found.values.size(); ++i)
    if (std::isnan(expected.values[i]) && std::isnan(found.values[i]))
      expected.values[i] = found.values[i] = 0.0;
  const auto [items, heads, rows, width] = found.shape;
  const cases::Placement dense =
      cases::place(dtype, {items, heads, rows, width}, cases::Layout::bhld);
  return compare(name, cases::encode(found, dense), dense, expected, allowed);
}

Result<std::string> run_far(const Device& device, const AttentionTest& test, const Far& far,
                            const char* kernel) {
  WEFT_ASSIGN(AttentionCall call, cases::make_call(device, test.problem, test.data));
  Tensor& tensor = tensor_of(call, far.tensor);
  tensor.offset_bytes = far.offset_bytes;
  tensor.strides = dense_strides(tensor.shape);
  tensor.strides[far.axis] = far.stride;
  const FarMemory memory(device, bytes_of(tensor));
  if (!memory) {
    WARN(far.tensor << ": " << device.traits().name << " has no buffer of " << bytes_of(tensor)
                    << " bytes");
    return std::string();
  }
  tensor.buffer = memory.buffer();
  const auto host_of = [&](const Tensor& read) {
    return read.buffer.state() == tensor.buffer.state() ? memory.host() : nullptr;
  };
  const reference::AttentionInputs& inputs = test.data.inputs;
  const reference::Array* values = values_of(inputs, far.tensor);
  const bool is_logsumexp = far.tensor == std::string("logsumexp");
  reference::Array nothing = is_logsumexp ? test.expected.logsumexp : test.expected.output;
  std::fill(nothing.values.begin(), nothing.values.end(), NAN);
  WEFT_TRY(write_rows(device, tensor, memory.host(), values ? *values : nothing));
  Recorder recorder(device);
  WEFT_TRY(attention(recorder, call));
  WEFT_ASSIGN(const Ticket ticket, recorder.submit());
  WEFT_TRY(ticket.wait());
  WEFT_ASSIGN(const reference::Array output,
              read_rows(device, call.output, host_of(call.output), test.expected.output));
  WEFT_ASSIGN(const reference::Array logsumexp,
              read_rows(device, call.logsumexp, host_of(call.logsumexp), test.expected.logsumexp));
  return compare_far("output", output, test.problem.output, test.expected.output,
                     allowed_output(inputs, test.expected, weight_rounding(kernel))) +
         compare_far("logsumexp", logsumexp, DType::f32, test.expected.logsumexp,
                     allowed_logsumexp(inputs, test.expected));
}

void check_far(const char* line, std::initializer_list<Far> all) {
  const AttentionTest test(std::get<cases::AttentionCase>(must(cases::parse(line))));
  REQUIRE(test.problem.logsumexp);
  for (const decide::AttentionRow& row : decide::attention_rows()) {
    if (!can_run(row, test.problem)) continue;
    for (const Far& far : all) {
      INFO(row.name << ", " << line << ", " << far.tensor << ".strides[" << far.axis
                    << "] = " << far.stride << ", offset_bytes = " << far.offset_bytes);
      const Device& on = device(kind_of(row));
      const auto wrong = run_far(on, test, far, row.name);
      if (on.traits().short_offsets && !wrong) {
        CHECK(wrong.error().code == Code::unsupported);
        CHECK(wrong.error().message.find("more than the 2 GiB") != std::string::npos);
      } else {
        CHECK(must(wrong) == "");
      }
    }
  }
}

constexpr int64_t kGi = int64_t{1} << 30;

}  // namespace

TEST_CASE("far: batch strides past 2^31 elements") {
  check_far("b2 h2 q5 k9 d8 f16 mask=keep bias=f16 regions=equal null=2 lse",
            {{"query", 0, 2 * kGi + 64},
             {"key", 0, 2 * kGi + 64},
             {"value", 0, 2 * kGi + 65},
             {"output", 0, 2 * kGi + 68},
             {"logsumexp", 0, 2 * kGi + 16},
             {"keep_mask", 0, 4 * kGi + 1003},
             {"bias", 0, 2 * kGi + 1001},
             {"query_regions", 0, 2 * kGi + 16},
             {"key_regions", 0, kGi + 16}});
}

TEST_CASE("far: strides of heads and offsets past 4 GiB") {
  check_far("b2 h4 kv2 q5 k9 d8 f32 mask=keep_i32 bias null=2 lse",
            {{"query", 1, kGi + 64},
             {"key", 1, 2 * kGi + 64},
             {"value", 1, kGi + 65},
             {"output", 1, kGi + 68},
             {"logsumexp", 1, kGi + 16},
             {"keep_mask", 1, kGi + 1003},
             {"bias", 1, kGi + 1001},
             {"null_key", 0, 2 * kGi + 16},
             {"null_value", 0, 2 * kGi + 17},
             {"key", 0, 144, 4ull * kGi + 32},
             {"output", 0, 160, 8ull * kGi + 32}});
}

TEST_CASE("far: rows past 4 GiB and past 2^31 elements") {
  check_far("b1 h2 q3 k3 d8 f32 mask=keep_i32 bias lse", {{"query", 2, kGi - 64},
                                                          {"key", 2, kGi - 64},
                                                          {"value", 2, kGi - 63},
                                                          {"output", 2, kGi - 64},
                                                          {"keep_mask", 2, kGi - 1001},
                                                          {"bias", 2, kGi - 1001}});
  for (const char* line :
       {"b1 h1 q301 k303 d8 f16 lse", "b1 h1 q301 k303 d8 f16 packed=qk starts=gaps lse"})
    check_far(line, {{"query", 2, 16'000'000},
                     {"key", 2, 16'000'000},
                     {"value", 2, 16'000'001},
                     {"output", 2, 16'000'000}});
}
