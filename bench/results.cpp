#include "results.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>
#include <thread>

#include "base/options.hpp"
#include "commit.h"
#include "info/traits_json.hpp"
#include "weft/version.hpp"

namespace weft::bench {
namespace {

using nlohmann::ordered_json;

constexpr const char* kFormat = "weft-bench 1";

// What changes drivers and peers; those that are set go into the file.
constexpr const char* kVariables[] = {"LP_NUM_THREADS",
                                      "LP_NATIVE_VECTOR_WIDTH",
                                      "GALLIVM_PERF",
                                      "VK_DRIVER_FILES",
                                      "VK_ICD_FILENAMES",
                                      "VK_LOADER_DRIVERS_SELECT",
                                      "RADV_PERFTEST",
                                      "RADV_DEBUG",
                                      "INTEL_DEBUG",
                                      "ANV_DEBUG",
                                      "MESA_VK_DEVICE_SELECT",
                                      "MESA_SHADER_CACHE_DISABLE",
                                      "__GL_SHADER_DISK_CACHE",
                                      "WEFT_QUIRKS",
                                      "WEFT_DEVICE",
                                      "WEFT_KERNEL",
                                      "WEFT_DISABLE",
                                      "WEFT_SELF_TEST",
                                      "GGML_VK_VISIBLE_DEVICES",
                                      "GGML_VK_DISABLE_COOPMAT",
                                      "GGML_VK_DISABLE_F16",
                                      "OPENBLAS_NUM_THREADS",
                                      "OMP_NUM_THREADS",
                                      "MKL_NUM_THREADS",
                                      "ATEN_CPU_CAPABILITY"};

// Where files lie on a machine is nobody's business: the last part of a path.
std::string without_folders(const std::string& text) {
  if (!text.starts_with('/') && !text.starts_with("./") && !text.starts_with("../")) return text;
  return text.substr(text.find_last_of('/') + 1);
}

std::string now_text() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
  return text;
}

// What stands behind `key` and a separator in a file of such lines, or "".
std::string value_in(const char* path, const std::string& key, char separator) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(key)) continue;
    std::string value = line.substr(line.find(separator) + 1);
    std::erase(value, '"');
    const size_t first = value.find_first_not_of(" \t");
    return first == std::string::npos ? "" : value.substr(first);
  }
  return {};
}

std::string system_name() {
  if (std::string name = value_in("/etc/os-release", "PRETTY_NAME", '='); !name.empty())
    return name;
#if defined(_WIN32)
  return "Windows";
#elif defined(__APPLE__)
  return "macOS";
#else
  return "";
#endif
}

ordered_json host_json() {
  return {{"cpu", value_in("/proc/cpuinfo", "model name", ':')},
          {"cores", std::thread::hardware_concurrency()},
          {"os", system_name()}};
}

ordered_json environment_json() {
  auto json = ordered_json::object();
  for (const char* name : kVariables)
    if (const std::string value = base::environment(name); !value.empty())
      json[name] = without_folders(value);
  // Where the cache lies is nobody's business, but whether plans came out of one matters.
  json["WEFT_CACHE_DIR"] = base::environment("WEFT_CACHE_DIR").empty() ? "unset" : "set";
  return json;
}

ordered_json text_or_null(const std::string& text) {
  return text.empty() ? ordered_json() : ordered_json(text);
}

ordered_json to_json(const Series& series) {
  ordered_json json{{"who", series.who}};
  json[series.who == "weft" ? "kernel" : "detail"] = series.detail;
  json["clock"] = to_string(series.clock);
  json["samples_ns"] = series.samples_ns;
  json["median_ns"] = median(series.samples_ns);
  return json;
}

ordered_json to_json(const Operation& operation) {
  return {{"name", operation.name},
          {"kernel", operation.kernel},
          {"ns", operation.ns},
          {"share", operation.share},
          {"flops", operation.flops}};
}

ordered_json to_json(const Entry& entry) {
  auto runs = ordered_json::array(), operations = ordered_json::array();
  for (const Series& series : entry.runs) runs.push_back(to_json(series));
  for (const Operation& one : entry.operations.all) operations.push_back(to_json(one));
  return {
      {"suite", entry.suite},
      {"line", entry.line},
      {"kind", entry.kind},
      {"flops", entry.work.flops},
      {"bytes", entry.work.bytes},
      {"runs", runs},
      {"operations", operations},
      {"gap_share", operations.empty() ? ordered_json() : ordered_json(entry.operations.gap_share)},
      {"transient_bytes", entry.transient_bytes},
      {"refused", text_or_null(entry.refused)},
      {"error", text_or_null(entry.error)}};
}

ordered_json to_json(const ScalingSeries& series) {
  auto points = ordered_json::array();
  for (const ScalingPoint& point : series.points)
    points.push_back({{"x", point.x},
                      {"line", point.line},
                      {"median_ns", point.median_ns},
                      {"device_bytes", point.device_bytes}});
  return {{"axis", series.axis},
          {"series", series.series},
          {"profile", series.profile},
          {"detail", series.detail},
          {"points", points}};
}

constexpr const char* kSections[] = {"ceilings", "cases", "scaling"};

// Each entry says of which run it is, so that a file can hold those of several. Entries of files
// from before are of the file's.
void name_runs(ordered_json& file) {
  for (const char* section : kSections)
    for (ordered_json& entry : file[section])
      if (!entry.contains("commit"))
        for (const char* member : {"made", "commit", "environment", "arguments"})
          entry[member] = file.value(member, ordered_json());
}

// Where a case stands in a file: its suite and its line.
std::pair<ordered_json, ordered_json> place_of(const ordered_json& one) {
  return {one.value("suite", ordered_json()), one.value("line", ordered_json())};
}

// What a file from before has and this one has not. Cases keep their places.
void add_older(ordered_json& json, const ordered_json& older) {
  ordered_json cases = older["cases"];
  for (const ordered_json& one : json["cases"]) {
    const auto old = std::ranges::find(cases, place_of(one), place_of);
    if (old == cases.end())
      cases.push_back(one);
    else
      *old = one;
  }
  json["cases"] = cases;
  for (const char* name : {"ceilings", "scaling"})
    if (json[name].empty()) json[name] = older[name];
}

bool is_of_weft_bench(const ordered_json& json) {
  if (!json.is_object() || json.value("format", ordered_json()) != kFormat) return false;
  for (const char* name : {"device", "host"})
    if (!json.contains(name) || !json[name].is_object()) return false;
  if (!json["device"].contains("name")) return false;
  return std::ranges::all_of(kSections, [&](const char* section) {
    return json.contains(section) && json[section].is_array() &&
           std::ranges::all_of(json[section], [](const auto& one) { return one.is_object(); });
  });
}

std::string dump(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

// The first member in which two objects differ, such as 'cores is 4, here 2'; "" if none. Members
// that one of them lacks are of another version of Weft.
std::string difference(const ordered_json& there, const ordered_json& here) {
  for (const auto& [name, now] : here.items())
    if (there.contains(name) && there[name] != now)
      return name + " is " + dump(there[name]) + ", here " + dump(now);
  return {};
}

// Null where there is no file: the first of several runs.
Result<ordered_json> read_older(const std::string& path, const DeviceTraits& traits) {
  std::ifstream in(path);
  if (!in) return ordered_json();
  auto older = ordered_json::parse(in, nullptr, false);
  const std::string file = "--append: " + path;
  if (!is_of_weft_bench(older))
    return fail(Code::invalid_argument, file + " is no file of weft_bench");
  const auto device = difference(older["device"], info::to_json(traits));
  if (!device.empty())
    return fail(Code::invalid_argument, file + " is of another device: " + device);
  const auto host = difference(older["host"], host_json());
  if (!host.empty()) return fail(Code::invalid_argument, file + " is of another host: " + host);
  name_runs(older);
  return older;
}

}  // namespace

ordered_json to_json(const Results& results) {
  ordered_json json{{"format", kFormat},
                    {"made", now_text()},
                    {"version", WEFT_VERSION},
                    {"commit", WEFT_COMMIT},
                    {"host", host_json()},
                    {"device", info::to_json(results.traits)},
                    {"environment", environment_json()},
                    {"arguments", ordered_json::array()},
                    {"ceilings", ordered_json::array()},
                    {"cases", ordered_json::array()},
                    {"scaling", ordered_json::array()}};
  for (const std::string& word : results.arguments)
    json["arguments"].push_back(without_folders(word));
  for (const Ceiling& one : results.ceilings)
    json["ceilings"].push_back(
        {{"id", one.id}, {"value", one.value}, {"unit", one.unit}, {"detail", one.detail}});
  for (const Entry& entry : results.entries) json["cases"].push_back(to_json(entry));
  for (const ScalingSeries& series : results.scaling) json["scaling"].push_back(to_json(series));
  name_runs(json);
  return json;
}

Result<void> write_json(const Results& results, const std::string& path, bool append) {
  ordered_json json = to_json(results);
  if (append) {
    WEFT_ASSIGN(const ordered_json older, read_older(path, results.traits));
    if (!older.is_null()) add_older(json, older);
  }
  std::ofstream out(path);
  out << json.dump(1, ' ', false, ordered_json::error_handler_t::replace) << "\n";
  out.flush();
  if (out) return {};
  return fail(Code::invalid_argument, "--json: " + path + " can't be written");
}

Result<void> check_append(const DeviceTraits& traits, const std::string& path) {
  WEFT_TRY(read_older(path, traits));
  return {};
}

}  // namespace weft::bench
