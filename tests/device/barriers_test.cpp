// The barriers around and inside a recording, seen by standing between Weft and the driver: a CPU
// driver runs everything in order, and would forgive their absence.
#include <algorithm>
#include <string_view>

#include "device/host_app.hpp"
#include "weft/vulkan.h"

using namespace weft;
using namespace weft::test;

namespace {

constexpr VkPipelineStageFlags2 kCompute = VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT;
constexpr VkPipelineStageFlags2 kAll = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT;
constexpr VkPipelineStageFlags2 kHost = VK_PIPELINE_STAGE_2_HOST_BIT;
constexpr int64_t kCount = 64;

struct Barrier {
  VkPipelineStageFlags2 from, to;
  bool operator==(const Barrier&) const = default;
};

struct Between {
  PFN_vkGetInstanceProcAddr instance_function = nullptr;
  PFN_vkGetDeviceProcAddr device_function = nullptr;
  PFN_vkCmdPipelineBarrier2 barrier = nullptr;
  std::vector<Barrier> seen;
};
Between between;

VKAPI_ATTR void VKAPI_CALL on_barrier(VkCommandBuffer commands, const VkDependencyInfo* info) {
  for (uint32_t i = 0; i < info->memoryBarrierCount; ++i)
    between.seen.push_back(
        {info->pMemoryBarriers[i].srcStageMask, info->pMemoryBarriers[i].dstStageMask});
  between.barrier(commands, info);
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL device_function(VkDevice device, const char* name) {
  const PFN_vkVoidFunction found = between.device_function(device, name);
  if (name != std::string_view("vkCmdPipelineBarrier2")) return found;
  between.barrier = reinterpret_cast<PFN_vkCmdPipelineBarrier2>(found);
  return reinterpret_cast<PFN_vkVoidFunction>(on_barrier);
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL instance_function(VkInstance instance, const char* name) {
  const PFN_vkVoidFunction found = between.instance_function(instance, name);
  if (name != std::string_view("vkGetDeviceProcAddr")) return found;
  between.device_function = reinterpret_cast<PFN_vkGetDeviceProcAddr>(found);
  return reinterpret_cast<PFN_vkVoidFunction>(device_function);
}

Device adopt_between(const HostApp& host) {
  VulkanDevice given = host.app.to_adopt();
  between = {.instance_function = given.get_instance_proc_addr};
  given.get_instance_proc_addr = instance_function;
  return must(adopt_device(given));
}

// b = a + a, c = b + a: the second waits for the first.
void record_chain(Recorder& recorder, const Tensor& a, const Tensor& b, const Tensor& c) {
  record_add(recorder, a, a, b);
  record_add(recorder, b, a, c);
}

}  // namespace

TEST_CASE("a recording in the app's commands has its barriers, and leaves out those it is told to") {
  HostApp host;
  {
    const Device device = adopt_between(host);
    const Tensor a = wrapped(device, host.buffer(kCount));
    const Tensor b = wrapped(device, host.buffer(kCount));
    const Tensor c = wrapped(device, host.buffer(kCount));
    const Barrier before{kAll, kCompute}, inside{kCompute, kCompute}, after{kCompute, kAll | kHost};
    const auto barriers = [&](const RecordIntoOptions& options) {
      Recorder recorder(device);
      record_chain(recorder, a, b, c);
      between.seen.clear();
      host.begin();
      const ExternalRecording recording = must(record_into(recorder, host.app.commands, options));
      const std::vector<Barrier> seen = between.seen;
      host.end();
      return seen;
    };
    CHECK(barriers({}) == std::vector{before, inside, after});
    CHECK(barriers({.barrier_before = false}) == std::vector{inside, after});
    CHECK(barriers({.barrier_after = false}) == std::vector{before, inside});
    CHECK(barriers({.barrier_before = false, .barrier_after = false}) == std::vector{inside});
  }
}

TEST_CASE("a program's own submission orders itself after earlier work and before the host") {
  HostApp host;
  {
    const Device device = adopt_between(host);
    const Tensor a = wrapped(device, host.buffer(kCount));
    const Tensor b = wrapped(device, host.buffer(kCount));
    const Tensor c = wrapped(device, host.buffer(kCount));
    Recorder recorder(device);
    record_chain(recorder, a, b, c);
    between.seen.clear();
    const Program program = must(recorder.finish());
    // Others may stand among them: of the copy of argument blocks.
    REQUIRE(between.seen.size() >= 2);
    CHECK(std::ranges::count(between.seen, Barrier{kCompute, kCompute}) == 1);
    CHECK((between.seen.back().from & kCompute) != 0);
    CHECK((between.seen.back().to & kHost) != 0);
    CHECK((between.seen.back().to & kCompute) != 0);
    must(must(program.run()).wait());
  }
}
