// Attention: every case line on every kernel row that the device can run, against the fp64
// reference.
#include <map>
#include <string>

#include "device/attention_run.hpp"

using namespace weft;
using namespace weft::test;

namespace {

// Runs all cases on all rows; gives how many cases each row ran.
std::map<std::string, int> run_all(const std::vector<cases::Case>& all) {
  std::map<std::string, int> ran;
  for (const cases::Case& any : all) {
    REQUIRE(std::holds_alternative<cases::AttentionCase>(any));
    const AttentionTest test(std::get<cases::AttentionCase>(any));
    for (const decide::AttentionRow& row : decide::attention_rows()) {
      if (!selection().kernel.empty() && selection().kernel != row.name) continue;
      if (!can_run(row, test.problem)) continue;
      check_attention(device(kind_of(row)), test, row.name);
      ++ran[row.name];
    }
  }
  return ran;
}

// A file whose every line runs on the row that needs nothing.
void run_file(const char* file) {
  const auto all = cases_of(file);
  auto ran = run_all(all);
  if (!selection().kernel.empty()) return;
  for (const decide::AttentionRow& row : decide::attention_rows())
    if (ran[row.name] == 0)
      WARN(row.name << " can't run on this device: no line of " << file << " ran on it");
  CHECK(ran[decide::attention_rows().back().name] == static_cast<int>(all.size()));
}

// The lines of a file on a device that chooses its rows itself.
void run_unforced(const char* file, const DeviceKind& kind) {
  for (const cases::Case& any : cases_of(file))
    check_attention(device(kind), AttentionTest(std::get<cases::AttentionCase>(any)), "");
}

}  // namespace

TEST_CASE("attention: smoke") { run_file("smoke.txt"); }
TEST_CASE("attention: edge cases") { run_file("edge.txt"); }
TEST_CASE("attention: types and layouts") { run_file("types.txt"); }
TEST_CASE("attention: masks and lengths") { run_file("masks.txt"); }
TEST_CASE("attention: semantics of models") { run_file("semantics.txt"); }
TEST_CASE("attention: shapes of models") { run_file("models.txt"); }
TEST_CASE("one case of the command line", "[.][one]") { run_all(cases_of("")); }

TEST_CASE("attention: the chosen rows") { run_unforced("smoke.txt", {}); }
TEST_CASE("attention: without 16-bit storage, through copies") {
  run_unforced("smoke.txt", {.without_16bit = true, .without_direct_access = true});
}
