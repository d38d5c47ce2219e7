// The pipeline cache on disk: one file per device and driver, replaced as a whole. Its own header and
// checksum come first, because a driver need not survive a damaged blob.
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/options.hpp"
#include "vulkan/cache_file.hpp"
#include "vulkan/device_state.hpp"
#include "vulkan/result.hpp"

namespace weft::vulkan {
namespace {

namespace fs = std::filesystem;

struct FileHeader {
  char magic[8];
  uint64_t data_bytes;
  uint64_t checksum;
};
constexpr char kMagic[8] = {'W', 'E', 'F', 'T', 'P', 'C', '0', '1'};
constexpr uint64_t kMaxBytes = 256u << 20;

std::string file_name(const DeviceTraits& traits) {
  char text[160];
  int n = std::snprintf(text, sizeof text, "weft_%08x_%08x_%08x_", traits.vendor_id, traits.device_id,
                        traits.driver_version);
  for (uint8_t byte : traits.pipeline_cache_uuid) n += std::snprintf(text + n, sizeof text - n, "%02x", byte);
  return std::string(text) + ".cache";
}

// Empty where the file is missing, truncated, damaged or another device's.
std::vector<std::byte> read_cache(const DeviceState& device) {
  std::error_code error;
  const uint64_t bytes = fs::file_size(device.pipeline_cache_path, error);
  if (error) return {};
  FileHeader header{};
  std::ifstream file(device.pipeline_cache_path, std::ios::binary);
  std::vector<std::byte> data;
  bool good = bytes > sizeof header && bytes <= kMaxBytes &&
              file.read(reinterpret_cast<char*>(&header), sizeof header) &&
              std::memcmp(header.magic, kMagic, sizeof kMagic) == 0 &&
              header.data_bytes == bytes - sizeof header;
  if (good) {
    data.resize(header.data_bytes);
    good = file.read(reinterpret_cast<char*>(data.data()), static_cast<std::streamsize>(data.size())) &&
           checksum(data) == header.checksum;
  }
  VkPipelineCacheHeaderVersionOne inner{};
  if (good && data.size() >= sizeof inner) {
    std::memcpy(&inner, data.data(), sizeof inner);
    good = inner.headerVersion == VK_PIPELINE_CACHE_HEADER_VERSION_ONE &&
           inner.vendorID == device.traits.vendor_id && inner.deviceID == device.traits.device_id &&
           std::memcmp(inner.pipelineCacheUUID, device.traits.pipeline_cache_uuid.data(), VK_UUID_SIZE) == 0;
  }
  if (good && data.size() >= sizeof inner) return data;
  device.log(LogLevel::warning, "pipeline cache: ignored " + device.pipeline_cache_path +
                                    ": it is damaged or another device's");
  return {};
}

Result<VkPipelineCache> make_cache(DeviceState& device, const std::vector<std::byte>& data) {
  VkPipelineCacheCreateInfo info{VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO};
  info.initialDataSize = data.size();
  info.pInitialData = data.data();
  VkPipelineCache cache = VK_NULL_HANDLE;
  if (VkResult result = device.vk.vkCreatePipelineCache(device.device, &info, device.host(), &cache);
      result != VK_SUCCESS) {
    if (!data.empty()) return make_cache(device, {});  // the driver refused the file's contents
    return vk_fail(result, "pipeline cache");
  }
  return cache;
}

// This device's cache and what another process has written since it was read, in one. A cache of its own,
// because the device's may be in use: pipelines may be made meanwhile.
Result<std::vector<std::byte>> merged_data(DeviceState& device) {
  WEFT_ASSIGN(VkPipelineCache merged, make_cache(device, read_cache(device)));
  VkResult result = device.vk.vkMergePipelineCaches(device.device, merged, 1, &device.pipeline_cache);
  size_t bytes = 0;
  if (result == VK_SUCCESS) result = device.vk.vkGetPipelineCacheData(device.device, merged, &bytes, nullptr);
  std::vector<std::byte> data(bytes);
  if (result == VK_SUCCESS)
    result = device.vk.vkGetPipelineCacheData(device.device, merged, &bytes, data.data());
  device.vk.vkDestroyPipelineCache(device.device, merged, device.host());
  if (result != VK_SUCCESS) return vk_fail(result, "pipeline cache: reading it from the driver");
  data.resize(bytes);
  return data;
}

}  // namespace

Result<void> open_pipeline_cache(DeviceState& device) {
  const std::string folder = base::option(device.options.cache_dir, "WEFT_CACHE_DIR");
  std::vector<std::byte> data;
  if (!folder.empty()) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error)
      device.log(LogLevel::warning, "pipeline cache: no folder " + folder + ": " + error.message());
    device.pipeline_cache_path = (fs::path(folder) / file_name(device.traits)).string();
    data = read_cache(device);
  }
  WEFT_ASSIGN(device.pipeline_cache, make_cache(device, data));
  return {};
}

Result<void> save_pipeline_cache(DeviceState& device) {
  std::lock_guard lock(device.pipeline_mutex);
  if (device.pipeline_cache_path.empty() || !device.pipeline_cache_changed) return {};
  WEFT_ASSIGN(const auto data, merged_data(device));
  FileHeader header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.data_bytes = data.size();
  header.checksum = checksum(data);
  WEFT_TRY(replace_file("pipeline cache", device.pipeline_cache_path,
                        std::as_bytes(std::span(&header, 1)), data));
  device.pipeline_cache_changed = false;
  return {};
}

}  // namespace weft::vulkan
