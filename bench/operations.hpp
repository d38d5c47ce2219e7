// Which operation of a program takes how much of its time on the device.
#pragma once

#include <string>
#include <vector>

#include "weft/recorder.hpp"

namespace weft::bench {

// From the first operation's begin to the last one's end.
double span_ns(const std::vector<OperationTime>& times);

struct Operation {
  std::string name, kernel;
  double ns = 0.0;
  double share = 0.0;  // of the span
  double flops = 0.0;
};

// Of one run: shares and gap add up to 1.
struct Operations {
  std::vector<Operation> all;
  double gap_share = 0.0;  // of the span in which none of them ran
};

// Keeps every run, and gives the one whose span is the median.
class OperationLog {
 public:
  void add(std::vector<OperationTime> times) { runs_.push_back(std::move(times)); }
  // Empty where nothing was logged.
  Operations middle() const;

 private:
  std::vector<std::vector<OperationTime>> runs_;
};

}  // namespace weft::bench
