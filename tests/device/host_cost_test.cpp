// What replaying a recorded attention call costs the host besides the driver's own submission, seen
// by standing between Weft and the driver. No validation layer: it would be measured too.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string_view>

#include "device/fixture.hpp"
#include "embed/app.hpp"

using namespace weft;
using namespace weft::test;

namespace {

using Clock = std::chrono::steady_clock;

struct Between {
  PFN_vkGetInstanceProcAddr instance_function = nullptr;
  PFN_vkGetDeviceProcAddr device_function = nullptr;
  PFN_vkQueueSubmit2 submit = nullptr;
  Clock::duration in_driver{};
  size_t submissions = 0;
};
Between between;

VKAPI_ATTR VkResult VKAPI_CALL on_submit(VkQueue queue, uint32_t count, const VkSubmitInfo2* infos,
                                         VkFence fence) {
  const auto begin = Clock::now();
  const VkResult result = between.submit(queue, count, infos, fence);
  between.in_driver += Clock::now() - begin;
  ++between.submissions;
  return result;
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL device_function(VkDevice device, const char* name) {
  const PFN_vkVoidFunction found = between.device_function(device, name);
  if (name != std::string_view("vkQueueSubmit2")) return found;
  between.submit = reinterpret_cast<PFN_vkQueueSubmit2>(found);
  return reinterpret_cast<PFN_vkVoidFunction>(on_submit);
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL instance_function(VkInstance instance, const char* name) {
  const PFN_vkVoidFunction found = between.instance_function(instance, name);
  if (name != std::string_view("vkGetDeviceProcAddr")) return found;
  between.device_function = reinterpret_cast<PFN_vkGetDeviceProcAddr>(found);
  return reinterpret_cast<PFN_vkVoidFunction>(device_function);
}

}  // namespace

TEST_CASE("replaying an attention call costs the host under 10 microseconds besides the submission") {
  embed::App app;
  must(app.open());
  VulkanDevice given = app.to_adopt();
  between = {.instance_function = given.get_instance_proc_addr};
  given.get_instance_proc_addr = instance_function;
  {
    const Device device = must(adopt_device(given));
    const Dims shape{1, 2, 8, 16};
    const auto zeros = [&] {
      const Tensor tensor = must(device.tensor(DType::f32, shape));
      must(device.upload(tensor, std::vector<float>(2 * 8 * 16)));
      return tensor;
    };
    Recorder recorder(device);
    must(attention(recorder, {.query = zeros(), .key = zeros(), .value = zeros(), .output = zeros()}));
    const Program program = must(recorder.finish());
    must(must(program.run()).wait());
    std::vector<double> costs_ns;
    between.submissions = 0;
    for (int run = 0; run < 1000; ++run) {
      between.in_driver = {};
      const auto begin = Clock::now();
      auto ticket = program.run();
      const auto passed = Clock::now() - begin - between.in_driver;
      costs_ns.push_back(std::chrono::duration<double, std::nano>(passed).count());
      if (run % 16 == 15) must(must(std::move(ticket)).wait());  // as an app with some in flight
    }
    must(device.wait_idle());
    CHECK(between.submissions == 1000);
    std::ranges::sort(costs_ns);
    std::printf("host cost of a replay besides the submission: %.0f ns (median), %.0f ns (9 of 10)\n",
                costs_ns[500], costs_ns[900]);
    CHECK(costs_ns[500] < 10'000);
  }
}
