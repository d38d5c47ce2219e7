#include "decide/quirks.hpp"

#include <string_view>

namespace weft::decide {
namespace {

constexpr uint32_t kVendorArm = 0x13b5;

// As Vulkan packs the API version.
constexpr uint32_t api_version(uint32_t major, uint32_t minor, uint32_t patch) {
  return (major << 22) | (minor << 12) | patch;
}

constexpr Quirk kQuirks[] = {
    // The source compares the API version. Devices that Weft can use report 1.3 or later, so the
    // row
    // keeps Device::list truthful and never changes what runs.
    {"arm-storage-16bit",
     {.vendor_id = kVendorArm, .api_version_below = api_version(1, 0, 82)},
     {.clear_storage_16bit = true},
     "wrong results from 16-bit storage on early Mali drivers; ncnn src/gpu.cpp"},
};

bool in_range(uint32_t version, uint32_t from, uint32_t below) {
  return version >= from && (below == 0 || version < below);
}

}  // namespace

std::span<const Quirk> quirks() noexcept { return kQuirks; }

bool matches(const DeviceMatch& match, const DeviceTraits& traits) noexcept {
  if (match.vendor_id != 0 && match.vendor_id != traits.vendor_id) return false;
  if (match.driver_id != 0 && match.driver_id != traits.driver_id) return false;
  if (match.type && *match.type != traits.type) return false;
  if (match.name_part && !std::string_view(traits.name).contains(match.name_part)) return false;
  return in_range(traits.driver_version, match.driver_version_from, match.driver_version_below) &&
         in_range(traits.api_version, match.api_version_from, match.api_version_below);
}

void apply_quirks(DeviceTraits& traits, std::span<const Quirk> rows) {
  for (const Quirk& quirk : rows) {
    if (!matches(quirk.match, traits)) continue;
    if (quirk.edit.clear_storage_16bit) traits.storage_16bit = false;
    if (quirk.edit.clear_timestamps) traits.timestamp_period_ns = 0;
    traits.quirks.push_back(quirk.id);
  }
}

}  // namespace weft::decide
