// What the files of weft_bench and of the driver gate say, read and checked.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weft::report {

// The run of weft_bench that something is from.
struct Origin {
  std::string commit, made;  // may be empty
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<std::string> arguments;
  bool operator==(const Origin&) const = default;
};

// A speed that the device itself reached in the built-in test of peaks.
struct Ceiling {
  std::string id;    // fma_f32, fma_f16, matrix_f16_f32: FLOP/s; copy, read: byte/s
  double value = 0;  // above 0
  std::string detail;
  Origin origin = {};
};

// One way to run a case, by one clock.
struct Run {
  std::string who;  // "weft", or a peer
  std::string kernel;
  std::string detail;
  std::string clock;  // wall (submit to done), device, host_record, host_replay, first_record,
                      // first_wall
  std::vector<double> samples_ns;  // may be empty
  double median_ns = 0;            // of the samples, where there are any
};

// What one operation of a case takes of the device's time.
struct Operation {
  std::string name, kernel;
  double ns = 0;
  double share = 0;
};

struct Case {
  std::string suite;
  std::string line;
  std::string kind;
  double flops = 0;  // 0: not known
  double bytes = 0;  // the least that must be moved; 0: not known
  std::vector<Run> runs;
  std::vector<Operation> operations;  // in order; may be empty
  std::optional<double> gap_share;    // of the time from first to last in which none of them ran
  std::optional<double> transient_bytes;
  std::string refused;  // why no kernel row takes it, or empty
  std::string error;    // what went wrong, or empty
  Origin origin = {};
};

struct Point {
  double x = 0;
  std::string line;
  std::optional<double> median_ns;
  std::optional<double> device_bytes;
};

struct Series {
  std::string axis;     // q_len, kv_len, heads
  std::string series;   // fused, materialised
  std::string profile;  // cross, self
  std::vector<Point> points;
  Origin origin = {};
};

// One file: one device, measured in one run or in several.
struct Measurement {
  std::string file;  // without its folder
  std::string version;
  Origin origin;  // of the last run
  std::string host_cpu, host_os;
  int host_cores = 0;  // 0: not known
  std::string name, driver_name, driver_info, type, api_version;
  std::vector<Ceiling> ceilings;
  std::vector<Case> cases;
  std::vector<Series> scaling;
};

// What a compiler said about one pipeline; which numbers there are depends on the driver.
struct Pipeline {
  std::string kernel, line;
  std::optional<double> registers, spills, occupancy, cycles, instructions, scratch_bytes;
};

struct Compiler {
  std::string driver, device, version;
  std::vector<Pipeline> pipelines;
};

}  // namespace weft::report
