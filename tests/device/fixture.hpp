// What device tests share: devices opened once with the validation layer, repeated runs, and the
// command line's choice of one case or one kernel row.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "reference/calls.hpp"
#include "weft/weft.hpp"

namespace weft::test {

// What --case and --kernel ask for; empty: everything. --seed and --part of random lines.
struct Selection {
  std::string case_line;
  std::string kernel;
  std::optional<int64_t> seed;
  std::pair<int, int> part{0, 1};  // this one of so many
  bool all_rows = false;           // every line on every row that can run it
};
Selection& selection();

// Whether kernel row number `row` of `rows` runs line number `line`: with --all-rows, or by name, always;
// else rows take turns, and the last one, which needs nothing, runs every line.
bool has_turn(size_t line, size_t row, size_t rows);

// The cases of a file of tests/cases, or the one that --case gives. A file that can't be read fails
// the test.
std::vector<cases::Case> cases_of(const std::string& file);

// The value, or a failure of the running test.
template <class T>
T must(Result<T> result) {
  if (!result) FAIL(to_string(result.error().code) << ": " << result.error().message);
  return std::move(*result);
}
inline void must(Result<void> result) {
  if (!result) FAIL(to_string(result.error().code) << ": " << result.error().message);
}

struct DeviceKind {
  std::string kernel;  // forced row
  bool without_16bit = false;
  bool without_direct_access = false;
  bool operator==(const DeviceKind&) const = default;
};

// Opened on first use, kept until all are closed. A device that can't be opened fails the test.
const Device& device(const DeviceKind& kind = {});
void close_devices();
// Messages of the validation layer on all of these devices, printed as they came.
uint64_t validation_messages();

// Outputs of two runs of a program, each started with poisoned outputs, or the first output with
// the bytes that it holds at first.
struct TwoRuns {
  std::vector<std::vector<std::byte>> first;  // as the outputs given
  bool same = false;                          // the second run gave the same bits
};
Result<TwoRuns> run_twice(const Device& device, Recorder& recorder,
                          const std::vector<Tensor>& outputs,
                          const std::vector<std::byte>& first_holds = {});

}  // namespace weft::test
