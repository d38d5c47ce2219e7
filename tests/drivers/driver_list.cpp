#include "drivers/driver_list.hpp"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace weft::drivers {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

std::string text_of(const Json& json, const char* key) { return json.value(key, std::string()); }

std::string with_folder(std::string path, const std::string& folder) {
  constexpr std::string_view kFolder = "{drivers}";
  if (path.starts_with(kFolder)) path = folder + path.substr(kFolder.size());
  return path;
}

// Mesa's files carry the machine's architecture on some systems: "radeon_icd.x86_64.json".
std::string find_icd(const std::string& name) {
  for (const char* folder :
       {"/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"}) {
    std::error_code ignored;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
      const std::string file = entry.path().filename().string();
      if (file.starts_with(name + ".") && file.ends_with(".json")) return entry.path().string();
    }
  }
  return {};
}

std::string find_library(const std::string& name, const std::string& folder) {
  for (const std::string& place :
       {folder, std::string("/usr/lib/x86_64-linux-gnu"), std::string("/usr/lib64"),
        std::string("/usr/lib/aarch64-linux-gnu"), std::string("/usr/lib")})
    if (fs::exists(place + "/" + name)) return place + "/" + name;
  return {};
}

// The path of a file that the system or `folder` has; notes what is missing.
template <class Find>
std::string locate(const std::string& given, const std::string& folder, Driver& driver, Find find) {
  std::string path = with_folder(given, folder);
  if (!path.starts_with('/')) path = find(path);
  if (path.empty() || !fs::exists(path)) {
    if (driver.missing.empty()) driver.missing = with_folder(given, folder);
    return {};
  }
  return path;
}

void set_emulator(const Json& family, const std::string& folder, Driver& driver) {
  if (!family.contains("emulator")) return;
  const Json& emulator = family.at("emulator");
  const std::string root = with_folder(text_of(emulator, "root"), folder);
  driver.emulator = {locate(text_of(emulator, "command"), folder, driver,
                            [](const std::string& name) { return find_library(name, "/usr/bin"); }),
                     "-L", root};
  driver.environment.emplace_back("LD_LIBRARY_PATH", text_of(emulator, "libraries"));
  driver.program =
      locate(text_of(emulator, "program"), folder, driver, [](const std::string&) { return ""; });
}

void set_environment(const Json& family, const Json& device, const std::string& folder,
                     Driver& driver) {
  const auto set = [&](const std::string& name, const std::string& value) {
    if (!name.empty() && !value.empty()) driver.environment.emplace_back(name, value);
  };
  set("VK_LOADER_LAYERS_DISABLE", "~implicit~");
  set("VK_DRIVER_FILES", locate(text_of(family, "icd"), folder, driver, find_icd));
  set(text_of(family, "variable"), text_of(device, "value"));
  if (family.contains("shim"))
    set("LD_PRELOAD", locate(text_of(family, "shim"), folder, driver, [&](const std::string& name) {
          return find_library(name, folder + "/lib");
        }));
  // Statistics are of a compilation; one found in a cache has none.
  if (!driver.executes) set("MESA_SHADER_CACHE_DISABLE", "1");
  for (const char* cache : {"MESA_SHADER_CACHE_DIR", "WEFT_CACHE_DIR"}) {
    if (!driver.executes) continue;
    std::error_code ignored;  // without a cache it is slower
    fs::create_directories(folder + "/cache/" + driver.name, ignored);
    set(cache, folder + "/cache/" + driver.name);
  }
}

void add_limits(const Json& json, const char* key, Limits& limits) {
  for (const auto& [statistic, rows] : json.value(key, Limits()))
    for (const auto& [row, value] : rows) limits[statistic][row] = value;
}

// A limit of one row is an exception, and wants its reason beside it.
bool explained(const Driver& driver, const Json& family) {
  for (const Limits* limits : {&driver.most, &driver.least})
    for (const auto& [statistic, rows] : *limits)
      for (const auto& [row, value] : rows)
        if (!row.empty() && text_of(family, "why").empty()) return false;
  return true;
}

Driver read_driver(const Json& family, const Json& device, const std::string& folder) {
  Driver driver;
  driver.family = text_of(family, "name");
  driver.name = driver.family + "_" + text_of(device, "name");
  driver.about = text_of(device, "about");
  driver.package = text_of(family, "package");
  driver.variable = text_of(family, "variable");
  driver.executes = text_of(family, "kind") == "executes";
  driver.on_demand = family.value("on_demand", false);
  set_emulator(family, folder, driver);
  set_environment(family, device, folder, driver);
  driver.statistics = family.value("statistics", StatisticNames());
  for (const Json* json :
       {&family, &device}) {  // what a device says goes before what its family says
    add_limits(*json, "most", driver.most);
    add_limits(*json, "least", driver.least);
  }
  return driver;
}

}  // namespace

Result<std::vector<Driver>> read_drivers(const std::string& path, const std::string& folder) {
  std::ifstream file(path);
  const Json list = Json::parse(file, nullptr, false);
  if (list.is_discarded() || !list.contains("families"))
    return fail(Code::invalid_argument, "drivers: " + path + " must be JSON with families");
  std::vector<Driver> drivers;
  for (const Json& family : list.at("families"))
    for (const Json& device : family.at("devices")) {
      drivers.push_back(read_driver(family, device, folder));
      if (!explained(drivers.back(), family))
        return fail(Code::invalid_argument, "drivers: " + drivers.back().name +
                                                " limits single rows: its family must say why");
    }
  return drivers;
}

}  // namespace weft::drivers
