#include "drivers/capture.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>

namespace weft::drivers {
namespace {

struct State {
  PFN_vkGetInstanceProcAddr instance_proc = nullptr;
  PFN_vkGetDeviceProcAddr device_proc = nullptr;
  PFN_vkCreateComputePipelines create_pipelines = nullptr;
  PFN_vkGetPipelineExecutablePropertiesKHR properties = nullptr;
  PFN_vkGetPipelineExecutableStatisticsKHR statistics = nullptr;
  bool with_statistics = false;
  std::mutex mutex;
  std::map<VkPipeline, Compiled> pipelines;
  std::map<VkSemaphore, uint64_t> signalled;
};

State& state() {
  static State all;
  return all;
}

double number(const VkPipelineExecutableStatisticKHR& statistic) {
  switch (statistic.format) {
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR:
      return statistic.value.b32;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR:
      return static_cast<double>(statistic.value.i64);
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR:
      return static_cast<double>(statistic.value.u64);
    default:
      return statistic.value.f64;
  }
}

std::vector<Executable> executables_of(VkDevice device, VkPipeline pipeline) {
  const VkPipelineInfoKHR info{VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR, nullptr, pipeline};
  uint32_t count = 0;
  state().properties(device, &info, &count, nullptr);
  std::vector<VkPipelineExecutablePropertiesKHR> found(
      count, {VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR});
  state().properties(device, &info, &count, found.data());
  std::vector<Executable> executables;
  for (uint32_t i = 0; i < count; ++i) {
    Executable& executable = executables.emplace_back(Executable{found[i].name, {}});
    const VkPipelineExecutableInfoKHR which{VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR, nullptr,
                                            pipeline, i};
    uint32_t numbers = 0;
    state().statistics(device, &which, &numbers, nullptr);
    std::vector<VkPipelineExecutableStatisticKHR> values(
        numbers, {VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR});
    state().statistics(device, &which, &numbers, values.data());
    for (const auto& value : values) executable.statistics.emplace_back(value.name, number(value));
  }
  return executables;
}

// Weft makes pipelines one at a time. Without its cache: a pipeline from there has no statistics.
VKAPI_ATTR VkResult VKAPI_CALL create_pipelines(VkDevice device, VkPipelineCache, uint32_t count,
                                                const VkComputePipelineCreateInfo* infos,
                                                const VkAllocationCallbacks* host,
                                                VkPipeline* pipelines) {
  VkComputePipelineCreateInfo info = infos[0];
  if (state().with_statistics) info.flags |= VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR;
  const auto begin = std::chrono::steady_clock::now();
  const VkResult result =
      count == 1 ? state().create_pipelines(device, VK_NULL_HANDLE, 1, &info, host, pipelines)
                 : VK_ERROR_UNKNOWN;
  if (result != VK_SUCCESS) return result;
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
  std::lock_guard lock(state().mutex);
  Compiled& made = state().pipelines[pipelines[0]];
  made.seconds = passed.count();
  if (state().with_statistics) made.executables = executables_of(device, pipelines[0]);
  return result;
}

VKAPI_ATTR VkResult VKAPI_CALL submit(VkQueue, uint32_t count, const VkSubmitInfo2* submits,
                                      VkFence) {
  std::lock_guard lock(state().mutex);
  for (const VkSubmitInfo2& one : std::vector(submits, submits + count))
    for (uint32_t i = 0; i < one.signalSemaphoreInfoCount; ++i) {
      const VkSemaphoreSubmitInfo& signal = one.pSignalSemaphoreInfos[i];
      uint64_t& value = state().signalled[signal.semaphore];
      value = std::max(value, signal.value);
    }
  return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL wait(VkDevice, const VkSemaphoreWaitInfo*, uint64_t) {
  return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL counter(VkDevice, VkSemaphore semaphore, uint64_t* value) {
  std::lock_guard lock(state().mutex);
  *value = state().signalled[semaphore];
  return VK_SUCCESS;
}

template <class Function>
PFN_vkVoidFunction as_void(Function function) {
  return reinterpret_cast<PFN_vkVoidFunction>(function);
}

template <class Function>
void load(VkDevice device, const char* name, Function& function) {
  function = reinterpret_cast<Function>(state().device_proc(device, name));
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL device_proc(VkDevice device, const char* name) {
  const std::string_view wanted = name;
  if (wanted == "vkQueueSubmit2") return as_void(submit);
  if (wanted == "vkWaitSemaphores") return as_void(wait);
  if (wanted == "vkGetSemaphoreCounterValue") return as_void(counter);
  if (wanted == "vkCreateComputePipelines") {
    load(device, name, state().create_pipelines);
    load(device, "vkGetPipelineExecutablePropertiesKHR", state().properties);
    load(device, "vkGetPipelineExecutableStatisticsKHR", state().statistics);
    return as_void(create_pipelines);
  }
  return state().device_proc(device, name);
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL instance_proc(VkInstance instance, const char* name) {
  if (std::string_view(name) != "vkGetDeviceProcAddr") return state().instance_proc(instance, name);
  state().device_proc =
      reinterpret_cast<PFN_vkGetDeviceProcAddr>(state().instance_proc(instance, name));
  return as_void(device_proc);
}

}  // namespace

PFN_vkGetInstanceProcAddr capture(PFN_vkGetInstanceProcAddr real, bool with_statistics) {
  state().instance_proc = real;
  state().with_statistics = with_statistics;
  return instance_proc;
}

const Compiled* compiled(VkPipeline pipeline) {
  std::lock_guard lock(state().mutex);
  const auto found = state().pipelines.find(pipeline);
  return found == state().pipelines.end() ? nullptr : &found->second;
}

}  // namespace weft::drivers
