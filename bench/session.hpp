// Measures cases: in each, rounds in which Weft and every peer run once.
#pragma once

#include <string>
#include <vector>

#include "contender.hpp"
#include "operations.hpp"
#include "weft/weft.hpp"

namespace weft::bench {

struct SuiteLine {
  std::string suite;
  Problem problem;
};

// What came of a case.
struct Entry {
  std::string suite, line, kind;
  Work work;
  bool is_f32 = true;
  std::vector<Series> runs;  // Weft's clocks first
  Operations operations;     // Weft's, where the device has timestamps
  uint64_t transient_bytes = 0;
  std::string refused;  // why Weft can't run it here, "" if it can
  std::string error;    // what went wrong, Weft's or a peer's
};

struct SessionOptions {
  double min_seconds = 1.0;  // of rounds for each case, at least three rounds
  int64_t rounds = 0;        // exactly so many in place of that
  bool check = true;         // compare Weft's results with the fp64 reference before timing
  bool first = false;        // in each round a first call, too, on a device opened for it
  std::string device;        // that device's name, as for Device::open
  std::vector<std::string> benchmark_arguments;  // Google Benchmark's: --benchmark_filter=<regex>
};

// Results of the lines, in order; those that --benchmark_filter leaves out are missing. Progress
// goes to the error stream. Errors: invalid_argument: an argument that Google Benchmark doesn't
// know.
Result<std::vector<Entry>> run_session(const Device& device, const std::vector<SuiteLine>& lines,
                                       const std::vector<Peer>& peers,
                                       const SessionOptions& options);

// Lines of suites/NAME.txt. Errors: invalid_argument, with the names there are.
Result<std::vector<SuiteLine>> read_suite(const std::string& folder, const std::string& name);
std::vector<std::string> suite_names(const std::string& folder);
// The first comment of a suite's file.
std::string suite_about(const std::string& folder, const std::string& name);

}  // namespace weft::bench
