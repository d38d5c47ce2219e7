// Weft inside an app that owns the Vulkan device: adoption, wrapped memory, the app's command
// buffer and semaphores, and several devices in one process.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "decide/select.hpp"
#include "device/host_app.hpp"

using namespace weft;
using namespace weft::test;

namespace {

constexpr int64_t kCount = 64;

// The message begins with `operation` and has `rule` in it.
template <class T>
void refused(const Result<T>& result, Code code, const std::string& operation,
             const std::string& rule) {
  REQUIRE(!result);
  INFO(result.error().message);
  CHECK(result.error().code == code);
  CHECK(result.error().message.starts_with(operation + ":"));
  CHECK(result.error().message.find(rule) != std::string::npos);
}

// Three equal values added: 3 x, through a transient tensor.
void record_triple(Recorder& recorder, const Tensor& x, const Tensor& output) {
  const Tensor twice = recorder.transient(DType::f32, x.shape);
  record_add(recorder, x, x, twice);
  record_add(recorder, twice, x, output);
}

std::vector<float> times(std::vector<float> values, float factor, float shift = 0) {
  for (float& value : values) value = factor * value + shift;
  return values;
}

}  // namespace

TEST_CASE("features are data, and the chain asks for those that the device has") {
  HostApp host;
  int required = 0;
  for (const VulkanFeature& feature : vulkan_features()) {
    INFO(feature.name);
    CHECK(std::string(feature.structure).starts_with("VkPhysicalDevice"));
    CHECK(std::string(feature.why) != "");
    required += feature.required;
  }
  CHECK(required == 4);
  const VulkanFeatureChain& chain = host.app.features;
  CHECK(chain.features2.pNext == &chain.v11);
  CHECK((chain.v12.bufferDeviceAddress && chain.v12.timelineSemaphore));
  CHECK((chain.v13.synchronization2 && chain.v13.maintenance4));
  CHECK(!chain.v12.descriptorIndexing);

  VulkanFeatureChain own;
  own.v12.hostQueryReset = VK_TRUE;
  must(request_vulkan_features(vkGetInstanceProcAddr, host.app.instance, host.app.physical, own));
  CHECK((own.v12.hostQueryReset && own.v12.timelineSemaphore));
  const VulkanFeatureChain copy = own;
  CHECK(copy.v12.pNext == &copy.v13);
  refused(request_vulkan_features(nullptr, host.app.instance, host.app.physical, own),
          Code::invalid_argument, "request_vulkan_features", "get_instance_proc_addr");
  refused(request_vulkan_features(vkGetInstanceProcAddr, host.app.instance, nullptr, own),
          Code::invalid_argument, "request_vulkan_features", "physical_device");
}

TEST_CASE("what can't be adopted is refused with the rule") {
  HostApp host;
  VulkanFeatureChain features = host.app.features;
  struct Row {
    const char* rule;
    Code code;
    std::function<void(VulkanDevice&, DeviceOptions&)> change;
  };
  const auto invalid = Code::invalid_argument, lacking = Code::unsupported;
  const auto without = [&](VkBool32& flag) { flag = VK_FALSE; };
  const std::vector<Row> rows = {
      {"get_instance_proc_addr", invalid,
       [](auto& d, auto&) { d.get_instance_proc_addr = nullptr; }},
      {"instance must", invalid, [](auto& d, auto&) { d.instance = VK_NULL_HANDLE; }},
      {"physical_device", invalid, [](auto& d, auto&) { d.physical_device = VK_NULL_HANDLE; }},
      {"device must", invalid, [](auto& d, auto&) { d.device = VK_NULL_HANDLE; }},
      {"queue must", invalid, [](auto& d, auto&) { d.queue = VK_NULL_HANDLE; }},
      {"family 77", invalid, [](auto& d, auto&) { d.queue_family = 77; }},
      {"only lock_queue", invalid, [](auto& d, auto&) { d.lock_queue = [] {}; }},
      {"only unlock_queue", invalid, [](auto& d, auto&) { d.unlock_queue = [] {}; }},
      {"\"llvm\"", invalid, [](auto&, auto& o) { o.name = "llvm"; }},
      {"validation", invalid, [](auto&, auto& o) { o.validation = true; }},
      {"1.2", lacking, [](auto& d, auto&) { d.api_version = VK_API_VERSION_1_2; }},
      {"0.0", lacking, [](auto& d, auto&) { d.api_version = 0; }},
      {"bufferDeviceAddress", lacking, [](auto& d, auto&) { d.enabled_features = nullptr; }},
      {"bufferDeviceAddress", lacking,
       [&](auto&, auto&) { without(features.v12.bufferDeviceAddress); }},
      {"timelineSemaphore", lacking,
       [&](auto&, auto&) { without(features.v12.timelineSemaphore); }},
      {"synchronization2", lacking, [&](auto&, auto&) { without(features.v13.synchronization2); }},
      {"maintenance4", lacking, [&](auto&, auto&) { without(features.v13.maintenance4); }},
  };
  for (const Row& row : rows) {
    features = host.app.features;
    VulkanDevice given = host.app.to_adopt();
    given.enabled_features = &features.features2;
    DeviceOptions options;
    row.change(given, options);
    refused(adopt_device(given, options), row.code, "adopt_device", row.rule);
  }
  DeviceOptions half;
  half.host_allocator.free = [](void*, void*) {};
  refused(adopt_device(host.app.to_adopt(), half), invalid, "device", "found 1");
  refused(Device::open(half), invalid, "device", "found 1");
}

TEST_CASE("enabled features are read from single structures too") {
  HostApp host;
  VkPhysicalDeviceMaintenance4Features four{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_FEATURES, nullptr, VK_TRUE};
  VkPhysicalDeviceSynchronization2Features sync{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SYNCHRONIZATION_2_FEATURES, &four, VK_TRUE};
  VkPhysicalDeviceTimelineSemaphoreFeatures timeline{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES, &sync, VK_TRUE};
  VkPhysicalDeviceBufferDeviceAddressFeatures address{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES, &timeline, VK_TRUE};
  VulkanDevice given = host.app.to_adopt();
  given.enabled_features = &address;
  CHECK(!must(adopt_device(given)).traits().storage_16bit);
  VkPhysicalDevice16BitStorageFeatures half{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES, &address, VK_TRUE};
  given.enabled_features = &half;
  CHECK(must(adopt_device(given)).traits().storage_16bit);
}

TEST_CASE("matrices are used where the app enabled them, after a self-test under its lock") {
  HostApp host;
  CHECK(host.adopt().traits().matrix_shapes.empty());
  std::vector<MatrixShape> listed;
  VkPhysicalDeviceProperties properties;
  vkGetPhysicalDeviceProperties(host.app.physical, &properties);
  for (const DeviceInfo& info : must(Device::list()))
    if (info.traits.name == properties.deviceName) listed = info.traits.matrix_shapes;
  std::erase_if(listed, [](const MatrixShape& shape) { return shape.input == MatrixElement::bf16; });
  if (listed.empty()) SKIP("this device has no cooperative matrices");

  host.app.close_device();
  VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrix{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR, nullptr, VK_TRUE};
  host.app.features.v13.pNext = &matrix;
  host.app.extensions = {VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME};
  must(host.app.make_device());
  must(host.app.make_pipeline());
  must(host.app.make_commands());
  int locked = 0;
  VulkanDevice given = host.app.to_adopt();
  given.lock_queue = [&] { ++locked; };
  given.unlock_queue = [] {};
  const AttentionDesc desc{.query_dtype = DType::f16, .kv_dtype = DType::f16,
                           .output_dtype = DType::f16, .head_dim = 32, .value_dim = 32,
                           .q_len = 16, .kv_len = 32};
  size_t rows = 0;
  for (const decide::AttentionRow& row : decide::attention_rows()) {
    DeviceOptions options;
    options.kernel = row.name;
    options.self_test = "on";
    const Device device = must(adopt_device(given, options));
    CHECK(device.traits().matrix_shapes == listed);
    if (row.matrix.m == 0 ||
        !decide::why_not(device.traits(), row, decide::problem_of(desc)).empty())
      continue;
    INFO(row.name);
    const int before = locked;
    CHECK(must(Attention::plan(device, desc)).kernel() == std::string(row.name));
    CHECK(locked > before);  // the self-test was submitted to the app's queue
    ++rows;
  }
  CHECK(rows > 0);
}

TEST_CASE("an adopted device computes in the app's buffers and leaves the app's things alone") {
  HostApp host;
  const embed::AppBuffer in = host.buffer(kCount), out = host.buffer(kCount);
  fill(in, 1);
  for (int round = 0; round < 2; ++round) {  // adopted again after it was let go
    const Device device = host.adopt();
    CHECK(vulkan_handles(device).device == host.app.device);
    CHECK(vulkan_handles(device).queue == host.app.queue);
    Recorder recorder(device);
    record_triple(recorder, wrapped(device, in), wrapped(device, out));
    const Ticket ticket = must(recorder.submit());
    must(ticket.wait());
    CHECK(contents(out) == times(counting(kCount, 1), 3));
    uint64_t reached = 0;
    vkGetSemaphoreCounterValue(host.app.device, vulkan_handles(device).timeline, &reached);
    CHECK(reached >= ticket.value());
    CHECK(device.validation_messages() == 0);
  }
  host.begin();
  host.app.dispatch(in, out, 2, 5);
  host.end();
  must(host.app.submit_and_wait());
  CHECK(contents(out) == times(counting(kCount, 1), 2, 5));
}

TEST_CASE("wrapped memory is the app's own: ranges, copies, and what is refused") {
  HostApp host;
  const Device device = host.adopt();
  const embed::AppBuffer in = host.buffer(kCount, VK_BUFFER_USAGE_TRANSFER_DST_BIT),
                         out = host.buffer(kCount, VK_BUFFER_USAGE_TRANSFER_SRC_BIT);
  fill(in, 0);
  fill(out, 0);
  const auto part = [&](const embed::AppBuffer& buffer) {  // elements 16 to 31
    Tensor tensor{.shape = {4, 4}, .strides = {4, 1}};
    tensor.buffer = must(wrap_buffer(device, {buffer.buffer, 64, 64, buffer.usage}));
    CHECK(tensor.buffer.device_address() == buffer.address + 64);
    CHECK(tensor.buffer.mapped() == nullptr);
    return tensor;
  };
  const Tensor from = part(in), to = part(out);
  must(device.upload(from, counting(16, 100)));
  Recorder recorder(device);
  record_add(recorder, from, from, to);
  must(must(recorder.submit()).wait());
  CHECK(must(device.download<float>(to)) == times(counting(16, 100), 2));
  std::vector<float> expected = counting(kCount, 0);
  for (size_t i = 16; i < 32; ++i) expected[i] = 2 * (100 + static_cast<float>(i - 16));
  CHECK(contents(out) == expected);
  CHECK(in.data[15] == 15);
  CHECK(in.data[32] == 32);
  const VulkanBuffer behind = vulkan_buffer(to.buffer);
  CHECK((behind.buffer == out.buffer && behind.offset_bytes == 64 && behind.size_bytes == 64));

  std::vector<float> data(16);
  const auto bytes = std::as_writable_bytes(std::span(data));
  refused(device.upload(to, bytes), Code::invalid_argument, "upload", "TRANSFER_DST");
  refused(device.download(from, bytes), Code::invalid_argument, "download", "TRANSFER_SRC");
  Tensor by_address{.shape = {4, 4}, .strides = {4, 1}};
  by_address.buffer = must(wrap_address(device, out.address, 64));
  refused(device.upload(by_address, bytes), Code::invalid_argument, "upload", "wrap_address");
  refused(device.download(by_address, bytes), Code::invalid_argument, "download", "wrap_address");
  CHECK(vulkan_buffer(by_address.buffer).buffer == VK_NULL_HANDLE);
  CHECK(vulkan_buffer({}).size_bytes == 0);

  const auto invalid = Code::invalid_argument;
  refused(wrap_buffer(device, {VK_NULL_HANDLE, 0, 64, in.usage}), invalid, "wrap_buffer", "null");
  refused(wrap_buffer(device, {in.buffer, 0, 64, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT}), invalid,
          "wrap_buffer", "SHADER_DEVICE_ADDRESS");
  refused(wrap_buffer(device, {in.buffer, 4, 64, in.usage}), invalid, "wrap_buffer",
          "multiple of 16");
  refused(wrap_buffer(device, {in.buffer, 0, 20, in.usage}), invalid, "wrap_buffer", "found 20");
  refused(wrap_buffer(device, {in.buffer, UINT64_MAX - 15, 16, in.usage}), invalid, "wrap_buffer",
          "offset");
  refused(wrap_address(device, 0, 64), invalid, "wrap_address", "found 0");
  refused(wrap_address(device, in.address + 8, 64), invalid, "wrap_address", "address");
  refused(wrap_address(device, in.address, 0), invalid, "wrap_address", "found 0");
  refused(wrap_address(device, UINT64_MAX - 15, 32), invalid, "wrap_address", "64 bits");
}

TEST_CASE("memory that is wrapped twice is one memory") {
  HostApp host;
  const Device device = host.adopt();
  const embed::AppBuffer in = host.buffer(kCount), out = host.buffer(kCount),
                         sum = host.buffer(kCount);
  fill(in, 1);
  const Tensor x = wrapped(device, in), y = wrapped(device, out), again = wrapped(device, out);
  Tensor half = x;
  half.shape = {kCount / 8, 4};
  Tensor alias = half;  // the second half of `out`, by its address
  alias.buffer = must(wrap_address(device, out.address + kCount * 2, kCount * 2));
  Recorder recorder(device);
  record_add(recorder, x, x, y);
  record_add(recorder, x, again, wrapped(device, sum));  // reads what `y` was given
  record_add(recorder, half, half, alias);               // after the reading of `again`
  const Program program = must(recorder.finish());
  CHECK(program.stats().barriers == 2);
  must(must(program.run()).wait());
  CHECK(contents(sum) == times(counting(kCount, 1), 3));
  std::vector<float> expected = times(counting(kCount, 1), 2);
  for (size_t i = 0; i < kCount / 2; ++i)
    expected[kCount / 2 + i] = 2 * (1 + static_cast<float>(i));
  CHECK(contents(out) == expected);

  Recorder wrong(device);
  const Tensor weight = must(device.tensor(DType::f32, {4, 4}));
  refused(linear(wrong, {.input = y, .weight = weight, .output = again}), Code::invalid_argument,
          "linear", "share memory");
}

TEST_CASE("a recording goes into the app's command buffer, between its own dispatches") {
  HostApp host;
  for (const bool staged : {false, true}) {
    int locked = 0;
    VulkanDevice given = host.app.to_adopt();
    given.lock_queue = [&] { ++locked; };
    given.unlock_queue = [] {};
    DeviceOptions options;
    options.without_direct_access = staged;
    options.max_flops_per_submission = 1;  // would cut a program before every product
    const Device device = must(adopt_device(given, options));
    const embed::AppBuffer raw = host.buffer(kCount), a = host.buffer(kCount),
                           b = host.buffer(kCount), result = host.buffer(kCount);
    fill(raw, 0);
    const Tensor identity = must(device.tensor(DType::f32, {4, 4}));
    must(device.upload(identity,
                       std::vector<float>{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}));
    must(device.wait_idle());

    const int before = locked;
    Recorder recorder(device);
    const Tensor t = recorder.transient(DType::f32, {kCount / 4, 4});
    const Tensor u = recorder.transient(DType::f32, {kCount / 4, 4});
    must(linear(recorder, {.input = wrapped(device, a), .weight = identity, .output = t}));
    must(linear(recorder, {.input = t, .weight = identity, .output = u}));
    record_add(recorder, u, wrapped(device, a), wrapped(device, b));
    host.begin();
    host.app.dispatch(raw, a, 3, 1);
    RecordIntoOptions barriers;
    if (staged) {  // the app's own, in place of ours
      barriers = {.barrier_before = false, .barrier_after = false};
      host.app.barrier(VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT,
                       VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT);
    }
    const ExternalRecording recording = must(record_into(recorder, host.app.commands, barriers));
    if (staged)
      host.app.barrier(VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT,
                       VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT);
    host.app.dispatch(b, result, 10, -1);
    host.end();
    CHECK(recording.stats().operations == 3);
    CHECK(recording.stats().barriers == 2);
    CHECK(recording.stats().submissions == 0);
    CHECK(locked == before);            // nothing was submitted
    for (float first : {0.0f, 7.0f}) {  // again with other data
      fill(raw, first);
      must(host.app.submit_and_wait());
      CHECK(contents(result) == times(counting(kCount, first), 60, 19));
    }
    refused(record_into(recorder, VK_NULL_HANDLE), Code::invalid_argument, "record_into", "null");
    host.begin();
    CHECK(must(record_into(recorder, host.app.commands)).stats().operations == 0);  // it is empty
    host.end();
  }
}

TEST_CASE("work waits for the app's semaphores and signals them") {
  HostApp host;
  const VkSemaphore semaphore = host.timeline();
  for (const bool cut : {false, true}) {
    DeviceOptions options;
    options.max_flops_per_submission = cut ? 2 * kCount / 4 * 4 * 4 : 0;  // one product's
    const Device device = host.adopt(options);
    const embed::AppBuffer in = host.buffer(kCount), out = host.buffer(kCount);
    const Tensor identity = must(device.tensor(DType::f32, {4, 4}));
    must(device.upload(identity,
                       std::vector<float>{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}));
    Recorder recorder(device);
    const Tensor t = recorder.transient(DType::f32, {kCount / 4, 4});
    must(linear(recorder, {.input = wrapped(device, in), .weight = identity, .output = t}));
    must(linear(recorder, {.input = t, .weight = identity, .output = wrapped(device, out)}));
    const Program program = must(recorder.finish());
    CHECK(program.stats().submissions == (cut ? 2u : 1u));

    uint64_t now = 0;
    vkGetSemaphoreCounterValue(host.app.device, semaphore, &now);
    const SemaphoreValue wait{semaphore, now + 1}, signal{semaphore, now + 2};
    const Ticket ticket = must(run(program, {&wait, 1}, {&signal, 1}));
    CHECK(ticket.wait(20'000'000).error().code == Code::timeout);
    CHECK(!ticket.done());
    fill(in, 40);  // before the signal: the work has not begun
    const VkSemaphoreSignalInfo raise{VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO, nullptr, semaphore,
                                      now + 1};
    CHECK(vkSignalSemaphore(host.app.device, &raise) == VK_SUCCESS);
    VkSemaphoreWaitInfo info{VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO};
    info.semaphoreCount = 1;
    info.pSemaphores = &semaphore;
    info.pValues = &signal.value;
    CHECK(vkWaitSemaphores(host.app.device, &info, UINT64_MAX) == VK_SUCCESS);
    CHECK(contents(out) == counting(kCount, 40));
    must(ticket.wait());

    const SemaphoreValue null{};
    refused(run(program, {&null, 1}, {}), Code::invalid_argument, "submit", "waits[0]");
    record_add(recorder, wrapped(device, in), wrapped(device, in), wrapped(device, out));
    refused(submit(recorder, {}, {&null, 1}), Code::invalid_argument, "submit", "signals[0]");
    record_add(recorder, wrapped(device, in), wrapped(device, in), wrapped(device, out));
    must(must(submit(recorder, {}, {})).wait());
    CHECK(contents(out) == times(counting(kCount, 40), 2));
  }
  vkDestroySemaphore(host.app.device, semaphore, nullptr);
}

TEST_CASE("several instances and devices live side by side") {
  HostApp one, two;
  const Device devices[] = {one.adopt(), two.adopt(), device(), one.adopt()};
  for (int round = 0; round < 2; ++round)
    for (size_t i = 0; i < std::size(devices); ++i) {
      const auto input = counting(kCount, 10.0f * static_cast<float>(i));
      const Tensor x = must(devices[i].tensor(DType::f32, {kCount / 4, 4}));
      const Tensor y = must(devices[i].tensor(DType::f32, {kCount / 4, 4}));
      must(devices[i].upload(x, input));
      Recorder recorder(devices[i]);
      record_triple(recorder, x, y);
      must(must(recorder.submit()).wait());
      CHECK(must(devices[i].download<float>(y)) == times(input, 3));
    }
  // The first and the last share a VkDevice, and still are two.
  for (const auto& [mine, other] : {std::pair{0, 1}, std::pair{1, 2}, std::pair{0, 3}}) {
    const Tensor x = must(devices[mine].tensor(DType::f32, {kCount / 4, 4}));
    const Tensor foreign = must(devices[other].tensor(DType::f32, {kCount / 4, 4}));
    Recorder recorder(devices[mine]);
    refused(add(recorder, {.left = x, .right = foreign, .output = x}), Code::invalid_argument,
            "add", "another device");
    std::vector<float> data(kCount);
    refused(devices[mine].upload(foreign, data), Code::invalid_argument, "upload", "this device");
  }
  CHECK(vulkan_handles(devices[0]).device == vulkan_handles(devices[3]).device);
  CHECK(vulkan_handles(devices[0]).timeline != vulkan_handles(devices[3]).timeline);
}

TEST_CASE("host memory comes from the app's allocator and goes back to it") {
  struct Books {
    std::mutex mutex;
    std::map<void*, size_t> blocks;
    size_t taken = 0;
  } books;
  HostAllocator allocator;
  allocator.user = &books;
  allocator.allocate = [](void* user, size_t bytes, size_t alignment) -> void* {
    void* memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    Books& books = *static_cast<Books*>(user);
    std::lock_guard lock(books.mutex);
    books.blocks[memory] = bytes;
    ++books.taken;
    return memory;
  };
  allocator.free = [](void* user, void* memory) {
    Books& books = *static_cast<Books*>(user);
    std::lock_guard lock(books.mutex);
    if (memory) REQUIRE(books.blocks.erase(memory) == 1);
    std::free(memory);
  };
  allocator.reallocate = [](void* user, void* memory, size_t bytes, size_t alignment) -> void* {
    Books& books = *static_cast<Books*>(user);
    size_t old_bytes = 0;
    {
      std::lock_guard lock(books.mutex);
      if (memory) old_bytes = books.blocks.at(memory);
      if (memory) books.blocks.erase(memory);
      if (memory && bytes == 0) return std::free(memory), nullptr;
      ++books.taken;
    }
    void* grown = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (memory) std::memcpy(grown, memory, std::min(bytes, old_bytes));
    std::free(memory);
    std::lock_guard lock(books.mutex);
    books.blocks[grown] = bytes;
    return grown;
  };
  HostApp host;
  DeviceOptions options;
  options.host_allocator = allocator;
  for (const bool adopted : {false, true}) {
    const size_t before = books.taken;
    {
      const Device device = adopted ? host.adopt(options) : must(Device::open(options));
      const Tensor x = must(device.tensor(DType::f32, {4, 4}));
      must(device.upload(x, counting(16, 0)));
      Recorder recorder(device);
      record_triple(recorder, x, must(device.tensor(DType::f32, {4, 4})));
      must(must(recorder.submit()).wait());
    }
    CHECK(books.taken > before);
    CHECK(books.blocks.empty());
  }
}
