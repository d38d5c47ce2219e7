// Devices, buffers, tensors and copies.
#include "weft/device.hpp"

#include <limits>

#include "bad_input/device_tables.hpp"

namespace weft::test {
namespace {

using O = DeviceOptions;

void* no_memory(void*, size_t, size_t) { return nullptr; }
void keep(void*, void*) {}

Rows option_rows() {
  Breaker<O> wrong{"device", {}, [](const O& o) { return outcome(Device::open(o)); }, {}};
  must(wrong.make({}));
  for (const char* name : {"no device is called this", "4711", "99999999999999999999", "-1"})
    wrong.add(
        std::string("name ") + name, {"none matches \"" + std::string(name) + "\"", "found:"},
        [name](O& o) { o.name = name; }, Code::no_device);
  for (const auto& [flops, shown] : {std::pair{-1.0, "-1"},
                                     {std::numeric_limits<double>::quiet_NaN(), "nan"},
                                     {-std::numeric_limits<double>::infinity(), "-inf"}})
    wrong.add(std::string("flops ") + shown,
              {std::string("max_flops_per_submission is ") + shown, "0 (a default) or more"},
              [flops](O& o) { o.max_flops_per_submission = flops; });
  for (const auto& [seconds, shown] :
       {std::pair{-1.0, "-1"}, {std::numeric_limits<double>::quiet_NaN(), "nan"}})
    wrong.add(std::string("tuning for ") + shown,
              {std::string("tune_seconds is ") + shown, "0 (never) or more"},
              [seconds](O& o) { o.tune_seconds = seconds; });
  wrong.add("a self-test that is none", {"self_test is \"yes\"", "on, off or trust"},
            [](O& o) { o.self_test = "yes"; });
  wrong.add("one allocation function", {"host_allocator needs", "or none of them; found 1"},
            [](O& o) { o.host_allocator.allocate = no_memory; });
  wrong.add("two allocation functions", {"host_allocator needs", "or none of them; found 2"},
            [](O& o) {
              o.host_allocator.allocate = no_memory;
              o.host_allocator.free = keep;
            });
  return wrong.rows;
}

struct Wanted {
  uint64_t bytes = 64;
  DType dtype = DType::f32;
  Dims shape{2, 3};
  Memory memory = Memory::device;
};

Rows buffer_rows() {
  const auto make = [](const Wanted& w) { return outcome(device().buffer(w.bytes, w.memory)); };
  must(make({}));
  Breaker<Wanted> wrong{"buffer of 64 bytes", {}, make, {}};
  for (const int memory : {-1, 3})
    wrong.add("memory " + std::to_string(memory),
              {"memory is " + std::to_string(memory), "must be a Memory"},
              [memory](Wanted& w) { w.memory = static_cast<Memory>(memory); });
  Rows rows = wrong.rows;
  rows.push_back({"nothing", {"buffer of 0 bytes: ", "1 or more", "found 0"}, [=] {
                    return make({.bytes = 0});
                  }});
  const uint64_t most = device().traits().max_allocation_bytes;
  for (const uint64_t bytes : {UINT64_MAX, UINT64_MAX - 15, std::min(most, UINT64_MAX - 1) + 1})
    rows.push_back(
        {"too much",
         {"buffer of " + std::to_string(bytes) + " bytes: ", "the device allows at most"},
         [=] { return make({.bytes = bytes}); },
         Code::out_of_memory});
  return rows;
}

Rows tensor_rows() {
  const auto make = [](const Wanted& w) {
    return outcome(device().tensor(w.dtype, w.shape, w.memory));
  };
  must(make({}));
  Breaker<Wanted> wrong{"tensor", {}, make, {}};
  wrong.add("rank 0", {"rank must be 1 to 4", "found 0"}, [](Wanted& w) { w.shape = {}; });
  wrong.add("rank 5", {"rank must be 1 to 4", "found 5"}, [](Wanted& w) {
    w.shape = {1, 1, 1, 1, 1};
  });
  wrong.add("a negative dimension", {"0 or more", "[2, -3]"}, [](Wanted& w) { w.shape = {2, -3}; });
  wrong.add("the least dimension", {"0 or more", "-9223372036854775808"},
            [](Wanted& w) { w.shape = {INT64_MIN}; });
  wrong.add("2^65 bytes", {"fit 64 bits", "[9223372036854775807]"},
            [](Wanted& w) { w.shape = {INT64_MAX}; });
  wrong.add("2^64 elements", {"fit 64 bits", "[4294967296, 4294967296]"}, [](Wanted& w) {
    w.shape = {int64_t{1} << 32, int64_t{1} << 32};
  });
  for (const int dtype : {-1, 5})
    wrong.add("type " + std::to_string(dtype),
              {"dtype is unknown (" + std::to_string(dtype) + ")", "must be a DType"},
              [dtype](Wanted& w) { w.dtype = static_cast<DType>(dtype); });
  Rows rows = wrong.rows;
  rows.push_back({"memory 7", {"buffer of 24 bytes: ", "memory is 7", "must be a Memory"}, [=] {
                    return make({.memory = static_cast<Memory>(7)});
                  }});
  rows.push_back({"2^62 bytes",
                  {"buffer of 4611686018427387904 bytes: ", "at most"},
                  [=] { return make({.shape = {int64_t{1} << 60}}); },
                  Code::out_of_memory});
  return rows;
}

struct Copy {
  Tensor tensor;
  size_t bytes = 128;
};

using MakeCopy = std::function<Result<void>(const Copy&)>;

Rows copy_rows(const std::string& name, const Device& on, const Device& elsewhere,
               const MakeCopy& make) {
  const Copy valid{must(on.tensor(DType::f32, {4, 8}))};
  must(make(valid));
  must(on.wait_idle());
  Breaker<Copy> wrong{name, valid, make, {}};
  wrong.add("no tensor", {"tensor has no buffer"}, [](Copy& c) { c.tensor = {}; });
  for (const size_t bytes : {size_t{0}, size_t{127}, size_t{129}})
    wrong.add(std::to_string(bytes) + " bytes",
              {"holds 128 bytes", "host gave " + std::to_string(bytes), "match"},
              [bytes](Copy& c) { c.bytes = bytes; });
  wrong.add("another device's", {"must belong to this device"}, [elsewhere](Copy& c) {
    c.tensor = must(elsewhere.tensor(DType::f32, {4, 8}));
  });
  wrong.add("a transient tensor", {"transient tensor can't be reached by the host"}, [on](Copy& c) {
    c.tensor = Recorder(on).transient(DType::f32, {4, 8});
  });
  wrong.add("a type that is none", {"dtype is unknown (9)", "must be a DType"},
            [](Copy& c) { c.tensor.dtype = static_cast<DType>(9); });
  wrong.add("a negative dimension", {"0 or more", "[-4, 8]"}, [](Copy& c) {
    c.tensor.shape[0] = -4;
    c.bytes = 0;
  });
  wrong.add("columns", {"must be dense", "[4, 4]", "[8, 1]"}, [](Copy& c) {
    c.tensor.shape[1] = 4;
    c.bytes = 64;
  });
  wrong.add("strides of another rank", {"must be dense", "strides [1]"},
            [](Copy& c) { c.tensor.strides = {1}; });
  wrong.add("rank 5", {"must be dense", "[1, 1, 1, 1, ...]"}, [](Copy& c) {
    c.tensor.shape = c.tensor.strides = {1, 1, 1, 1, 1};
  });
  wrong.add("inside an element", {"offset_bytes is 2", "multiple of 4"},
            [](Copy& c) { c.tensor.offset_bytes = 2; });
  wrong.add("past the end", {"128 bytes from byte 4", "its buffer has 128", "must lie inside"},
            [](Copy& c) { c.tensor.offset_bytes = 4; });
  wrong.add("an offset of nearly 2^64", {"from byte 18446744073709551612", "its buffer has 128"},
            [](Copy& c) { c.tensor.offset_bytes = UINT64_MAX - 3; });
  wrong.add("more rows than the buffer", {"160 bytes from byte 0", "its buffer has 128"},
            [](Copy& c) {
              c.tensor.shape[0] = 5;
              c.bytes = 160;
            });
  wrong.add("2^63 rows", {"18446744073709551615 bytes", "its buffer has 128"},
            [](Copy& c) { c.tensor.shape[0] = INT64_MAX; });
  return wrong.rows;
}

// The form that makes its own vector must not make one that the tensor only claims to need.
Rows vector_rows() {
  const Tensor valid = tensor(DType::f32, {4, 8});
  Breaker<Tensor> wrong{
      "download", valid, [](const Tensor& t) { return outcome(device().download<float>(t)); }, {}};
  must(wrong.make(valid));
  wrong.add("2^60 rows", {"its buffer has 128"}, [](Tensor& t) { t.shape[0] = int64_t{1} << 60; });
  wrong.add("a huge transient tensor", {"transient"},
            [](Tensor& t) { t = Recorder(device()).transient(DType::f32, {int64_t{1} << 60}); });
  wrong.add("no tensor", {"has no buffer"}, [](Tensor& t) { t = {}; });
  wrong.rows.push_back(
      {"elements that don't divide", {"download: ", "holds 12 bytes", "gave 8"}, [] {
         return outcome(device().download<double>(tensor(DType::f32, {3})));
       }});
  return wrong.rows;
}

}  // namespace

size_t check_device() {
  return check_rows("options", option_rows(), submissions) +
         check_rows("buffer", buffer_rows(), submissions) +
         check_rows("tensor", tensor_rows(), submissions);
}

size_t check_copies() {
  size_t rows = check_rows("download to a vector", vector_rows(), submissions);
  for (const bool staged : {false, true}) {
    const Device on = staged ? other_device() : device(),
                 elsewhere = staged ? device() : other_device();
    const auto upload = [on](const Copy& copy) {
      return on.upload(copy.tensor, std::vector<std::byte>(copy.bytes));
    };
    const auto download = [on](const Copy& copy) {
      std::vector<std::byte> data(copy.bytes);
      return on.download(copy.tensor, data);
    };
    rows += check_rows("upload", copy_rows("upload", on, elsewhere, upload), submissions);
    rows += check_rows("download", copy_rows("download", on, elsewhere, download), submissions);
  }
  return rows;
}

}  // namespace weft::test
