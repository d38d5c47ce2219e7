// The app's device, memory, command buffers and semaphores.
#include "bad_input/device_tables.hpp"
#include "device/host_app.hpp"  // volk before weft/vulkan.h
#include "vulkan/device_state.hpp"
#include "weft/vulkan.h"

namespace weft::test {
namespace {

struct Adoption {
  VulkanDevice device;
  DeviceOptions options;
};

Rows adoption_rows(const HostApp& host) {
  const auto make = [](const Adoption& a) { return outcome(adopt_device(a.device, a.options)); };
  const Adoption valid{host.app.to_adopt(), {}};
  must(make(valid));
  Breaker<Adoption> wrong{"adopt_device", valid, make, {}};
  using A = Adoption;
  const auto null = [&](const char* name, auto clear) {
    wrong.add(std::string("no ") + name, {std::string(name) + " must be given", "found null"},
              [clear](A& a) { clear(a.device); });
  };
  null("get_instance_proc_addr", [](VulkanDevice& d) { d.get_instance_proc_addr = nullptr; });
  null("instance", [](VulkanDevice& d) { d.instance = VK_NULL_HANDLE; });
  null("physical_device", [](VulkanDevice& d) { d.physical_device = VK_NULL_HANDLE; });
  null("device", [](VulkanDevice& d) { d.device = VK_NULL_HANDLE; });
  null("queue", [](VulkanDevice& d) { d.queue = VK_NULL_HANDLE; });
  for (const uint32_t family : {77u, UINT32_MAX})
    wrong.add("family " + std::to_string(family),
              {"queue_family must have compute", std::to_string(family) + " has not"},
              [family](A& a) { a.device.queue_family = family; });
  wrong.add("a lock only", {"given together", "only lock_queue"},
            [](A& a) { a.device.lock_queue = [] {}; });
  wrong.add("an unlock only", {"given together", "only unlock_queue"},
            [](A& a) { a.device.unlock_queue = [] {}; });
  wrong.add("a name", {"name must be empty", "\"llvm\""}, [](A& a) { a.options.name = "llvm"; });
  wrong.add("validation", {"validation must be false"}, [](A& a) { a.options.validation = true; });
  const auto unsupported = Code::unsupported;
  wrong.add(
      "Vulkan 1.2", {"1.3 or newer", "found api_version 1.2"},
      [](A& a) { a.device.api_version = VK_API_VERSION_1_2; }, unsupported);
  wrong.add(
      "no version", {"1.3 or newer", "found api_version 0.0"},
      [](A& a) { a.device.api_version = 0; }, unsupported);
  wrong.add(
      "no features", {"bufferDeviceAddress", "vulkan_features"},
      [](A& a) { a.device.enabled_features = nullptr; }, unsupported);
  const auto without = [&](const char* name, auto flag) {
    const auto changed = std::make_shared<VulkanFeatureChain>(host.app.features);
    flag(*changed) = VK_FALSE;
    wrong.add(
        std::string("without ") + name, {name, "vulkan_features"},
        [changed](A& a) { a.device.enabled_features = &changed->features2; }, unsupported);
  };
  using Chain = VulkanFeatureChain;
  without("timelineSemaphore", [](Chain& c) -> VkBool32& { return c.v12.timelineSemaphore; });
  without("maintenance4", [](Chain& c) -> VkBool32& { return c.v13.maintenance4; });
  without("synchronization2", [](Chain& c) -> VkBool32& { return c.v13.synchronization2; });
  Rows rows = std::move(wrong.rows);
  for (auto [change, says] :
       {std::pair{+[](DeviceOptions& o) { o.max_flops_per_submission = -2; },
                  "max_flops_per_submission is -2"},
        {+[](DeviceOptions& o) { o.host_allocator.free = [](void*, void*) {}; }, "found 1"}}) {
    Adoption adoption = valid;
    change(adoption.options);
    rows.push_back({"options", {"device: ", says}, [=] { return make(adoption); }});
  }
  return rows;
}

Rows feature_rows(const HostApp& host) {
  struct Request {
    PFN_vkGetInstanceProcAddr get_proc;
    VkInstance instance;
    VkPhysicalDevice physical;
  };
  const auto make = [](const Request& r) {
    VulkanFeatureChain chain;
    return request_vulkan_features(r.get_proc, r.instance, r.physical, chain);
  };
  const Request valid{vkGetInstanceProcAddr, host.app.instance, host.app.physical};
  must(make(valid));
  Breaker<Request> wrong{"request_vulkan_features", valid, make, {}};
  wrong.add("no function", {"get_instance_proc_addr must be given", "null"},
            [](Request& r) { r.get_proc = nullptr; });
  wrong.add("no instance", {"instance must be given", "null"},
            [](Request& r) { r.instance = VK_NULL_HANDLE; });
  wrong.add("no device", {"physical_device must be given", "null"},
            [](Request& r) { r.physical = VK_NULL_HANDLE; });
  return wrong.rows;
}

Rows buffer_rows(const Device& device, const embed::AppBuffer& app) {
  const VulkanBuffer valid{app.buffer, 0, app.count * sizeof(float), app.usage};
  const auto make = [device](const VulkanBuffer& b) { return outcome(wrap_buffer(device, b)); };
  must(make(valid));
  Breaker<VulkanBuffer> wrong{"wrap_buffer", valid, make, {}};
  using B = VulkanBuffer;
  wrong.add("null", {"buffer must be given", "null"}, [](B& b) { b.buffer = VK_NULL_HANDLE; });
  wrong.add("no address", {"SHADER_DEVICE_ADDRESS", "found 32"},
            [](B& b) { b.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT; });
  wrong.add("misaligned", {"address must be a multiple of 16", "found"},
            [](B& b) { b.offset_bytes = 4; });
  for (const uint64_t size : {uint64_t{0}, uint64_t{20}, UINT64_MAX})
    wrong.add(std::to_string(size) + " bytes",
              {"size must be a multiple of 16", "found " + std::to_string(size)},
              [size](B& b) { b.size_bytes = size; });
  wrong.add("an offset of nearly 2^64", {"offset must lie in the buffer", "18446744073709551600"},
            [](B& b) { b.offset_bytes = UINT64_MAX - 15; });
  wrong.add("a size of nearly 2^64", {"must fit 64 bits", "18446744073709551600"},
            [](B& b) { b.size_bytes = UINT64_MAX - 15; });
  Rows rows = std::move(wrong.rows);
  const auto address = [&](const char* name, uint64_t at, uint64_t size, const char* rule,
                           uint64_t found) {
    rows.push_back({name, {"wrap_address: ", rule, std::to_string(found)}, [=] {
                      return outcome(wrap_address(device, at, size));
                    }});
  };
  must(wrap_address(device, app.address, 64));
  address("address 0", 0, 64, "must be a multiple of 16 and not 0", 0);
  address("a misaligned address", app.address + 8, 64, "must be a multiple of 16", app.address + 8);
  address("no size", app.address, 0, "not 0, found 0", 0);
  address("a misaligned size", app.address, 40, "must be a multiple of 16", 40);
  address("beyond 64 bits", UINT64_MAX - 15, 32, "must fit 64 bits", UINT64_MAX - 15);
  return rows;
}

Rows wrapped_rows(const Device& device, HostApp& host) {
  const VkBufferUsageFlags kUsage =
      VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;
  const embed::AppBuffer app = host.buffer(64);
  Tensor x = wrapped(device, app), plain = x, by_address = x;
  plain.buffer = must(wrap_buffer(device, {app.buffer, 0, 256, kUsage}));
  by_address.buffer = must(wrap_address(device, app.address, 256));
  const std::vector<float> data(64);
  return {
      {"upload without TRANSFER_DST",
       {"upload: ", "TRANSFER_DST", "found " + std::to_string(kUsage)},
       [=] { return device.upload(plain, data); }},
      {"download without TRANSFER_SRC",
       {"download: ", "TRANSFER_SRC", "found " + std::to_string(kUsage)},
       [=] { return outcome(device.download<float>(plain)); }},
      {"upload to an address",
       {"upload: ", "address only (wrap_address)"},
       [=] { return device.upload(by_address, data); }},
      {"download from an address",
       {"download: ", "address only (wrap_address)"},
       [=] { return outcome(device.download<float>(by_address)); }},
      {"an output that another wrapping reads",
       {"layer_norm: ", "share memory", "must not overlap"},
       [=] {
         Recorder recorder(device);
         Tensor shifted = x;
         shifted.shape = {8, 4};
         Tensor other = by_address;
         other.shape = {8, 4};
         other.offset_bytes = 16;
         return layer_norm(recorder, {.input = shifted, .output = other});
       }},
  };
}

Rows semaphore_rows(const Device& device, VkSemaphore semaphore) {
  using Points = std::vector<SemaphoreValue>;
  struct Between {
    Points waits, signals;
  };
  const auto make_run = [device](const Between& b) {
    const Program program = must(Recorder(device).finish());
    return outcome(run(program, b.waits, b.signals));
  };
  const auto make_submit = [device](const Between& b) {
    Recorder recorder(device);
    return outcome(submit(recorder, b.waits, b.signals));
  };
  const SemaphoreValue good{semaphore, 7}, null{VK_NULL_HANDLE, 1},
      own{vulkan_handles(device).timeline, 1000};
  must(make_run({{}, {}}));
  Rows rows;
  for (const auto& make : {std::function<Result<void>(const Between&)>(make_run), {make_submit}}) {
    Breaker<Between> wrong{"submit", {{good}, {good}}, make, {}};
    wrong.add("no wait", {"waits[0] must have a semaphore", "null"},
              [=](Between& b) { b.waits = {null}; });
    wrong.add("no second wait", {"waits[1] must have a semaphore", "null"},
              [=](Between& b) { b.waits.push_back(null); });
    wrong.add("no signal", {"signals[0] must have a semaphore", "null"},
              [=](Between& b) { b.signals = {null}; });
    wrong.add("Weft's own signal", {"signals[1] is VulkanHandles::timeline", "only Weft may"},
              [=](Between& b) { b.signals.push_back(own); });
    rows.insert(rows.end(), wrong.rows.begin(), wrong.rows.end());
  }
  rows.push_back({"no command buffer", {"record_into: ", "must be given", "null"}, [device] {
                    Recorder recorder(device);
                    return outcome(record_into(recorder, VK_NULL_HANDLE));
                  }});
  return rows;
}

}  // namespace

size_t check_vulkan() {
  HostApp host;
  size_t rows =
      check_rows("adoption", adoption_rows(host)) + check_rows("features", feature_rows(host));
  const Device device = host.adopt();
  const auto work = [device] {
    std::lock_guard lock(device.state()->queue_mutex);
    return device.state()->submitted;
  };
  rows += check_rows("wrapping", buffer_rows(device, host.buffer(64)), work);
  rows += check_rows("wrapped memory", wrapped_rows(device, host), work);
  const VkSemaphore semaphore = host.timeline();
  const Rows between = semaphore_rows(device, semaphore);
  rows += check_rows("semaphores", between, work);
  must(device.wait_idle());
  vkDestroySemaphore(host.app.device, semaphore, nullptr);
  return rows;
}

}  // namespace weft::test
