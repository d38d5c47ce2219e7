// What a driver says of its device, after known faults are taken out. Plain data: selection reads
// nothing else, so it can be tested without any device.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace weft {

enum class DeviceType : int32_t { other = 0, integrated = 1, discrete = 2, virtual_gpu = 3, cpu = 4 };

const char* to_string(DeviceType type) noexcept;

struct DeviceTraits {
  std::string name;         // VkPhysicalDeviceProperties::deviceName
  std::string driver_name;  // VkPhysicalDeviceDriverProperties
  std::string driver_info;
  DeviceType type = DeviceType::other;
  uint32_t vendor_id = 0;
  uint32_t device_id = 0;
  uint32_t driver_id = 0;  // VkDriverId
  uint32_t driver_version = 0;
  uint32_t api_version = 0;  // VK_MAKE_API_VERSION
  std::array<uint8_t, 16> pipeline_cache_uuid{};

  bool buffer_device_address = false;
  bool timeline_semaphore = false;
  bool synchronization2 = false;
  bool storage_16bit = false;  // storageBuffer16BitAccess

  uint32_t subgroup_size = 0;
  uint32_t max_workgroup_invocations = 0;
  std::array<uint32_t, 3> max_workgroup_count{};
  std::array<uint32_t, 3> max_workgroup_size{};
  uint32_t max_push_constants_bytes = 0;
  uint32_t shared_memory_bytes = 0;
  float timestamp_period_ns = 0;  // 0: no timestamps on the compute queue
  uint64_t max_allocation_bytes = 0;
  bool unified_memory = false;  // device-local memory is host-visible

  std::vector<std::string> quirks;  // ids of the quirks applied
};

}  // namespace weft
