// The runtime on a real device: memory, copies, recorder, programs, tickets, pipeline cache.
#include <catch2/catch_test_macros.hpp>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <optional>
#include <thread>

#include "weft/weft.hpp"

using namespace weft;
namespace fs = std::filesystem;

namespace {

std::string messages;  // of the validation layer

template <class T>
T must(Result<T> result) {
  if (!result) FAIL(to_string(result.error().code) << ": " << result.error().message);
  return std::move(*result);
}
void must(Result<void> result) {
  if (!result) FAIL(to_string(result.error().code) << ": " << result.error().message);
}

DeviceOptions checked(DeviceOptions options = {}) {
  options.validation = true;
  options.log = [](LogLevel, std::string_view text) { (messages += text) += '\n'; };
  return options;
}

struct Opened {
  Device device;
  explicit Opened(const DeviceOptions& options = {}) : device(must(Device::open(checked(options)))) {}
  ~Opened() {
    (void)device.wait_idle();
    CHECK(device.validation_messages() == 0);
    CHECK(messages == "");
    messages.clear();
  }
};

std::vector<float> ramp(size_t count, float step = 1) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = step * static_cast<float>(i % 1000);
  return values;
}

Tensor filled(const Device& device, const Dims& shape, float step) {
  Tensor tensor = must(device.tensor(DType::f32, shape));
  must(device.upload(tensor, ramp(static_cast<size_t>(tensor.elements()), step)));
  return tensor;
}

struct Folder {
  fs::path path = fs::path(WEFT_BINARY_DIR) / "test_cache";
  Folder() { fs::remove_all(path); }
  ~Folder() { fs::remove_all(path); }
  fs::path file() const { return fs::directory_iterator(path)->path(); }
};

void run_add(const Device& device) {
  const Tensor a = filled(device, {8, 16}, 1), b = filled(device, {8, 16}, 2);
  const Tensor c = must(device.tensor(DType::f32, {8, 16}));
  Recorder recorder(device);
  must(add(recorder, {.left = a, .right = b, .output = c}));
  must(must(recorder.submit()).wait());
  CHECK(must(device.download<float>(c)) == ramp(128, 3));
}

}  // namespace

TEST_CASE("devices are listed with their traits") {
  const auto devices = must(Device::list());
  REQUIRE(!devices.empty());
  for (const DeviceInfo& info : devices) {
    CHECK(!info.traits.name.empty());
    CHECK(info.usable == info.why_not.empty());
  }
}

TEST_CASE("an unknown device is refused with the list of devices") {
  const auto device = Device::open({.name = "no such device"});
  REQUIRE(!device);
  CHECK(device.error().code == Code::no_device);
  CHECK(device.error().message.find("\"no such device\"") != std::string::npos);
  CHECK(device.error().message.find("0: ") != std::string::npos);
}

TEST_CASE("a device is chosen by index and by part of its name") {
  const auto devices = must(Device::list());
  size_t usable = 0;
  while (!devices[usable].usable) ++usable;
  CHECK(must(Device::open({.name = std::to_string(usable)})).traits().name == devices[usable].traits.name);
  CHECK(must(Device::open({.name = devices[usable].traits.name.substr(1, 4)})).traits().api_version != 0);
}

TEST_CASE("copies there and back keep every byte, with and without staging") {
  for (const bool staged : {false, true}) {
    Opened opened({.without_direct_access = staged});
    for (const int64_t count : {1, 3, 1000, 6 << 20}) {  // the last one takes several staging slots
      const Tensor tensor = must(opened.device.tensor(DType::f32, {count}));
      if (staged) CHECK(tensor.buffer.mapped() == nullptr);
      const auto data = ramp(static_cast<size_t>(count));
      must(opened.device.upload(tensor, data));
      CHECK(must(opened.device.download<float>(tensor)) == data);
    }
    run_add(opened.device);
  }
}

TEST_CASE("an upload waits for work that still reads the tensor") {
  Opened opened;
  const Device& device = opened.device;
  const Tensor x = filled(device, {512, 512}, 0.001f), w = filled(device, {512, 512}, 0.001f);
  const Tensor y = must(device.tensor(DType::f32, {512, 512}));
  Recorder recorder(device);
  must(linear(recorder, {.input = x, .weight = w, .output = y}));
  const Program program = must(recorder.finish());
  must(must(program.run()).wait());
  const auto expected = must(device.download<float>(y));
  must(program.run());
  must(device.upload(x, std::vector<float>(512 * 512, 0.0f)));  // must not reach the run before it
  CHECK(must(device.download<float>(y)) == expected);
}

TEST_CASE("barriers are the fewest: independent chains share theirs") {
  Opened opened;
  const Tensor a = filled(opened.device, {4, 8}, 1), b = filled(opened.device, {4, 8}, 2);
  Recorder recorder(opened.device);
  std::vector<Tensor> ends;
  for (int chain = 0; chain < 3; ++chain) {  // a+b, then +b, then +b: three levels, two barriers
    Tensor x = a;
    for (int step = 0; step < 3; ++step) {
      const Tensor next = step == 2 ? must(opened.device.tensor(DType::f32, {4, 8}))
                                    : recorder.transient(DType::f32, {4, 8});
      must(add(recorder, {.left = x, .right = b, .output = next}));
      x = next;
    }
    ends.push_back(x);
  }
  const Program program = must(recorder.finish());
  CHECK(program.stats().operations == 9);
  CHECK(program.stats().barriers == 2);
  CHECK(program.stats().submissions == 1);
  for (int run = 0; run < 3; ++run) {  // replayed without recording again
    must(must(program.run()).wait());
    for (const Tensor& end : ends) CHECK(must(opened.device.download<float>(end)) == ramp(32, 7));
  }
}

TEST_CASE("transient tensors share memory by lifetime") {
  Opened opened;
  constexpr int64_t kRows = 64, kDim = 64;  // 16 KiB each
  const Tensor a = filled(opened.device, {kRows, kDim}, 1);
  const Tensor out = must(opened.device.tensor(DType::f32, {kRows, kDim}));
  Recorder recorder(opened.device);
  Tensor x = a;
  for (int step = 0; step < 10; ++step) {
    const Tensor next = recorder.transient(DType::f32, {kRows, kDim});
    must(add(recorder, {.left = x, .right = a, .output = next}));
    x = next;
  }
  must(add(recorder, {.left = x, .right = a, .output = out}));
  const Program program = must(recorder.finish());
  CHECK(program.stats().transient_bytes == 2u * kRows * kDim * 4);  // a chain needs two at a time
  CHECK(program.stats().transient_bytes_summed == 10u * kRows * kDim * 4);
  must(must(program.run()).wait());
  const auto input = ramp(kRows * kDim);
  const auto result = must(opened.device.download<float>(out));
  for (size_t i = 0; i < input.size(); ++i) REQUIRE(result[i] == 12 * input[i]);
}

TEST_CASE("a transient tensor must be written first, by its own recording, and stays on the device") {
  Opened opened;
  const Tensor a = filled(opened.device, {4, 8}, 1);
  Recorder recorder(opened.device), other(opened.device);
  const Tensor t = recorder.transient(DType::f32, {4, 8});
  const auto foreign = add(other, {.left = a, .right = a, .output = t});
  REQUIRE(!foreign);
  CHECK(foreign.error().message.find("another recording") != std::string::npos);
  const auto read = opened.device.download<float>(t);
  REQUIRE(!read);
  CHECK(read.error().message.find("transient") != std::string::npos);
  must(add(recorder, {.left = t, .right = a, .output = must(opened.device.tensor(DType::f32, {4, 8}))}));
  const auto program = recorder.finish();
  REQUIRE(!program);
  CHECK(program.error().code == Code::invalid_argument);
  CHECK(program.error().message.find("written before it is read") != std::string::npos);
}

TEST_CASE("long work is cut into several submissions with the same result") {
  Opened opened({.max_flops_per_submission = 1e6});
  const Device& device = opened.device;
  const Tensor x = filled(device, {64, 64}, 0.01f), w = filled(device, {64, 64}, 0.01f);  // 0.5 MFLOP a product
  std::vector<std::vector<float>> results;
  for (const bool whole : {false, true}) {
    Opened uncut;
    const Device& target = whole ? uncut.device : device;
    const Tensor in = whole ? filled(target, {64, 64}, 0.01f) : x, weight = whole ? filled(target, {64, 64}, 0.01f) : w;
    Recorder recorder(target);
    Tensor t = in;
    const Tensor out = must(target.tensor(DType::f32, {64, 64}));
    for (int i = 0; i < 6; ++i) {
      const Tensor next = i == 5 ? out : recorder.transient(DType::f32, {64, 64});
      must(linear(recorder, {.input = t, .weight = weight, .output = next}));
      t = next;
    }
    const Program program = must(recorder.finish());
    CHECK(program.stats().submissions == (whole ? 1u : 6u));
    must(must(program.run()).wait());
    results.push_back(must(target.download<float>(out)));
  }
  CHECK(results[0] == results[1]);
}

TEST_CASE("a long operation runs in parts, with the same bits and one time") {
  const int64_t batch = 2, heads = 3, q_len = 70, kv_len = 40, dim = 16, out_features = 100;
  const double whole = 2.0 * batch * heads * q_len * kv_len * 2 * dim;
  const auto run = [&](double most, bool timestamps) {
    Opened opened({.max_flops_per_submission = most});
    const Device& device = opened.device;
    const Tensor query = filled(device, {batch, heads, q_len, dim}, 0.01f);
    const Tensor key = filled(device, {batch, heads, kv_len, dim}, 0.003f);
    const Tensor output = must(device.tensor(DType::f32, {batch, heads, q_len, dim}));
    const Tensor weight = filled(device, {out_features, dim}, 0.02f);
    const Tensor product = must(device.tensor(DType::f32, {batch, heads, q_len, out_features}));
    Recorder recorder(device);
    must(attention(recorder, {.query = query, .key = key, .value = key, .output = output}));
    must(linear(recorder, {.input = output, .weight = weight, .output = product}));
    const Program program = must(recorder.finish({.timestamps = timestamps}));
    for (int turn = 0; turn < 2; ++turn) must(must(program.run()).wait());
    CHECK(program.stats().operations == 2);
    CHECK(program.stats().barriers == (most == 1e15 ? 1 : 0));  // else the cut stands there
    if (timestamps) {
      const auto times = must(program.times());
      REQUIRE(times.size() == 2);
      CHECK(times[0].flops == whole);
      CHECK((times[0].begin_ns == 0 && times[0].begin_ns < times[0].end_ns));
      CHECK((times[0].end_ns <= times[1].begin_ns && times[1].begin_ns < times[1].end_ns));
    }
    auto results = must(device.download<float>(output));
    const auto second = must(device.download<float>(product));
    results.insert(results.end(), second.begin(), second.end());
    return std::pair(results, program.stats().submissions);
  };
  const bool timed = Opened().device.traits().timestamp_period_ns != 0;
  const auto uncut = run(1e15, timed);
  CHECK(uncut.second == 1);
  // Rows of workgroups, then heads or items as well, then every workgroup by itself.
  uint32_t last = 1;
  for (const double most : {whole / 2, whole / 10, 1.0}) {
    const auto cut = run(most, timed);
    CHECK(cut.second > last);
    CHECK((most == 1.0 || cut.second <= 64));
    CHECK(cut.first == uncut.first);
    last = cut.second;
  }
}

TEST_CASE("timestamps give every operation its time, in order") {
  Opened opened;
  if (opened.device.traits().timestamp_period_ns == 0) SKIP("this device has no timestamps");
  const Tensor a = filled(opened.device, {64, 64}, 1);
  Recorder recorder(opened.device);
  const Tensor t = recorder.transient(DType::f32, {64, 64});
  recorder.label("first");
  must(add(recorder, {.left = a, .right = a, .output = t}));
  recorder.label("second");
  must(linear(recorder, {.input = t, .weight = a, .output = must(opened.device.tensor(DType::f32, {64, 64}))}));
  const Program program = must(recorder.finish({.timestamps = true}));
  CHECK(program.times().error().message.find("need a run") != std::string::npos);
  must(must(program.run()).wait());
  const auto times = must(program.times());
  REQUIRE(times.size() == 2);
  CHECK(times[0].name == "add first");
  CHECK(times[1].name == "linear second");
  CHECK(times[1].flops == 2.0 * 64 * 64 * 64);
  CHECK(times[0].end_ns >= times[0].begin_ns);
  CHECK(times[1].begin_ns >= times[0].end_ns);
  CHECK(times[1].end_ns > times[1].begin_ns);
}

TEST_CASE("handles may go in any order while work runs") {
  messages.clear();
  Ticket ticket;
  {
    const Device device = must(Device::open(checked()));
    const Tensor a = filled(device, {512, 512}, 0.001f);
    Recorder recorder(device);
    const Tensor out = must(device.tensor(DType::f32, {512, 512}));
    must(linear(recorder, {.input = a, .weight = a, .output = out}));
    ticket = must(recorder.submit());
  }
  must(ticket.wait());
  CHECK(ticket.done());
  ticket = {};
  CHECK(messages == "");
}

TEST_CASE("assigning a handle frees its old memory before its old device") {
  messages.clear();
  Tensor tensor;
  std::optional<Program> program;
  for (int i = 0; i < 3; ++i) {
    const Device device = must(Device::open(checked()));
    tensor = must(device.tensor(DType::f32, {16, 16}));
    Recorder recorder(device);
    must(add(recorder, {.left = filled(device, {16, 16}, 1), .right = filled(device, {16, 16}, 1), .output = tensor}));
    Program made = must(recorder.finish());
    if (program) *program = made; else program = made;
    must(must(program->run()).wait());
  }
  program.reset();
  tensor = {};
  CHECK(messages == "");
}

TEST_CASE("an empty transient tensor may be used") {
  Opened opened;
  const Device& device = opened.device;
  Recorder recorder(device);
  const Tensor empty = recorder.transient(DType::f32, {0, 8});
  const Tensor weight = filled(device, {8, 8}, 1);
  must(linear(recorder, {.input = must(device.tensor(DType::f32, {0, 8})), .weight = weight, .output = empty}));
  const Tensor query = must(filled(device, {4, 8}, 1).split_heads(1));
  const Tensor output = must(device.tensor(DType::f32, {1, 1, 4, 8}));
  must(device.upload(output, std::vector<float>(32, 7.0f)));
  const Tensor keys = must(empty.split_heads(1));
  must(attention(recorder, {.query = query, .key = keys, .value = keys, .output = output}));
  must(must(recorder.submit()).wait());
  CHECK(must(device.download<float>(output)) == std::vector<float>(32, 0.0f));  // no keys: zeros
}

TEST_CASE("several threads may use one device") {
  Opened opened;
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&, i] {
      const auto a = opened.device.tensor(DType::f32, {16, 16}), out = opened.device.tensor(DType::f32, {16, 16});
      if (!a || !out || !opened.device.upload(*a, ramp(256, static_cast<float>(i)))) return;
      for (int run = 0; run < 10; ++run) {
        Recorder recorder(opened.device);
        if (!add(recorder, {.left = *a, .right = *a, .output = *out})) return;
        const auto ticket = recorder.submit();
        if (!ticket || !ticket->wait()) return;
      }
      const auto result = opened.device.download<float>(*out);
      good += result && *result == ramp(256, 2 * static_cast<float>(i));
    });
  for (auto& thread : threads) thread.join();
  CHECK(good == 4);
}

TEST_CASE("the pipeline cache survives damage, foreign files and rivals") {
  Folder folder;
  const DeviceOptions options{.cache_dir = folder.path.string()};
  {
    Opened first(options);
    run_add(first.device);
    must(first.device.save_pipeline_cache());
  }
  const auto bytes = fs::file_size(folder.file());
  CHECK(bytes > 24);
  { Opened second(options); run_add(second.device); }

  for (const char* damage : {"truncated", "foreign", "flipped", "empty"}) {
    const fs::path file = folder.file();
    const std::string kind = damage;
    if (kind == "truncated") fs::resize_file(file, bytes / 2);
    if (kind == "foreign") std::ofstream(file) << "this is not a pipeline cache at all, but a text";
    if (kind == "empty") fs::resize_file(file, 0);
    if (kind == "flipped") {
      std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
      stream.seekp(static_cast<std::streamoff>(fs::file_size(file) - 1));
      stream.put('\x5a');
    }
    {
      const Device device = must(Device::open(checked(options)));
      CHECK(messages.find("pipeline cache: ignored") != std::string::npos);
      CHECK(device.validation_messages() == 0);
      messages.clear();
      run_add(device);
    }
    messages.clear();  // saving looked at the damaged file once more
    CHECK(fs::file_size(folder.file()) > 24);
    { Opened again(options); }
  }
  Opened one(options), two(options);  // both write at their end
  run_add(one.device);
  run_add(two.device);
  must(one.device.save_pipeline_cache());
  must(two.device.save_pipeline_cache());
  CHECK(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator{}) == 1);
}

TEST_CASE("memory that can't be had is refused, and the device goes on") {
  Opened opened;
  const auto huge = opened.device.buffer(uint64_t{1} << 60);
  REQUIRE(!huge);
  CHECK(huge.error().code == Code::out_of_memory);
  CHECK(opened.device.buffer(0).error().code == Code::invalid_argument);
  CHECK(opened.device.tensor(DType::f32, {INT64_MAX / 2, 8}).error().code == Code::invalid_argument);
  CHECK(opened.device.tensor(DType::f32, {-1}).error().code == Code::invalid_argument);
  CHECK(opened.device.tensor(DType::f32, {1, 1, 1, 1, 1}).error().message.find("found 5") != std::string::npos);
  run_add(opened.device);
}
