// What the page says about a case: which clock counts, how near the ceiling, how fast beside peers.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model.hpp"

namespace weft::report {

constexpr std::string_view kWeft = "weft";
// Weft's own attention without the weights that a case adds to it: a mark in its suite, no peer.
constexpr std::string_view kFusedAlone = "fused_alone";

// nullptr where there is none. Of several kernel rows the first counts: the one that was chosen.
const Run* run_of(const Case& one, std::string_view who, std::string_view clock);
// What a caller waits for: submit to done, or else the device's clock.
const Run* waited(const Case& one, std::string_view who);
// What the device works: its own clock, or else submit to done.
const Run* worked(const Case& one);

// f32, f16 or bf16: the storage type that a case line names; f32 where it names none.
std::string_view element_of(std::string_view line);

// The roof over one storage type: f32 may use fma_f32; f16 and bf16 whichever is fastest of
// fma_f32, matrix_f16_f32 and (f16) fma_f16. Memory: copy, or else read. nullptr: not measured.
struct Roof {
  const Ceiling* arithmetic = nullptr;
  const Ceiling* memory = nullptr;
};
Roof roof_of(const Measurement& device, std::string_view element);

// The time the roof allows, over the time it took: 1 is the ceiling. Caches can lift it above 1.
struct Share {
  double value = 0;
  bool memory_bound = false;  // memory takes longer than arithmetic at the ceilings
};
std::optional<Share> share_of(const Measurement& device, const Case& one);

// Weft's first call on a device that was opened for it, without caches: from recording to the
// result. Compiling is what of it is gone in later calls.
struct FirstCall {
  double ns = 0;
  double compiling_ns = 0;
};
std::optional<FirstCall> first_call(const Case& one);

std::optional<double> flops_per_s(const Case& one);
std::optional<double> bytes_per_s(const Case& one);

// The peer's time over Weft's, both by one clock: submit to done, or else the device's.
std::optional<double> times_as_fast(const Case& one, std::string_view peer);

// The runs that a file holds numbers of; the last one first, then in the order of the file.
std::vector<Origin> origins_of(const Measurement& device);

// In the order of their first appearance.
std::vector<std::string> suites_of(const std::vector<Measurement>& devices);
std::vector<std::string> lines_of(const std::vector<Measurement>& devices,
                                  const std::string& suite);
// Whoever has times beside Weft's: the peers, and parts of Weft.
std::vector<std::string> others_of(const std::vector<Measurement>& devices,
                                   const std::string& suite);
bool is_peer(std::string_view who);
std::vector<std::string> peers_of(const std::vector<Measurement>& devices);  // of all suites
const Case* find_case(const Measurement& device, const std::string& suite, const std::string& line);

// Geometric means over the cases that have the number; `count` says how many. An empty suite: all.
struct Mean {
  std::optional<double> value;
  std::size_t count = 0;
};
Mean mean_of(const Measurement& device, const std::string& suite,
             const std::function<std::optional<double>(const Case&)>& number);
Mean mean_share(const Measurement& device, const std::string& suite);

}  // namespace weft::report
