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

bool same_case(const ordered_json& left, const ordered_json& right) {
  return left["suite"] == right["suite"] && left["line"] == right["line"];
}

// What a file from before has and this one has not. Cases keep their places.
void add_older(ordered_json& json, const ordered_json& older) {
  ordered_json cases = older["cases"];
  for (const ordered_json& one : json["cases"]) {
    const auto old = std::ranges::find_if(cases, [&](const auto& c) { return same_case(c, one); });
    if (old == cases.end())
      cases.push_back(one);
    else
      *old = one;
  }
  json["cases"] = cases;
  ordered_json arguments = older["arguments"];
  for (const ordered_json& one : json["arguments"]) arguments.push_back(one);
  json["arguments"] = arguments;
  for (const auto& [name, value] : older["environment"].items())
    if (!json["environment"].contains(name)) json["environment"][name] = value;
  for (const char* name : {"ceilings", "scaling"})
    if (json[name].empty()) json[name] = older[name];
}

Result<ordered_json> read_older(const std::string& path, const ordered_json& json) {
  std::ifstream in(path);
  if (!in) return ordered_json();  // the first of several runs
  const auto older = ordered_json::parse(in, nullptr, false);
  if (!older.is_object() || older.value("format", "") != json["format"] ||
      !older.contains("cases") || !older.contains("device") || !older.contains("arguments") ||
      !older.contains("environment"))
    return fail(Code::invalid_argument, "--json: " + path + " is no file of weft_bench");
  if (older["device"] != json["device"])
    return fail(Code::invalid_argument, "--json: " + path + " is of another device");
  return older;
}

}  // namespace

ordered_json to_json(const Results& results) {
  ordered_json json{{"format", "weft-bench 1"},
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
  return json;
}

Result<void> write_json(const Results& results, const std::string& path, bool append) {
  ordered_json json = to_json(results);
  if (append) {
    WEFT_ASSIGN(const ordered_json older, read_older(path, json));
    if (!older.is_null()) add_older(json, older);
  }
  std::ofstream out(path);
  out << json.dump(1, ' ', false, ordered_json::error_handler_t::replace) << "\n";
  out.flush();
  if (out) return {};
  return fail(Code::invalid_argument, "--json: " + path + " can't be written");
}

}  // namespace weft::bench
