#include "device/host_app.hpp"

#include <cstdio>

namespace weft::test {
namespace {

VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT,
                                          VkDebugUtilsMessageTypeFlagsEXT,
                                          const VkDebugUtilsMessengerCallbackDataEXT* data,
                                          void* user) {
  static_cast<std::atomic<int>*>(user)->fetch_add(1);
  std::fprintf(stderr, "%s\n", data->pMessage);
  return VK_FALSE;
}

void must_vk(VkResult result) { REQUIRE(result == VK_SUCCESS); }

}  // namespace

HostApp::HostApp() {
  must(app.open({"VK_LAYER_KHRONOS_validation"}, {VK_EXT_DEBUG_UTILS_EXTENSION_NAME}));
  VkDebugUtilsMessengerCreateInfoEXT info{VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT};
  info.messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
                         VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
  info.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT;
  info.pfnUserCallback = on_message;
  info.pUserData = &messages_;
  must_vk(vkCreateDebugUtilsMessengerEXT(app.instance, &info, nullptr, &messenger_));
}

HostApp::~HostApp() {
  app.close_device();
  if (messenger_) vkDestroyDebugUtilsMessengerEXT(app.instance, messenger_, nullptr);
  CHECK(messages_ == 0);
}

VkSemaphore HostApp::timeline() const {
  VkSemaphoreTypeCreateInfo type{VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO};
  type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
  const VkSemaphoreCreateInfo info{VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, &type};
  VkSemaphore semaphore = VK_NULL_HANDLE;
  must_vk(vkCreateSemaphore(app.device, &info, nullptr, &semaphore));
  return semaphore;
}

void HostApp::begin() const {
  must_vk(vkResetCommandPool(app.device, app.pool, 0));
  const VkCommandBufferBeginInfo info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  must_vk(vkBeginCommandBuffer(app.commands, &info));
}

void HostApp::end() const {
  app.barrier(VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, VK_PIPELINE_STAGE_2_HOST_BIT);
  must_vk(vkEndCommandBuffer(app.commands));
}

Tensor wrapped(const Device& device, const embed::AppBuffer& buffer) {
  Tensor tensor;
  tensor.buffer = must(wrap_buffer(device, {.buffer = buffer.buffer,
                                            .size_bytes = buffer.count * sizeof(float),
                                            .usage = buffer.usage}));
  tensor.shape = {buffer.count / 4, 4};
  tensor.strides = dense_strides(tensor.shape);
  return tensor;
}

void record_add(Recorder& recorder, const Tensor& left, const Tensor& right, const Tensor& output) {
  must(add(recorder, {.left = left, .right = right, .output = output}));
}

std::vector<float> counting(size_t count, float first) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = first + static_cast<float>(i);
  return values;
}

void fill(const embed::AppBuffer& buffer, float first) {
  for (uint32_t i = 0; i < buffer.count; ++i) buffer.data[i] = first + static_cast<float>(i);
}

std::vector<float> contents(const embed::AppBuffer& buffer) {
  return {buffer.data, buffer.data + buffer.count};
}

}  // namespace weft::test
