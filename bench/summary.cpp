#include "summary.hpp"

#include <algorithm>
#include <cstdio>

namespace weft::bench {
namespace {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : 0.5 * (values[middle - 1] + values[middle]);
}

}  // namespace

void Summary::ReportRuns(const std::vector<Run>& runs) {
  ConsoleReporter::ReportRuns(runs);
  for (const Run& run : runs) {
    any_error_ |= run.skipped == benchmark::internal::SkippedWithError;
    if (run.skipped || run.run_type != Run::RT_Iteration) continue;
    const std::string& name = run.run_name.function_name;
    const size_t slash = name.find('/');
    const std::string line = name.substr(slash + 1);
    Times& times = cases_[line][name.substr(0, slash)];
    times.milliseconds.push_back(1e3 * run.GetAdjustedRealTime() /
                                 benchmark::GetTimeUnitMultiplier(run.time_unit));
    times.label = run.report_label;
  }
}

void Summary::print() const {
  if (cases_.empty()) return;
  std::printf("\n%-44s %11s  %-22s %11s  %s\n", "case (median times)", "weft ms", "kernel row",
              "peer ms", "speed over peer (above 1: Weft is faster)");
  for (const std::string& line : lines_) {
    if (!cases_.contains(line)) continue;
    const auto& everyone = cases_.at(line);
    const auto weft = everyone.find("weft");
    if (weft == everyone.end()) continue;
    const double own = median(weft->second.milliseconds);
    std::printf("%-44s %11.3f  %-22s", line.c_str(), own, weft->second.label.c_str());
    bool first = true;
    for (const auto& [who, times] : everyone) {
      if (who == "weft") continue;
      const double theirs = median(times.milliseconds);
      std::printf("%s %11.3f  %.2f over %s (%s)", first ? "" : ";", theirs, theirs / own,
                  who.c_str(), times.label.c_str());
      first = false;
    }
    std::printf("\n");
  }
}

}  // namespace weft::bench
