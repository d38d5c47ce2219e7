// The usual console table, and after it how Weft compares with its peers.
#pragma once

#include <benchmark/benchmark.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace weft::bench {

// Names are "<who>/<case line>"; everyone but "weft" is a peer.
class Summary : public benchmark::ConsoleReporter {
 public:
  // The table keeps the order of these case lines.
  explicit Summary(std::vector<std::string> lines)
      : ConsoleReporter(OO_Tabular), lines_(std::move(lines)) {}

  void ReportRuns(const std::vector<Run>& runs) override;
  // A row for each case: median times, and how many times as fast as each peer Weft is.
  void print() const;
  bool any_error() const { return any_error_; }

 private:
  struct Times {
    std::vector<double> milliseconds;  // one a repetition
    std::string label;
  };
  std::map<std::string, std::map<std::string, Times>> cases_;  // case line, then who
  std::vector<std::string> lines_;
  bool any_error_ = false;
};

}  // namespace weft::bench
