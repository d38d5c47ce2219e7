// Wrong calls as tables. A row is one wrong thing about a call that is valid but for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "weft/error.hpp"

namespace weft::test {

struct Row {
  std::string name;                    // what is wrong
  std::vector<std::string> says;       // parts of the message; the first begins it
  std::function<Result<void>()> call;  // makes the wrong call
  Code code = Code::invalid_argument;
};
using Rows = std::vector<Row>;

// Work that reached a device so far: must be the same before and after a row.
using WorkCounter = std::function<uint64_t()>;

// Makes every call: each must fail with its code and its message. Returns how many there were.
size_t check_rows(const std::string& table, const Rows& rows, const WorkCounter& work = {});

// A result of any kind as a row gives it.
template <class T>
Result<void> outcome(const Result<T>& result) {
  if (!result) return std::unexpected(result.error());
  return {};
}

}  // namespace weft::test
