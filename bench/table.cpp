#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>

#include "results.hpp"

namespace weft::bench {
namespace {

double ceiling(const std::vector<Ceiling>& ceilings, const std::string& id) {
  for (const Ceiling& one : ceilings)
    if (one.id == id) return one.value;
  return 0;
}

const Series* weft_series(const Entry& entry, Clock clock) {
  for (const Series& one : entry.runs)
    if (one.who == "weft" && one.clock == clock) return &one;
  return nullptr;
}

// Weft's median, 0 where there is none.
double median_ns(const Entry& entry, Clock clock) {
  const Series* series = weft_series(entry, clock);
  return series ? median(series->samples_ns) : 0.0;
}

// Of several settings of a peer, the fastest.
double best_ns(const Entry& entry, const std::string& who) {
  double best = 0;
  for (const Series& one : entry.runs) {
    if (one.who != who || one.clock != Clock::wall) continue;
    const double ns = median(one.samples_ns);
    if (best == 0 || ns < best) best = ns;
  }
  return best;
}

std::set<std::string> peers_of(const Results& results) {
  std::set<std::string> peers;
  for (const Entry& entry : results.entries)
    for (const Series& one : entry.runs)
      if (one.who != "weft") peers.insert(one.who);
  return peers;
}

// Where the time of each case of several operations goes.
void print_operations(const std::vector<Entry>& entries) {
  for (const Entry& entry : entries) {
    if (entry.operations.all.size() < 2) continue;
    std::printf("\n%s\n", entry.line.c_str());
    for (const Operation& one : entry.operations.all)
      std::printf("  %5.1f%%  %9.3f ms  %8.1f Gflop/s  %-28s %s\n", 100 * one.share, 1e-6 * one.ns,
                  one.ns > 0 ? one.flops / one.ns : 0.0, one.name.c_str(), one.kernel.c_str());
    std::printf("  %5.1f%%  between them\n", 100 * entry.operations.gap_share);
  }
}

void print_weft(const Results& results, const Entry& entry) {
  const Series* wall = weft_series(entry, Clock::wall);
  const double ns = median(wall->samples_ns);
  const double share = share_of_ceiling(results.ceilings, entry, ns);
  std::printf("%-48s %10.3f %10.3f %9.1f  %-26s ", entry.line.c_str(), 1e-6 * ns,
              1e-6 * median_ns(entry, Clock::device), 1e-3 * median_ns(entry, Clock::host_record),
              wall->detail.c_str());
  if (share > 0)
    std::printf("%7.1f%%", 100 * share);
  else
    std::printf("%8s", "-");
}

bool has_first_calls(const Results& results) {
  return std::ranges::any_of(results.entries, [](const Entry& entry) {
    return weft_series(entry, Clock::first_wall) != nullptr;
  });
}

// The first call, and what of it is gone once everything is compiled.
void print_first_call(const Entry& entry) {
  const double first = median_ns(entry, Clock::first_record) + median_ns(entry, Clock::first_wall);
  if (first <= 0) return (void)std::printf(" %9s %10s", "-", "-");
  const double warm = median_ns(entry, Clock::host_record) + median_ns(entry, Clock::wall);
  std::printf(" %9.1f %10.1f", 1e-6 * first, 1e-6 * std::max(first - warm, 0.0));
}

void print_ceilings(const std::vector<Ceiling>& ceilings) {
  for (const Ceiling& one : ceilings)
    std::printf("%-16s %10.1f G%s  %s\n", one.id.c_str(), 1e-9 * one.value, one.unit.c_str(),
                one.detail.c_str());
  if (!ceilings.empty()) std::printf("\n");
}

}  // namespace

double share_of_ceiling(const std::vector<Ceiling>& ceilings, const Entry& entry, double ns) {
  double arithmetic = ceiling(ceilings, "fma_f32");  // accumulators are always f32
  if (!entry.is_f32) arithmetic = std::max(arithmetic, ceiling(ceilings, "matrix_f16_f32"));
  const double memory = ceiling(ceilings, "copy");
  if (arithmetic <= 0 || memory <= 0 || ns <= 0) return 0;
  return 1e9 * std::max(entry.work.flops / arithmetic, entry.work.bytes / memory) / ns;
}

void print_table(const Results& results) {
  print_ceilings(results.ceilings);
  if (results.entries.empty()) return;
  const auto peers = peers_of(results);
  const bool first = has_first_calls(results);
  int width = std::printf("%-48s %10s %10s %8s  %-26s %8s", "case (medians)", "weft ms",
                          "device ms", "record us", "kernel row", "ceiling");
  if (first) width += std::printf(" %9s %10s", "first ms", "compile ms");
  for (const std::string& who : peers) std::printf(" %12s", who.c_str());
  std::printf("\n");
  std::map<std::string, std::pair<double, int>> logs;
  for (const Entry& entry : results.entries) {
    const double ns = median_ns(entry, Clock::wall);
    if (ns <= 0) {
      std::printf("%-48s %s%s\n", entry.line.c_str(), entry.refused.c_str(), entry.error.c_str());
      continue;
    }
    print_weft(results, entry);
    if (first) print_first_call(entry);
    for (const std::string& who : peers) {
      const double theirs = best_ns(entry, who);
      if (theirs <= 0) {
        std::printf(" %12s", "-");
        continue;
      }
      std::printf(" %11.2fx", theirs / ns);
      if (who == kFusedAlone) continue;  // Weft itself
      logs[who].first += std::log(theirs / ns);
      logs[who].second += 1;
    }
    std::printf("%s%s\n", entry.error.empty() ? "" : "  ", entry.error.c_str());
  }
  print_operations(results.entries);
  if (peers.empty()) return;
  std::printf("\n%-*s", width, "geometric mean (above 1: Weft is faster)");
  for (const std::string& who : peers) {
    const auto [sum, count] = logs[who];
    if (count > 0)
      std::printf(" %11.2fx", std::exp(sum / count));
    else
      std::printf(" %12s", "-");
  }
  std::printf("\n");
}

}  // namespace weft::bench
