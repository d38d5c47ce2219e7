// Whoever computes a case, and what a round of a measurement takes from them.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "measured.hpp"
#include "weft/error.hpp"

namespace weft::bench {

enum class Clock : int32_t {
  wall,         // submitted to done, seen by the host
  device,       // the device's timestamps, first operation's begin to last operation's end
  host_record,  // a fresh recorder to a finished program
  host_replay,  // the call that submits a recorded program, without waiting
  // On a device opened for it, without caches, so that everything compiles:
  first_record,  // a fresh recorder to a finished program, pipelines included
  first_wall,    // the first run of that program, submitted to done
};
const char* to_string(Clock clock) noexcept;

// One run under every clock it was seen by, in nanoseconds.
using Times = std::vector<std::pair<Clock, double>>;

// Weft's attention without the weights that a case adds to it; no peer.
constexpr const char* kFusedAlone = "fused_alone";

struct Contender {
  std::string who;  // as in the JSON: weft, openblas, pytorch, ggml_cpu, ggml_vulkan, ncnn_vulkan
  std::string detail;  // weft: the kernel row; a peer: how it was set
  std::function<Result<Times>()> run;
  // Its threads spin that long after a run: the next contender waits for them.
  std::chrono::milliseconds settle{2};
};

struct Series {
  std::string who, detail;
  Clock clock = Clock::wall;
  std::vector<double> samples_ns;
};

double median(std::vector<double> values);

// A contender under the wall clock alone.
Contender timed(std::string who, std::string detail, std::function<Result<void>()> run);

// What a peer offers for a case: prepared, run once, and found right.
struct Offer {
  std::vector<Contender> contenders;
  std::string problem;  // what went wrong, "" if nothing
};

struct Peer {
  std::string who;
  std::string version;
  // No contender and no problem: not a case that the peer computes.
  std::function<Offer(Measured&)> offer;
};

}  // namespace weft::bench
