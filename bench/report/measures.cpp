#include "measures.hpp"

#include <algorithm>
#include <array>

#include "statistics.hpp"

namespace weft::report {
namespace {

const Ceiling* find_ceiling(const Measurement& device, std::string_view id) {
  const auto found = std::ranges::find(device.ceilings, id, &Ceiling::id);
  return found == device.ceilings.end() ? nullptr : &*found;
}

const Ceiling* higher(const Ceiling* a, const Ceiling* b) {
  if (a == nullptr || b == nullptr) return a == nullptr ? b : a;
  return b->value > a->value ? b : a;
}

template <class Item>
void add_once(std::vector<Item>& all, const Item& one) {
  if (std::ranges::find(all, one) == all.end()) all.push_back(one);
}

}  // namespace

const Run* run_of(const Case& one, std::string_view who, std::string_view clock) {
  const auto found = std::ranges::find_if(
      one.runs, [&](const Run& run) { return run.who == who && run.clock == clock; });
  return found == one.runs.end() ? nullptr : &*found;
}

const Run* waited(const Case& one, std::string_view who) {
  const Run* wall = run_of(one, who, "wall");
  return wall != nullptr ? wall : run_of(one, who, "device");
}

const Run* worked(const Case& one) {
  const Run* device = run_of(one, kWeft, "device");
  return device != nullptr ? device : run_of(one, kWeft, "wall");
}

std::string_view element_of(std::string_view line) {
  constexpr std::array<std::string_view, 3> kElements = {"f32", "f16", "bf16"};
  while (!line.empty()) {
    const std::size_t end = std::min(line.find(' '), line.size());
    const auto found = std::ranges::find(kElements, line.substr(0, end));
    if (found != kElements.end()) return *found;
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return "f32";
}

Roof roof_of(const Measurement& device, std::string_view element) {
  Roof roof;
  roof.arithmetic = find_ceiling(device, "fma_f32");
  if (element != "f32") {
    roof.arithmetic = higher(roof.arithmetic, find_ceiling(device, "matrix_f16_f32"));
  }
  if (element == "f16") roof.arithmetic = higher(roof.arithmetic, find_ceiling(device, "fma_f16"));
  roof.memory = find_ceiling(device, "copy");
  if (roof.memory == nullptr) roof.memory = find_ceiling(device, "read");
  return roof;
}

std::optional<Share> share_of(const Measurement& device, const Case& one) {
  const Run* run = worked(one);
  const Roof roof = roof_of(device, element_of(one.line));
  if (run == nullptr || roof.arithmetic == nullptr || roof.memory == nullptr) return std::nullopt;
  if (one.flops <= 0 || one.bytes <= 0) return std::nullopt;
  const double arithmetic_s = one.flops / roof.arithmetic->value;
  const double memory_s = one.bytes / roof.memory->value;
  return Share{std::max(arithmetic_s, memory_s) / (run->median_ns * 1e-9), memory_s > arithmetic_s};
}

std::optional<FirstCall> first_call(const Case& one) {
  const Run* record = run_of(one, kWeft, "first_record");
  const Run* wall = run_of(one, kWeft, "first_wall");
  if (record == nullptr || wall == nullptr) return std::nullopt;
  FirstCall first{record->median_ns + wall->median_ns, 0};
  first.compiling_ns = first.ns;
  for (const char* clock : {"host_record", "wall"}) {
    if (const Run* later = run_of(one, kWeft, clock)) first.compiling_ns -= later->median_ns;
  }
  first.compiling_ns = std::max(first.compiling_ns, 0.0);
  return first;
}

std::optional<double> flops_per_s(const Case& one) {
  const Run* run = worked(one);
  if (run == nullptr || one.flops <= 0) return std::nullopt;
  return one.flops / (run->median_ns * 1e-9);
}

std::optional<double> bytes_per_s(const Case& one) {
  const Run* run = worked(one);
  if (run == nullptr || one.bytes <= 0) return std::nullopt;
  return one.bytes / (run->median_ns * 1e-9);
}

std::optional<double> times_as_fast(const Case& one, std::string_view peer) {
  for (const char* clock : {"wall", "device"}) {
    const Run* theirs = run_of(one, peer, clock);
    const Run* ours = run_of(one, kWeft, clock);
    if (theirs != nullptr && ours != nullptr) return theirs->median_ns / ours->median_ns;
  }
  return std::nullopt;
}

std::vector<Origin> origins_of(const Measurement& device) {
  std::vector<Origin> origins{device.origin};
  for (const Case& one : device.cases) add_once(origins, one.origin);
  for (const Series& one : device.scaling) add_once(origins, one.origin);
  for (const Ceiling& one : device.ceilings) add_once(origins, one.origin);
  return origins;
}

std::vector<std::string> suites_of(const std::vector<Measurement>& devices) {
  std::vector<std::string> suites;
  for (const Measurement& device : devices) {
    for (const Case& one : device.cases) add_once(suites, one.suite);
  }
  return suites;
}

std::vector<std::string> lines_of(const std::vector<Measurement>& devices,
                                  const std::string& suite) {
  std::vector<std::string> lines;
  for (const Measurement& device : devices) {
    for (const Case& one : device.cases) {
      if (one.suite == suite) add_once(lines, one.line);
    }
  }
  return lines;
}

std::vector<std::string> others_of(const std::vector<Measurement>& devices,
                                   const std::string& suite) {
  std::vector<std::string> others;
  for (const Measurement& device : devices) {
    for (const Case& one : device.cases) {
      if (one.suite != suite) continue;
      for (const Run& run : one.runs) {
        if (run.who != kWeft) add_once(others, run.who);
      }
    }
  }
  return others;
}

bool is_peer(std::string_view who) { return who != kWeft && who != kFusedAlone; }

std::vector<std::string> peers_of(const std::vector<Measurement>& devices) {
  std::vector<std::string> peers;
  for (const std::string& suite : suites_of(devices)) {
    for (const std::string& who : others_of(devices, suite)) {
      if (is_peer(who)) add_once(peers, who);
    }
  }
  return peers;
}

const Case* find_case(const Measurement& device, const std::string& suite,
                      const std::string& line) {
  const auto found = std::ranges::find_if(
      device.cases, [&](const Case& one) { return one.suite == suite && one.line == line; });
  return found == device.cases.end() ? nullptr : &*found;
}

Mean mean_of(const Measurement& device, const std::string& suite,
             const std::function<std::optional<double>(const Case&)>& number) {
  std::vector<double> values;
  for (const Case& one : device.cases) {
    if (!suite.empty() && one.suite != suite) continue;
    if (const auto value = number(one)) values.push_back(*value);
  }
  return {geometric_mean(values), values.size()};
}

Mean mean_share(const Measurement& device, const std::string& suite) {
  return mean_of(device, suite, [&](const Case& one) -> std::optional<double> {
    const auto share = share_of(device, one);
    return share ? std::optional(share->value) : std::nullopt;
  });
}

}  // namespace weft::report
