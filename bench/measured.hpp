// One case to measure: its data, the right answer, and how much work it is.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "problem.hpp"
#include "reference/array.hpp"
#include "reference/problem.hpp"

namespace weft::bench {

struct Work {
  double flops = 0.0;  // a multiplication and an addition count as two; of an attention, for keys that take part
  double bytes = 0.0;  // every tensor once
};

// Query, key and value alone, of whatever types and layout: the cases that peers can compute.
bool is_plain(const cases::AttentionCase& c);
float scale_of(const cases::AttentionCase& c);
std::vector<float> to_floats(const reference::Array& array);
reference::Array to_array(const std::vector<float>& values, const std::array<int64_t, 4>& shape);

// Drawn and solved when first asked for.
class Measured {
 public:
  // Blocks are drawn on the device.
  Measured(Problem problem, Device device)
      : problem_(std::move(problem)), line_(print(problem_)), device_(std::move(device)) {}

  const Problem& problem() const { return problem_; }
  const Device& device() const { return device_; }
  const std::string& line() const { return line_; }
  Work work();
  bool is_f32() const;  // every tensor; else units for 16-bit types may be used

  const cases::AttentionProblem& attention();  // of a weights line too
  const cases::LinearProblem& linear();
  const cases::NormProblem& norm();
  // Errors: the library's.
  Result<const BlockProblem*> block();

  // "" if an output is right to 3 digits: enough to know that the right thing was measured. Of
  // long plain cases some rows of every head are looked at, so that fp64 takes a second at most.
  std::string check(const reference::Array& output);

 private:
  void draw();
  Result<void> solve();

  Problem problem_;
  std::string line_;
  Device device_;
  bool drawn_ = false;
  cases::AttentionProblem attention_;
  cases::LinearProblem linear_;
  cases::NormProblem norm_;
  std::unique_ptr<BlockProblem> block_;
  reference::Array expected_;
  int64_t step_ = 1;  // expected_ holds every step_-th row
};

}  // namespace weft::bench
