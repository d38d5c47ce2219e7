// Runs attention cases on a device and judges them.
#pragma once

#include <string>

#include "device/compare.hpp"
#include "device/fixture.hpp"

namespace weft::test {

// Runs a case twice by the row that the device forces, or chooses. "" if all is well, else what is
// wrong. An Error is the library's own.
Result<std::string> run_attention(const Device& device, const cases::AttentionCase& problem,
                                  const cases::AttentionProblem& data,
                                  const reference::AttentionResult& expected,
                                  const std::string& row);

}  // namespace weft::test
