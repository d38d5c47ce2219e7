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

// Query, key and value alone, of whatever types and layout: the cases that peers can compute.
bool is_plain(const cases::AttentionCase& c);
// "attention", "linear", "layer_norm", ...: the first word of a case line.
std::string kind_of(const cases::Case& problem);
float scale_of(const cases::AttentionCase& c);
std::vector<float> to_floats(const reference::Array& array);
reference::Array to_array(const std::vector<float>& values, const std::array<int64_t, 4>& shape);

// Drawn and solved when first asked for.
class Measured {
 public:
  explicit Measured(cases::Case problem)
      : problem_(std::move(problem)), line_(cases::print(problem_)) {}

  const cases::Case& problem() const { return problem_; }
  const std::string& line() const { return line_; }
  Work work() const;
  bool is_f32() const;  // every tensor; else units for 16-bit types may be used

  const cases::AttentionProblem& attention();
  const cases::LinearProblem& linear();
  const cases::NormProblem& norm();

  // "" if an output is right to 3 digits: enough to know that the right thing was measured. Of
  // long plain cases some rows of every head are looked at, so that fp64 takes a second at most.
  std::string check(const reference::Array& output);

 private:
  void draw();
  void solve();

  cases::Case problem_;
  std::string line_;
  bool drawn_ = false;
  cases::AttentionProblem attention_;
  cases::LinearProblem linear_;
  cases::NormProblem norm_;
  reference::Array expected_;
  int64_t step_ = 1;  // expected_ holds every step_-th row
};

}  // namespace weft::bench
