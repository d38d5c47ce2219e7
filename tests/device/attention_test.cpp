// Attention: every case line on kernel rows in turn, the smoke lines on every row, against the fp64
// reference. --all-rows: every line on every row that can run it.
#include <map>
#include <string>

#include "device/attention_run.hpp"

using namespace weft;
using namespace weft::test;

namespace {

// Runs all cases on the rows whose turn it is, or on all; gives how many cases each row ran.
std::map<std::string, int> run_all(const std::vector<cases::Case>& all, bool in_turn) {
  std::map<std::string, int> ran;
  const auto rows = decide::attention_rows();
  constexpr size_t kLinesTogether = 16;  // a CPU driver's pipelines of more take gigabytes
  for (size_t line = 0; line < all.size(); ++line) {
    if (line % kLinesTogether == 0) close_devices();
    REQUIRE(std::holds_alternative<cases::AttentionCase>(all[line]));
    const AttentionTest test(std::get<cases::AttentionCase>(all[line]));
    for (size_t number = 0; number < rows.size(); ++number) {
      const decide::AttentionRow& row = rows[number];
      if (!selection().kernel.empty() && selection().kernel != row.name) continue;
      if (in_turn && !has_turn(line, number, rows.size())) continue;
      if (!can_run(row, test.problem)) continue;
      check_attention(device(kind_of(row)), test, row.name);
      ++ran[row.name];
    }
  }
  return ran;
}

// A file whose every line runs on the row that needs nothing.
void run_file(const char* file, bool in_turn = true) {
  const auto all = cases_of(file);
  auto ran = run_all(all, in_turn);
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

TEST_CASE("attention: smoke") { run_file("smoke.txt", false); }
TEST_CASE("attention: edge cases") { run_file("edge.txt"); }
TEST_CASE("attention: types and layouts") { run_file("types.txt"); }
TEST_CASE("attention: masks and lengths") { run_file("masks.txt"); }
TEST_CASE("attention: semantics of models") { run_file("semantics.txt"); }
TEST_CASE("attention: shapes of models") { run_file("models.txt"); }
// What other drivers run by default, which has to be short.
TEST_CASE("attention: smoke in turn", "[.][turn]") { run_file("smoke.txt"); }
TEST_CASE("one case of the command line", "[.][one]") { run_all(cases_of(""), false); }

TEST_CASE("attention: the chosen rows") { run_unforced("smoke.txt", {}); }
TEST_CASE("attention: without 16-bit storage, through copies") {
  run_unforced("smoke.txt", {.without_16bit = true, .without_direct_access = true});
}
