// An app for Weft to live in: samples/embed with the validation layer, no message of which is
// forgiven.
#pragma once

#include <atomic>

#include "device/fixture.hpp"
#include "embed/app.hpp"

namespace weft::test {

class HostApp {
 public:
  HostApp();
  // Closes the device, which must have no child left, then judges the messages.
  ~HostApp();
  HostApp(const HostApp&) = delete;
  HostApp& operator=(const HostApp&) = delete;

  embed::App app;

  Device adopt(const DeviceOptions& options = {}) const {
    return must(adopt_device(app.to_adopt(), options));
  }
  embed::AppBuffer buffer(int64_t count, VkBufferUsageFlags more_usage = 0) {
    return must(app.make_buffer(count, more_usage));
  }
  VkSemaphore timeline() const;  // at 0; the caller destroys it
  void begin() const;
  void end() const;

 private:
  VkDebugUtilsMessengerEXT messenger_ = VK_NULL_HANDLE;
  std::atomic<int> messages_{0};
};

// All of a buffer of the app as a tensor of shape [count / 4, 4].
Tensor wrapped(const Device& device, const embed::AppBuffer& buffer);

// output = left + right
void record_add(Recorder& recorder, const Tensor& left, const Tensor& right, const Tensor& output);

// count values: first, first + 1, first + 2, ...
std::vector<float> counting(size_t count, float first);
void fill(const embed::AppBuffer& buffer, float first);
std::vector<float> contents(const embed::AppBuffer& buffer);

}  // namespace weft::test
