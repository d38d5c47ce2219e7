// The first device that Weft can use, opened as an app would and given to Weft through capture.hpp.
#pragma once

#include <optional>

#include "vulkan/matrix_features.hpp"
#include "weft/vulkan.h"

namespace weft::drivers {

class FakeDevice {
 public:
  // Errors: no_device, unsupported (with the reason of each device).
  Result<void> open(const DeviceOptions& options);
  FakeDevice() = default;
  FakeDevice(const FakeDevice&) = delete;
  FakeDevice& operator=(const FakeDevice&) = delete;
  ~FakeDevice();

  const Device& device() const noexcept { return *device_; }

 private:
  Result<void> make_instance();
  Result<void> choose();
  Result<void> make_device();

  VulkanDevice given_;
  VulkanFeatureChain features_;
  std::optional<vulkan::MatrixRequest> matrices_;  // hangs on features_
  bool has_statistics_ = false;
  std::optional<Device> device_;
};

}  // namespace weft::drivers
