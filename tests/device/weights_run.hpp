// Runs weights and merge cases on a device and judges them.
#pragma once

#include "device/fixture.hpp"

namespace weft::test {

// Checks of the running test, which name the case.
void check_weights(const Device& device, const cases::WeightsCase& problem);
void check_merge(const Device& device, const cases::MergeCase& problem);

// Checks the lines of one kind in a file, with and without 16-bit storage. There is at least one.
template <class Case>
void check_lines(const char* file, void (*check)(const Device&, const Case&)) {
  int count = 0;
  for (const cases::Case& any : cases_of(file)) {
    const auto* c = std::get_if<Case>(&any);
    if (!c) continue;
    ++count;
    for (const bool without_16bit : {false, true}) {
      INFO((without_16bit ? "without" : "with") << " 16-bit storage");
      check(device({.without_16bit = without_16bit}), *c);
    }
  }
  CHECK(count > 0);
}

}  // namespace weft::test
