#include "saved_devices.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "info/traits_json.hpp"

namespace weft::test {
namespace {

using Json = nlohmann::ordered_json;
const std::string kFolder = WEFT_SOURCE_DIR "/tests/devices/";

std::unexpected<Error> refuse(const std::string& path, const std::string& why) {
  return fail(Code::invalid_argument, path + ": " + why);
}

}  // namespace

Result<SavedDevice> read_device(const std::string& path, const DeviceTraits& minimum) {
  std::ifstream in(path);
  const Json file = Json::parse(in, nullptr, false);
  if (!file.is_object() || file.size() != 3 || !file.contains("source") ||
      !file.contains("assumed") || !file.contains("traits") || !file["source"].is_string() ||
      !file["assumed"].is_array())
    return refuse(path, "an object with source, assumed and traits is needed");
  SavedDevice device{minimum, file["source"].get<std::string>(), {}};
  std::vector<std::string> missing;
  if (const auto read = info::from_json(file["traits"], device.traits, missing); !read)
    return refuse(path, read.error().message);
  for (const Json& name : file["assumed"])
    device.assumed.push_back(name.is_string() ? name.get<std::string>() : "");
  for (const std::string& name : missing)
    if (std::ranges::find(device.assumed, name) == device.assumed.end())
      return refuse(path, name + " is neither told nor assumed");
  if (device.assumed.size() != missing.size())
    return refuse(path, "assumed names what traits tell, or twice");
  return device;
}

Result<std::map<std::string, SavedDevice>> saved_devices() {
  WEFT_ASSIGN(const SavedDevice minimum, read_device(kFolder + "minimum.json", {}));
  std::map<std::string, SavedDevice> all;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() != ".json") continue;
    WEFT_ASSIGN(SavedDevice device, read_device(entry.path().string(), minimum.traits));
    all.emplace(entry.path().stem().string(), std::move(device));
  }
  return all;
}

}  // namespace weft::test
