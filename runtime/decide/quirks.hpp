// Known faults of drivers, as rows; nothing outside decide/ knows a vendor.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "weft/traits.hpp"

namespace weft::decide {

// Which devices a quirk is about. 0, nullptr or nothing: any. Ranges are [from, below), below 0: no
// end.
struct DeviceMatch {
  uint32_t vendor_id = 0;
  uint32_t driver_id = 0;  // VkDriverId
  const char* name_part = nullptr;  // of DeviceTraits::name
  uint32_t device_id_from = 0;
  uint32_t device_id_below = 0;
  uint32_t driver_version_from = 0;
  uint32_t driver_version_below = 0;
  uint32_t api_version_below = 0;
  // Generations of one vendor, which nothing but what they have tells apart.
  std::optional<bool> mixed_dot_accelerated = std::nullopt;
  uint32_t subgroups_per_core = 0;
};

// What a quirk takes out of the traits, or says that drivers do not.
struct TraitsEdit {
  bool clear_storage_16bit = false;
  bool clear_matrices = false;  // shapes and matrix2
  bool clear_matrix2 = false;
  bool clear_subgroup_extended_types = false;
  bool set_few_registers = false;
  bool set_short_offsets = false;
  uint32_t clear_subgroup_operations = 0;  // kSubgroup... bits
  bool operator==(const TraitsEdit&) const = default;
};

struct Quirk {
  const char* id;  // stable; listed in DeviceTraits::quirks
  DeviceMatch match;
  TraitsEdit edit;
  const char* why;  // the symptom and its source
};

std::span<const Quirk> quirks() noexcept;

bool matches(const DeviceMatch& match, const DeviceTraits& traits) noexcept;
// Edits the traits by every row that matches, and appends the ids of those rows.
void apply_quirks(DeviceTraits& traits, std::span<const Quirk> rows = quirks());

}  // namespace weft::decide
