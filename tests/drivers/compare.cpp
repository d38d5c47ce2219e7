#include "drivers/compare.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

namespace weft::drivers {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using Pipeline = Statistics::Pipeline;
using Values = std::map<std::string, double>;

// What is shown, in this order; how the pipelines of a row become one number.
enum class Fold { most, least, sum };
struct Column {
  const char* name;
  const char* title;
  Fold fold;
};
constexpr Column kColumns[] = {
    {"registers", "registers", Fold::most},   {"occupancy", "occupancy", Fold::least},
    {"spills", "spills", Fold::most},         {"register_spills", "to registers", Fold::most},
    {"scratch_bytes", "scratch", Fold::most}, {"instructions", "instructions", Fold::sum},
    {"cycles", "cycles", Fold::sum},
};
// Numbers that follow every small change; worth a line from one part in a hundred on.
bool is_rough(const std::string& name) {
  return name == "instructions" || name == "cycles" || name == "latency";
}

std::string format(const char* pattern, auto... values) {
  char text[256];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

// Some of Arm's are fractions; what a baseline keeps has to compare equal.
double kept(double value) { return std::round(value * 100) / 100; }

Statistics from_report(const Json& json) {
  Statistics one{json.value("driver", ""), json.value("device", ""), json.value("version", ""), {}};
  for (const Json& pipeline : json.value("pipelines", Json::array())) {
    Values values = pipeline.value("statistics", Values());
    for (auto& [name, value] : values) value = kept(value);
    one.pipelines.push_back(
        {pipeline.value("kernel", ""), pipeline.value("case", ""), std::move(values)});
  }
  return one;
}

const Statistics* find(const std::vector<Statistics>& all, const std::string& driver) {
  const auto found = std::ranges::find(all, driver, &Statistics::driver);
  return found == all.end() ? nullptr : &*found;
}

const Pipeline* find(const Statistics* in, const Pipeline& like) {
  if (!in) return nullptr;
  const auto found = std::ranges::find_if(in->pipelines, [&](const Pipeline& p) {
    return p.kernel == like.kernel && p.line == like.line;
  });
  return found == in->pipelines.end() ? nullptr : &*found;
}

// A column over the pipelines of a kernel row; none of them told: nothing.
std::string folded(const Statistics& driver, const std::string& kernel, const Column& column) {
  double value = 0;
  bool told = false;
  for (const Pipeline& pipeline : driver.pipelines) {
    const auto found = pipeline.values.find(column.name);
    if (pipeline.kernel != kernel || found == pipeline.values.end()) continue;
    const double one = found->second;
    if (!told)
      value = one;
    else
      value = column.fold == Fold::most    ? std::max(value, one)
              : column.fold == Fold::least ? std::min(value, one)
                                           : value + one;
    told = true;
  }
  return told ? format("%.0f", value) : "-";
}

// How a summed column changed over the pipelines that both have.
std::string change(const Statistics& now, const Statistics* before, const std::string& kernel,
                   const char* name) {
  double old_sum = 0, new_sum = 0;
  for (const Pipeline& pipeline : now.pipelines) {
    const Pipeline* old = find(before, pipeline);
    if (pipeline.kernel != kernel || !old || !old->values.contains(name) ||
        !pipeline.values.contains(name))
      continue;
    old_sum += old->values.at(name);
    new_sum += pipeline.values.at(name);
  }
  if (old_sum == 0) return "";
  return new_sum == old_sum ? "=" : format("%+.1f%%", 100 * (new_sum / old_sum - 1));
}

std::set<std::string> kernels_of(const std::vector<Statistics>& all) {
  std::set<std::string> names;
  for (const Statistics& driver : all)
    for (const Pipeline& pipeline : driver.pipelines) names.insert(pipeline.kernel);
  return names;
}

std::string difference(const Pipeline& now, const Pipeline& old) {
  std::string text;
  for (const auto& [name, value] : now.values) {
    const auto was = old.values.find(name);
    if (was == old.values.end() || was->second == value) continue;
    if (is_rough(name) && std::abs(value - was->second) <= 0.01 * was->second) continue;
    text += format(", %s %g -> %g", name.c_str(), was->second, value);
  }
  for (const auto& [name, value] : old.values)
    if (!now.values.contains(name)) text += ", " + name + " is no longer told";
  return text.empty() ? text : text.substr(2);
}

std::string header() {
  std::string line = format("  %-18s %5s", "", "count");
  for (const Column& column : kColumns) line += format(" %12s", column.title);
  return line + "   since the last commit: instructions, cycles\n";
}

}  // namespace

Result<std::vector<Statistics>> read_reports(const std::string& folder) {
  std::vector<Statistics> all;
  std::error_code missing;
  std::set<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(folder, missing)) paths.insert(entry.path());
  for (const fs::path& path : paths) {
    std::ifstream file(path);
    const Json json = Json::parse(file, nullptr, false);
    if (json.is_discarded())
      return fail(Code::invalid_argument, "compare: " + path.string() + " must be a report");
    all.push_back(from_report(json));
  }
  if (all.empty())
    return fail(Code::invalid_argument, "compare: " + folder + " must have reports, found none");
  return all;
}

Result<std::vector<Statistics>> read_baseline(const std::string& path) {
  std::vector<Statistics> all;
  std::ifstream file(path);
  if (!file) return all;
  const Json json = Json::parse(file, nullptr, false);
  if (json.is_discarded())
    return fail(Code::invalid_argument, "compare: " + path + " must be JSON");
  for (const Json& driver : json.value("drivers", Json::array()))
    all.push_back(from_report(driver));
  return all;
}

std::string to_baseline(const std::vector<Statistics>& all) {
  std::string text = "{\n \"drivers\": [";
  for (const Statistics& driver : all) {
    text += std::string(&driver == &all.front() ? "" : ",") +
            "\n  {\"driver\": " + Json(driver.driver).dump() +
            ", \"device\": " + Json(driver.device).dump() +
            ", \"version\": " + Json(driver.version).dump() + ", \"pipelines\": [";
    for (const Pipeline& pipeline : driver.pipelines) {
      Json one{{"kernel", pipeline.kernel}, {"case", pipeline.line}};
      for (const auto& [name, value] : pipeline.values) {
        Json& written = one["statistics"][name];
        if (value == std::round(value))
          written = std::llround(value);
        else
          written = value;
      }
      text += std::string(&pipeline == &driver.pipelines.front() ? "" : ",") + "\n   " + one.dump();
    }
    text += "]}";
  }
  return text + "\n ]\n}\n";
}

std::string table(const std::vector<Statistics>& now, const std::vector<Statistics>& before) {
  std::string text;
  for (const std::string& kernel : kernels_of(now)) {
    text += kernel + "\n" + header();
    for (const Statistics& driver : now) {
      const auto count = std::ranges::count(driver.pipelines, kernel, &Pipeline::kernel);
      if (count == 0) continue;
      text += format("  %-18s %5d", driver.driver.c_str(), static_cast<int>(count));
      for (const Column& column : kColumns)
        text += format(" %12s", folded(driver, kernel, column).c_str());
      const Statistics* old = find(before, driver.driver);
      text += format("   %s %s\n", change(driver, old, kernel, "instructions").c_str(),
                     change(driver, old, kernel, "cycles").c_str());
    }
  }
  return text;
}

std::string differences(const std::vector<Statistics>& now, const std::vector<Statistics>& before,
                        size_t most_lines) {
  std::vector<std::string> lines;
  for (const Statistics& driver : now) {
    const Statistics* old = find(before, driver.driver);
    if (!old) {
      lines.push_back(driver.driver + ": new");
      continue;
    }
    if (old->version != driver.version)
      lines.push_back(driver.driver + ": the driver was " + old->version + ", is " +
                      driver.version);
    for (const Pipeline& pipeline : driver.pipelines) {
      const Pipeline* was = find(old, pipeline);
      const std::string what = was ? difference(pipeline, *was) : "new";
      if (!what.empty())
        lines.push_back(driver.driver + " " + pipeline.kernel + " \"" + pipeline.line +
                        "\": " + what);
    }
    for (const Pipeline& pipeline : old->pipelines)
      if (!find(&driver, pipeline))
        lines.push_back(driver.driver + " " + pipeline.kernel + " \"" + pipeline.line + "\": gone");
  }
  std::string text;
  for (size_t i = 0; i < std::min(lines.size(), most_lines); ++i) text += lines[i] + "\n";
  if (lines.size() > most_lines) text += format("and %zu more\n", lines.size() - most_lines);
  return lines.empty() ? "no pipeline differs\n" : text;
}

}  // namespace weft::drivers
