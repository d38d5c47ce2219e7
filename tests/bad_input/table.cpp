#include "bad_input/table.hpp"

#include <catch2/catch_test_macros.hpp>

namespace weft::test {
namespace {

// "operation: rule and value found", whatever the row itself asks for.
bool has_operation_and_rule(const std::string& message) {
  const size_t colon = message.find(": ");
  return colon != std::string::npos && colon > 0 && colon + 2 < message.size();
}

}  // namespace

size_t check_rows(const std::string& table, const Rows& rows, const WorkCounter& work) {
  for (const Row& row : rows) {
    INFO(table << ": " << row.name);
    const uint64_t before = work ? work() : 0;
    const Result<void> result = row.call();
    CHECK((work ? work() : 0) == before);
    if (result) {
      FAIL_CHECK("the call was accepted");
      continue;
    }
    const std::string& message = result.error().message;
    INFO(message);
    CHECK(std::string(to_string(result.error().code)) == to_string(row.code));
    CHECK(has_operation_and_rule(message));
    CHECK(message.starts_with(row.says.at(0)));
    for (const std::string& part : row.says) {
      INFO("must say: " << part);
      CHECK(message.find(part) != std::string::npos);
    }
  }
  return rows.size();
}

}  // namespace weft::test
