// Runs attention cases on a device and judges them.
#pragma once

#include <functional>
#include <string>

#include "decide/kernels.hpp"
#include "device/compare.hpp"
#include "device/fixture.hpp"

namespace weft::test {

// A case, its data and what must come out.
struct AttentionTest {
  cases::AttentionCase problem;
  std::string line;
  cases::AttentionProblem data;
  reference::AttentionResult expected;
  reference::WeightsResult weights;  // of a case that asks for them

  explicit AttentionTest(const cases::AttentionCase& c);
};

// The device that a row runs on: rows that need nothing run as they would where 16-bit storage is
// missing.
DeviceKind kind_of(const decide::AttentionRow& row);
bool can_run(const decide::AttentionRow& row, const cases::AttentionCase& c);

// Runs a case twice by the row that the device forces, or chooses. "" if all is well, else what is
// wrong. An Error is the library's own.
// `judge` says what else is wrong with the bytes of output and, if the case has it, logsumexp.
using Judge = std::function<std::string(const TwoRuns&)>;
Result<std::string> run_attention(const Device& device, const AttentionTest& test,
                                  const std::string& row, const Judge& judge = {});
// The same as checks of the running test.
void check_attention(const Device& device, const AttentionTest& test, const std::string& row,
                     const Judge& judge = {});

}  // namespace weft::test
