#include "info/traits_json.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <span>

namespace info {
namespace {

using Json = nlohmann::ordered_json;
using weft::DeviceTraits;
using weft::MatrixShape;

struct Bit {
  const char* name;
  uint32_t bit;
};
constexpr Bit kSubgroup[] = {
    {"basic", weft::kSubgroupBasic},           {"vote", weft::kSubgroupVote},
    {"arithmetic", weft::kSubgroupArithmetic}, {"ballot", weft::kSubgroupBallot},
    {"shuffle", weft::kSubgroupShuffle},       {"shuffle_relative", weft::kSubgroupShuffleRelative},
    {"clustered", weft::kSubgroupClustered},   {"quad", weft::kSubgroupQuad},
};
constexpr Bit kMatrix2[] = {
    {"workgroup_scope", weft::kMatrix2WorkgroupScope},
    {"flexible_dimensions", weft::kMatrix2FlexibleDimensions},
    {"reductions", weft::kMatrix2Reductions},
    {"conversions", weft::kMatrix2Conversions},
    {"per_element", weft::kMatrix2PerElement},
    {"tensor_addressing", weft::kMatrix2TensorAddressing},
    {"block_loads", weft::kMatrix2BlockLoads},
};

// Ways to write a member, where its type alone doesn't say it.
struct Version {
  uint32_t& value;
};
struct Bits {
  uint32_t& value;
  std::span<const Bit> names;
};
struct Uuid {
  std::array<uint8_t, 16>& value;
};

// Calls `visit` with the name of every member and how it is written.
template <class Visit>
void for_each_trait(DeviceTraits& t, Visit visit) {
  visit("name", t.name);
  visit("driver_name", t.driver_name);
  visit("driver_info", t.driver_info);
  visit("type", t.type);
  visit("vendor_id", t.vendor_id);
  visit("device_id", t.device_id);
  visit("driver_id", t.driver_id);
  visit("driver_version", t.driver_version);
  visit("api_version", Version{t.api_version});
  visit("pipeline_cache_uuid", Uuid{t.pipeline_cache_uuid});
  visit("buffer_device_address", t.buffer_device_address);
  visit("timeline_semaphore", t.timeline_semaphore);
  visit("synchronization2", t.synchronization2);
  visit("storage_16bit", t.storage_16bit);
  visit("shader_float16", t.shader_float16);
  visit("vulkan_memory_model", t.vulkan_memory_model);
  visit("integer_dot_product", t.integer_dot_product);
  visit("mixed_dot_accelerated", t.mixed_dot_accelerated);
  visit("subgroup_size", t.subgroup_size);
  visit("min_subgroup_size", t.min_subgroup_size);
  visit("max_subgroup_size", t.max_subgroup_size);
  visit("subgroup_size_control", t.subgroup_size_control);
  visit("full_subgroups", t.full_subgroups);
  visit("max_workgroup_subgroups", t.max_workgroup_subgroups);
  visit("subgroup_operations", Bits{t.subgroup_operations, kSubgroup});
  visit("subgroup_extended_types", t.subgroup_extended_types);
  visit("matrix_shapes", t.matrix_shapes);
  visit("matrix2", Bits{t.matrix2, kMatrix2});
  visit("core_count", t.core_count);
  visit("subgroups_per_core", t.subgroups_per_core);
  visit("max_workgroup_invocations", t.max_workgroup_invocations);
  visit("max_workgroup_count", t.max_workgroup_count);
  visit("max_workgroup_size", t.max_workgroup_size);
  visit("max_push_constants_bytes", t.max_push_constants_bytes);
  visit("shared_memory_bytes", t.shared_memory_bytes);
  visit("timestamp_period_ns", t.timestamp_period_ns);
  visit("max_allocation_bytes", t.max_allocation_bytes);
  visit("unified_memory", t.unified_memory);
  visit("quirks", t.quirks);
}

// ---- Writing ----

template <class Value>
Json write(const Value& value) {
  return value;
}
Json write(weft::DeviceType type) { return weft::to_string(type); }
Json write(const Version& version) {
  return std::to_string(version.value >> 22 & 0x7f) + "." +
         std::to_string(version.value >> 12 & 0x3ff) + "." + std::to_string(version.value & 0xfff);
}
Json write(const Bits& bits) {
  auto names = Json::array();
  for (const Bit& bit : bits.names)
    if (bits.value & bit.bit) names.push_back(bit.name);
  return names;
}
Json write(const Uuid& uuid) {
  std::string text;
  for (const uint8_t byte : uuid.value) {
    char hex[3];
    std::snprintf(hex, sizeof(hex), "%02x", byte);
    text += hex;
  }
  return text;
}
Json write(const std::vector<MatrixShape>& shapes) {
  auto lines = Json::array();
  for (const MatrixShape& s : shapes)
    lines.push_back(std::to_string(s.m) + "x" + std::to_string(s.n) + "x" + std::to_string(s.k) +
                    " " + weft::to_string(s.input) + "->" + weft::to_string(s.accumulator) + " " +
                    weft::to_string(s.scope));
  return lines;
}

// ---- Reading: false where the value is of another kind ----

template <class Value>
bool read_number(const Json& from, Value& value) {
  if (!from.is_number()) return false;
  value = from.get<Value>();
  return true;
}
bool read(const Json& from, uint32_t& value) {
  return from.is_number_unsigned() && from.get<uint64_t>() <= UINT32_MAX &&
         read_number(from, value);
}
bool read(const Json& from, uint64_t& value) {
  return from.is_number_unsigned() && read_number(from, value);
}
bool read(const Json& from, float& value) { return read_number(from, value); }
bool read(const Json& from, bool& value) {
  if (!from.is_boolean()) return false;
  value = from.get<bool>();
  return true;
}
bool read(const Json& from, std::string& value) {
  if (!from.is_string()) return false;
  value = from.get<std::string>();
  return true;
}
// The enumerator whose name is `text`, of those from 0 to `last`.
template <class Enum>
bool read_name(std::string_view text, Enum last, Enum& value) {
  for (int32_t i = 0; i <= static_cast<int32_t>(last); ++i) {
    value = static_cast<Enum>(i);
    if (text == weft::to_string(value)) return true;
  }
  return false;
}
bool read(const Json& from, MatrixShape& shape) {
  char input[8] = "", accumulator[8] = "", scope[16] = "", rest = 0;
  return from.is_string() &&
         std::sscanf(from.get<std::string>().c_str(), "%ux%ux%u %7[a-z0-9]->%7s %15s%c", &shape.m,
                     &shape.n, &shape.k, input, accumulator, scope, &rest) == 6 &&
         read_name(input, weft::MatrixElement::u32, shape.input) &&
         read_name(accumulator, weft::MatrixElement::u32, shape.accumulator) &&
         read_name(scope, weft::MatrixScope::workgroup, shape.scope);
}
template <class Item>
bool read(const Json& from, std::vector<Item>& items) {
  if (!from.is_array()) return false;
  items.resize(from.size());
  for (size_t i = 0; i < items.size(); ++i)
    if (!read(from[i], items[i])) return false;
  return true;
}
bool read(const Json& from, std::array<uint32_t, 3>& items) {
  std::vector<uint32_t> all;
  if (!read(from, all) || all.size() != items.size()) return false;
  std::ranges::copy(all, items.begin());
  return true;
}
bool read(const Json& from, weft::DeviceType& type) {
  return from.is_string() && read_name(from.get<std::string>(), weft::DeviceType::cpu, type);
}
bool read(const Json& from, Version version) {
  uint32_t major = 0, minor = 0, patch = 0;
  char rest = 0;
  if (!from.is_string() || std::sscanf(from.get<std::string>().c_str(), "%u.%u.%u%c", &major,
                                       &minor, &patch, &rest) != 3)
    return false;
  version.value = major << 22 | minor << 12 | patch;
  return true;
}
bool read(const Json& from, Bits bits) {
  std::vector<std::string> names;
  if (!read(from, names)) return false;
  bits.value = 0;
  for (const std::string& name : names) {
    const auto found =
        std::ranges::find_if(bits.names, [&](const Bit& bit) { return name == bit.name; });
    if (found == bits.names.end()) return false;
    bits.value |= found->bit;
  }
  return true;
}
bool read(const Json& from, Uuid uuid) {
  if (!from.is_string() || from.get<std::string>().size() != 2 * uuid.value.size()) return false;
  const auto text = from.get<std::string>();
  for (size_t i = 0; i < uuid.value.size(); ++i) {
    unsigned byte = 0;
    if (std::sscanf(text.c_str() + 2 * i, "%2x", &byte) != 1) return false;
    uuid.value[i] = static_cast<uint8_t>(byte);
  }
  return true;
}

}  // namespace

Json to_json(const DeviceTraits& traits) {
  DeviceTraits copy = traits;
  Json all;
  for_each_trait(copy, [&](const char* name, const auto& member) { all[name] = write(member); });
  return all;
}

weft::Result<void> from_json(const Json& from, DeviceTraits& traits,
                             std::vector<std::string>& missing) {
  if (!from.is_object())
    return weft::fail(weft::Code::invalid_argument, "traits: an object is needed");
  std::string wrong;
  for_each_trait(traits, [&](const char* name, auto&& member) {
    const auto found = from.find(name);
    if (found == from.end()) {
      missing.push_back(name);
      return;
    }
    if (!read(*found, member)) wrong = name;
  });
  if (!wrong.empty())
    return weft::fail(weft::Code::invalid_argument,
                      "traits: " + wrong + " can't be " + from[wrong].dump());
  const Json all = to_json(traits);
  for (const auto& [name, value] : from.items())
    if (!all.contains(name))
      return weft::fail(weft::Code::invalid_argument, "traits: there is no member " + name);
  return {};
}

weft::Result<void> save_device(const DeviceTraits& traits, const std::string& source,
                               const std::string& path) {
  if (!traits.quirks.empty())
    return weft::fail(weft::Code::invalid_argument,
                      "quirks have edited these traits; set WEFT_QUIRKS=off");
  const Json file = {{"source", source}, {"assumed", Json::array()}, {"traits", to_json(traits)}};
  std::ofstream out(path);
  out << file.dump(2) << "\n";
  if (out.flush()) return {};
  return weft::fail(weft::Code::invalid_argument, path + " can't be written");
}

}  // namespace info
