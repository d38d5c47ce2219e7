#include "vulkan/commands.hpp"

#include <algorithm>

#include "vulkan/command_list.hpp"
#include "vulkan/external.hpp"
#include "vulkan/result.hpp"

namespace weft::vulkan {
namespace {

constexpr VkPipelineStageFlags2 kCompute = VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT;
constexpr VkPipelineStageFlags2 kStages = VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT |
                                          VK_PIPELINE_STAGE_2_TRANSFER_BIT |
                                          VK_PIPELINE_STAGE_2_HOST_BIT;

// Makes everything written in the stages `from` visible to reads and writes in the stages `to`.
void barrier(const DeviceState& device, VkCommandBuffer commands, VkPipelineStageFlags2 from,
             VkPipelineStageFlags2 to) {
  VkMemoryBarrier2 memory{VK_STRUCTURE_TYPE_MEMORY_BARRIER_2};
  memory.srcStageMask = from;
  memory.srcAccessMask = VK_ACCESS_2_MEMORY_WRITE_BIT;
  memory.dstStageMask = to;
  memory.dstAccessMask = VK_ACCESS_2_MEMORY_READ_BIT | VK_ACCESS_2_MEMORY_WRITE_BIT;
  VkDependencyInfo info{VK_STRUCTURE_TYPE_DEPENDENCY_INFO};
  info.memoryBarrierCount = 1;
  info.pMemoryBarriers = &memory;
  device.vk.vkCmdPipelineBarrier2(commands, &info);
}

void record_step(const DeviceState& device, VkCommandBuffer commands, const Step& step) {
  if (step.barrier_before) barrier(device, commands, kCompute, kCompute);
  device.vk.vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, step.pipeline->pipeline);
  device.vk.vkCmdPushConstants(commands, device.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                               static_cast<uint32_t>(step.push.size()), step.push.data());
  const auto& [x, y, z] = step.base;
  if (x == 0 && y == 0 && z == 0)
    device.vk.vkCmdDispatch(commands, step.groups[0], step.groups[1], step.groups[2]);
  else
    device.vk.vkCmdDispatchBase(commands, x, y, z, step.groups[0], step.groups[1], step.groups[2]);
}

void timestamp(const DeviceState& device, VkCommandBuffer commands, const CommandList& list,
               uint32_t query) {
  device.vk.vkCmdWriteTimestamp2(commands, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, list.queries,
                                 query);
}

Result<void> make_queries(DeviceState& device, CommandList& list) {
  VkQueryPoolCreateInfo info{VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO};
  info.queryType = VK_QUERY_TYPE_TIMESTAMP;
  info.queryCount = 2 * list.operations;
  if (VkResult result =
          device.vk.vkCreateQueryPool(device.device, &info, device.host(), &list.queries);
      result != VK_SUCCESS)
    return vk_fail(result, "program: timestamps");
  return {};
}

// Drops what finished work kept alive. The queue mutex is held; the caller drops `done` without it.
void collect_finished(DeviceState& device, std::vector<std::shared_ptr<void>>& done) {
  uint64_t reached = 0;
  if (device.vk.vkGetSemaphoreCounterValue(device.device, device.timeline, &reached) != VK_SUCCESS)
    return;
  while (!device.in_flight.empty() && device.in_flight.front().value <= reached) {
    done.push_back(std::move(device.in_flight.front().keep_alive));
    device.in_flight.pop_front();
  }
}

// The app's lock of an adopted queue, if it has one.
class QueueLock {
 public:
  explicit QueueLock(const DeviceState& device) : device_(device) {
    if (device_.lock_queue) device_.lock_queue();
  }
  QueueLock(const QueueLock&) = delete;
  QueueLock& operator=(const QueueLock&) = delete;
  ~QueueLock() {
    if (device_.unlock_queue) device_.unlock_queue();
  }

 private:
  const DeviceState& device_;
};

VkSemaphoreSubmitInfo submit_info(const SemaphoreValue& point) {
  VkSemaphoreSubmitInfo info{VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO};
  info.semaphore = point.semaphore;
  info.value = point.value;
  info.stageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT;
  return info;
}

Result<void> submit_one(DeviceState& device, VkCommandBuffer commands,
                        std::span<const VkSemaphoreSubmitInfo> waits,
                        std::span<const VkSemaphoreSubmitInfo> signals) {
  VkCommandBufferSubmitInfo buffer{VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO};
  buffer.commandBuffer = commands;
  VkSubmitInfo2 info{VK_STRUCTURE_TYPE_SUBMIT_INFO_2};
  info.waitSemaphoreInfoCount = static_cast<uint32_t>(waits.size());
  info.pWaitSemaphoreInfos = waits.data();
  info.commandBufferInfoCount = 1;
  info.pCommandBufferInfos = &buffer;
  info.signalSemaphoreInfoCount = static_cast<uint32_t>(signals.size());
  info.pSignalSemaphoreInfos = signals.data();
  QueueLock lock(device);
  const VkResult result = device.vk.vkQueueSubmit2(device.queue, 1, &info, VK_NULL_HANDLE);
  if (result == VK_ERROR_DEVICE_LOST) device.lost = true;
  if (result != VK_SUCCESS) return vk_fail(result, "submit");
  return {};
}

// One part of a list: the first one waits, the last one signals, each raises the device's timeline.
Result<void> submit_part(DeviceState& device, const CommandList& list, size_t part,
                         std::span<const SemaphoreValue> waits,
                         std::span<const SemaphoreValue> signals) {
  std::vector<VkSemaphoreSubmitInfo> wait_infos, signal_infos;
  if (part == 0)
    for (const SemaphoreValue& point : waits) wait_infos.push_back(submit_info(point));
  signal_infos.push_back(submit_info({device.timeline, device.submitted + 1}));
  if (part + 1 == list.buffers.size())
    for (const SemaphoreValue& point : signals) signal_infos.push_back(submit_info(point));
  WEFT_TRY(submit_one(device, list.buffers[part], wait_infos, signal_infos));
  ++device.submitted;
  return {};
}

Result<void> check_semaphores(const DeviceState& device, std::span<const SemaphoreValue> points,
                              const char* name, bool signalled) {
  for (size_t i = 0; i < points.size(); ++i)
    if (!points[i].semaphore)
      return fail(Code::invalid_argument, std::string("submit: ") + name + "[" + std::to_string(i) +
                                              "] must have a semaphore, found null");
  for (size_t i = 0; i < points.size() && signalled; ++i)
    if (points[i].semaphore == device.timeline)
      return fail(Code::invalid_argument,
                  std::string("submit: ") + name + "[" + std::to_string(i) +
                      "] is VulkanHandles::timeline; only Weft may signal it");
  return {};
}

}  // namespace

CommandList::~CommandList() {
  if (queries) device->vk.vkDestroyQueryPool(device->device, queries, device->host());
  if (pool) device->vk.vkDestroyCommandPool(device->device, pool, device->host());
}

Result<std::shared_ptr<CommandList>> make_command_list(DeviceState& device) {
  auto list = std::make_shared<CommandList>();
  list->device = &device;
  VkCommandPoolCreateInfo info{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
  info.queueFamilyIndex = device.queue_family;
  if (VkResult result =
          device.vk.vkCreateCommandPool(device.device, &info, device.host(), &list->pool);
      result != VK_SUCCESS)
    return vk_fail(result, "program: command pool");
  return list;
}

Result<VkCommandBuffer> begin(CommandList& list) {
  DeviceState& device = *list.device;
  VkCommandBufferAllocateInfo allocate{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
  allocate.commandPool = list.pool;
  allocate.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  allocate.commandBufferCount = 1;
  VkCommandBuffer commands = VK_NULL_HANDLE;
  if (VkResult result = device.vk.vkAllocateCommandBuffers(device.device, &allocate, &commands);
      result != VK_SUCCESS)
    return vk_fail(result, "program: command buffer");
  list.buffers.push_back(commands);
  VkCommandBufferBeginInfo info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  info.flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT;
  if (VkResult result = device.vk.vkBeginCommandBuffer(commands, &info); result != VK_SUCCESS)
    return vk_fail(result, "program: command buffer");
  full_barrier(device, commands);
  return commands;
}

Result<void> end(DeviceState& device, VkCommandBuffer commands) {
  full_barrier(device, commands);  // results are visible to whatever comes next, the host included
  if (VkResult result = device.vk.vkEndCommandBuffer(commands); result != VK_SUCCESS)
    return vk_fail(result, "program: command buffer");
  return {};
}

void full_barrier(const DeviceState& device, VkCommandBuffer commands) {
  barrier(device, commands, kStages, kStages);
}

Result<std::shared_ptr<CommandList>> record(DeviceState& device, std::span<const Step> steps,
                                            bool timestamps) {
  WEFT_ASSIGN(auto list, make_command_list(device));
  list->operations = static_cast<uint32_t>(
      std::ranges::count(steps, false, &Step::continues));
  if (timestamps && !steps.empty()) WEFT_TRY(make_queries(device, *list));
  WEFT_ASSIGN(VkCommandBuffer commands, begin(*list));
  if (list->queries) device.vk.vkCmdResetQueryPool(commands, list->queries, 0, 2 * list->operations);
  uint32_t query = 0;
  for (size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].cut_before) {
      WEFT_TRY(end(device, commands));
      WEFT_ASSIGN(commands, begin(*list));
    }
    const bool last = i + 1 == steps.size() || !steps[i + 1].continues;
    if (list->queries && !steps[i].continues) timestamp(device, commands, *list, query++);
    record_step(device, commands, steps[i]);
    if (list->queries && last) timestamp(device, commands, *list, query++);
  }
  WEFT_TRY(end(device, commands));
  return list;
}

void record_into(const DeviceState& device, VkCommandBuffer commands, std::span<const Step> steps,
                 const RecordIntoOptions& options) {
  constexpr VkPipelineStageFlags2 kAll = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT;
  if (options.barrier_before) barrier(device, commands, kAll, kCompute);
  for (const Step& step : steps) record_step(device, commands, step);
  // ALL_COMMANDS leaves out the host, which may read results once a fence says so.
  if (options.barrier_after)
    barrier(device, commands, kCompute, kAll | VK_PIPELINE_STAGE_2_HOST_BIT);
}

Result<uint64_t> submit(DeviceState& device, const CommandList& list,
                        std::span<const std::shared_ptr<BufferState>> buffers,
                        std::shared_ptr<void> keep_alive) {
  return submit(device, list, buffers, std::move(keep_alive), {}, {});
}

Result<uint64_t> submit(DeviceState& device, const CommandList& list,
                        std::span<const std::shared_ptr<BufferState>> buffers,
                        std::shared_ptr<void> keep_alive, std::span<const SemaphoreValue> waits,
                        std::span<const SemaphoreValue> signals) {
  WEFT_TRY(check_not_lost(device, "submit"));
  WEFT_TRY(check_semaphores(device, waits, "waits", false));
  WEFT_TRY(check_semaphores(device, signals, "signals", true));
  std::vector<std::shared_ptr<void>> done;  // dropped after the lock
  std::lock_guard lock(device.queue_mutex);
  collect_finished(device, done);
  for (const SemaphoreValue& point : waits)
    if (point.semaphore == device.timeline && point.value > device.submitted)
      return fail(Code::invalid_argument,
                  "submit: a wait for VulkanHandles::timeline must be for work submitted before, found " +
                      std::to_string(point.value) + " after " + std::to_string(device.submitted));
  Result<void> sent;
  const uint64_t before = device.submitted;
  // Kept before anything is submitted: running out of host memory later must not free what runs.
  device.in_flight.push_back({before + list.buffers.size(), std::move(keep_alive)});
  for (size_t i = 0; i < list.buffers.size() && sent; ++i)
    sent = submit_part(device, list, i, waits, signals);
  device.in_flight.back().value = device.submitted;  // also where a later part failed: the earlier ones run
  if (device.submitted == before) {
    done.push_back(std::move(device.in_flight.back().keep_alive));
    device.in_flight.pop_back();
  } else {
    for (const auto& buffer : buffers) buffer->last_use.store(device.submitted);
  }
  if (!sent) return std::unexpected(std::move(sent).error());
  return device.submitted;
}

Result<void> wait(DeviceState& device, uint64_t value, uint64_t timeout_ns) {
  WEFT_TRY(check_not_lost(device, "wait"));
  VkSemaphoreWaitInfo info{VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO};
  info.semaphoreCount = 1;
  info.pSemaphores = &device.timeline;
  info.pValues = &value;
  const VkResult result = device.vk.vkWaitSemaphores(device.device, &info, timeout_ns);
  if (result == VK_ERROR_DEVICE_LOST) device.lost = true;
  if (result == VK_TIMEOUT)
    return fail(Code::timeout,
                "wait: the work was not finished after " + std::to_string(timeout_ns) + " ns");
  if (result != VK_SUCCESS) return vk_fail(result, "wait");
  std::vector<std::shared_ptr<void>> done;
  std::lock_guard lock(device.queue_mutex);
  collect_finished(device, done);
  return {};
}

bool reached(DeviceState& device, uint64_t value) noexcept {
  uint64_t now = 0;
  const VkResult result =
      device.vk.vkGetSemaphoreCounterValue(device.device, device.timeline, &now);
  if (result == VK_ERROR_DEVICE_LOST) device.lost = true;
  return device.lost || (result == VK_SUCCESS && now >= value);
}

Result<std::vector<std::array<double, 2>>> operation_times(DeviceState& device,
                                                      const CommandList& list) {
  std::vector<uint64_t> ticks(2 * size_t{list.operations});
  if (list.operations == 0) return std::vector<std::array<double, 2>>{};
  const VkResult result = device.vk.vkGetQueryPoolResults(
      device.device, list.queries, 0, 2 * list.operations, ticks.size() * sizeof(uint64_t), ticks.data(),
      sizeof(uint64_t), VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT);
  if (result != VK_SUCCESS) return vk_fail(result, "program: reading timestamps");
  std::vector<std::array<double, 2>> times(list.operations);
  for (uint32_t i = 0; i < list.operations; ++i)
    for (uint32_t side = 0; side < 2; ++side)
      times[i][side] =
          static_cast<double>((ticks[2 * i + side] - ticks[0]) & device.timestamp_mask) *
          device.traits.timestamp_period_ns;
  return times;
}

uint32_t submissions(const CommandList& list) noexcept {
  return static_cast<uint32_t>(list.buffers.size());
}

}  // namespace weft::vulkan
