// One case to measure: its data, the right answer, and how much work it is.
#pragma once

#include <string>
#include <vector>

#include "reference/array.hpp"
#include "reference/case_line.hpp"
#include "reference/problem.hpp"

namespace weft::bench {

struct Work {
  double flops = 0.0;  // a multiplication and an addition count as two
  double bytes = 0.0;  // every tensor once
};

// Drawn and solved when first asked for; fp64 answers of long cases take a second.
class Measured {
 public:
  explicit Measured(cases::Case problem)
      : problem_(std::move(problem)), line_(cases::print(problem_)) {}

  const cases::Case& problem() const { return problem_; }
  const std::string& line() const { return line_; }
  Work work() const;

  const cases::AttentionProblem& attention();
  const cases::LinearProblem& linear();
  const cases::NormProblem& norm();

  // "" if an output is right to 3 digits: enough to know that the right thing was measured.
  std::string check(const reference::Array& output);

 private:
  const reference::Array& expected();

  cases::Case problem_;
  std::string line_;
  bool drawn_ = false;
  cases::AttentionProblem attention_;
  cases::LinearProblem linear_;
  cases::NormProblem norm_;
  reference::Array expected_;

  void draw();
};

}  // namespace weft::bench
