#include "regression.hpp"

#include <algorithm>

#include "measures.hpp"
#include "statistics.hpp"

namespace weft::report {
namespace {

constexpr const char* kClocks[] = {"wall",        "device",       "host_record",
                                   "host_replay", "first_record", "first_wall"};

bool ran(const Case& one) {
  return std::ranges::any_of(one.runs, [](const Run& run) { return run.who == kWeft; });
}

std::string why_not(const Case& one) {
  if (!one.error.empty()) return "error: " + one.error;
  if (!one.refused.empty()) return "refused: " + one.refused;
  return "not run";
}

Verdict judge(const Change& change, double threshold) {
  if (!change.p) return Verdict::untested;
  const bool significant = *change.p <= kSignificantP;
  if (significant && change.ratio > 1 + threshold) return Verdict::slower;
  if (significant && change.ratio < 1 / (1 + threshold)) return Verdict::faster;
  return Verdict::same;
}

Change change_of(const Case& one, const Run& before, const Run& after, double threshold) {
  Change change{one.suite, one.line, before.clock, before.kernel, after.kernel};
  change.before_ns = before.median_ns;
  change.after_ns = after.median_ns;
  change.ratio = after.median_ns / before.median_ns;
  change.p = mann_whitney(before.samples_ns, after.samples_ns);
  change.verdict = judge(change, threshold);
  return change;
}

Change without_times(const Case& one, Verdict verdict, std::string note) {
  Change change{one.suite, one.line};
  change.verdict = verdict;
  change.note = std::move(note);
  return change;
}

void compare_case(const Case& before, const Case& after, Comparison& out) {
  const bool failed_before = !ran(before) || !before.error.empty();
  const bool failed_after = !ran(after) || !after.error.empty();
  if (failed_before != failed_after) {
    out.changes.push_back(failed_after ? without_times(after, Verdict::broken, why_not(after))
                                       : without_times(after, Verdict::repaired, why_not(before)));
    return;
  }
  for (const char* clock : kClocks) {
    const Run* a = run_of(before, kWeft, clock);
    const Run* b = run_of(after, kWeft, clock);
    if (a != nullptr && b != nullptr) {
      out.changes.push_back(change_of(after, *a, *b, out.threshold));
    }
  }
}

void compare_peers(const Measurement& before, const Measurement& after, Comparison& out) {
  const std::vector<std::string> peers = peers_of({after});
  std::vector<double> ratios;
  for (const Case& one : after.cases) {
    const Case* old = find_case(before, one.suite, one.line);
    if (old == nullptr) continue;
    for (const std::string& peer : peers) {
      const Run* a = waited(*old, peer);
      const Run* b = waited(one, peer);
      if (a == nullptr || b == nullptr || a->clock != b->clock) continue;
      ratios.push_back(b->median_ns / a->median_ns);
    }
  }
  out.peers_ratio = geometric_mean(ratios);
  out.peers_count = ratios.size();
}

}  // namespace

const char* to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::slower:
      return "slower";
    case Verdict::faster:
      return "faster";
    case Verdict::same:
      return "same";
    case Verdict::untested:
      return "too few samples";
    case Verdict::broken:
      return "broken";
    case Verdict::repaired:
      return "repaired";
    case Verdict::missing:
      return "missing";
    case Verdict::added:
      return "added";
  }
  return "";
}

bool same_device(const Measurement& a, const Measurement& b) {
  return a.name == b.name && a.driver_name == b.driver_name && a.driver_info == b.driver_info;
}

Comparison compare(const Measurement& before, const Measurement& after, double threshold) {
  Comparison out;
  out.threshold = threshold;
  for (const Case& one : before.cases) {
    if (const Case* now = find_case(after, one.suite, one.line)) {
      compare_case(one, *now, out);
    } else {
      out.changes.push_back(without_times(one, Verdict::missing, "not in the new file"));
    }
  }
  for (const Case& one : after.cases) {
    if (find_case(before, one.suite, one.line) == nullptr) {
      out.changes.push_back(without_times(one, Verdict::added, "not in the old file"));
    }
  }
  compare_peers(before, after, out);
  return out;
}

bool has_regression(const Comparison& comparison) {
  return count_of(comparison, Verdict::slower) + count_of(comparison, Verdict::broken) > 0;
}

std::size_t count_of(const Comparison& comparison, Verdict verdict) {
  return static_cast<std::size_t>(
      std::ranges::count(comparison.changes, verdict, &Change::verdict));
}

}  // namespace weft::report
