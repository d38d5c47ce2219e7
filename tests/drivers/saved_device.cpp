#include "drivers/saved_device.hpp"

#include <array>
#include <fstream>
#include <nlohmann/json.hpp>

#include "info/traits_json.hpp"

namespace weft::drivers {
namespace {

using Json = nlohmann::ordered_json;

// What tells one chip from another and no driver's version changes.
std::array<uint32_t, 3> chip_of(const DeviceTraits& traits) {
  return {traits.vendor_id, traits.device_id, traits.subgroups_per_core};
}

std::string print(const DeviceTraits& traits) {
  std::string text = traits.name + " (";
  for (const uint32_t id : chip_of(traits)) text += std::to_string(id) + ", ";
  text.resize(text.size() - 2);
  return text + ")";
}

}  // namespace

Result<void> check_chip(const DeviceTraits& traits, const std::string& path) {
  std::ifstream in(path);
  if (!in) return {};
  const Json file = Json::parse(in, nullptr, false);
  DeviceTraits saved;
  std::vector<std::string> missing;
  if (file.is_discarded() || !file.contains("traits"))
    return fail(Code::invalid_argument, path + " must be a device as weft_drivers traits saves it");
  WEFT_TRY(info::from_json(file["traits"], saved, missing));
  if (chip_of(saved) == chip_of(traits)) return {};
  return fail(Code::unsupported,
              "the driver shows " + print(traits) + ", " + path + " is of " + print(saved) +
                  ", by vendor_id, device_id and subgroups_per_core: it ignores its variable, or "
                  "save the device anew with weft_drivers traits");
}

std::string source_of(const DeviceTraits& traits, const Driver& driver) {
  std::string text = "weft_drivers traits " + driver.name + ", " + traits.driver_info;
  for (const auto& [name, value] : driver.environment)
    if (name == driver.variable) text += ", fake device, " + name + "=" + value;
  return text;
}

}  // namespace weft::drivers
