// Attention: every case line on every kernel row that the device can run, against the fp64
// reference.
#include <map>
#include <string>

#include "decide/kernels.hpp"
#include "device/attention_run.hpp"

using namespace weft;
using namespace weft::test;

namespace {

struct Problem {
  cases::AttentionCase problem;
  std::string line;
  cases::AttentionProblem data;
  reference::AttentionResult expected;

  explicit Problem(const cases::AttentionCase& c)
      : problem(c),
        line(cases::print(c)),
        data(cases::make_problem(c)),
        expected(reference::attention(data.inputs)) {}
};

// Rows that need nothing run as they would where 16-bit storage is missing.
DeviceKind kind_of(const decide::AttentionRow& row) {
  return {.kernel = row.name, .without_16bit = row.needs == decide::kNeedNothing};
}

bool can_run(const decide::AttentionRow& row, const cases::AttentionCase& c) {
  const DeviceTraits& traits = device().traits();
  return (row.needs & ~decide::met_needs(traits)) == 0 &&
         row.local_size <= traits.max_workgroup_invocations && c.head_dim <= row.max_head_dim &&
         c.value_dim <= row.max_value_dim && c.head_dim + c.value_dim <= row.max_dim_sum;
}

void judge(const Result<std::string>& result, const std::string& row, const std::string& line) {
  const std::string command = "--kernel " + row + " --case \"" + line + "\"";
  if (!result)
    FAIL_CHECK(command << "\n  " << to_string(result.error().code) << ": "
                       << result.error().message);
  else if (!result->empty())
    FAIL_CHECK(command << "\n  " << *result);
  else
    SUCCEED(command);
}

// Runs all cases on all rows; gives how many cases each row ran.
std::map<std::string, int> run_all(const std::vector<cases::Case>& all) {
  std::map<std::string, int> ran;
  for (const cases::Case& any : all) {
    REQUIRE(std::holds_alternative<cases::AttentionCase>(any));
    const Problem p(std::get<cases::AttentionCase>(any));
    for (const decide::AttentionRow& row : decide::attention_rows()) {
      if (!selection().kernel.empty() && selection().kernel != row.name) continue;
      if (!can_run(row, p.problem)) continue;
      judge(run_attention(device(kind_of(row)), p.problem, p.data, p.expected, row.name), row.name,
            p.line);
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
void run_unforced(const char* file, const DeviceKind& kind, const char* name) {
  for (const cases::Case& any : cases_of(file)) {
    const Problem p(std::get<cases::AttentionCase>(any));
    judge(run_attention(device(kind), p.problem, p.data, p.expected, ""), name, p.line);
  }
}

}  // namespace

TEST_CASE("attention: smoke") { run_file("smoke.txt"); }
TEST_CASE("attention: edge cases") { run_file("edge.txt"); }
TEST_CASE("attention: types and layouts") { run_file("types.txt"); }
TEST_CASE("attention: masks and lengths") { run_file("masks.txt"); }
TEST_CASE("attention: shapes of models") { run_file("models.txt"); }
TEST_CASE("one case of the command line", "[.][one]") { run_all(cases_of("")); }

TEST_CASE("attention: the chosen rows") { run_unforced("smoke.txt", {}, "(chosen)"); }
TEST_CASE("attention: without 16-bit storage, through copies") {
  run_unforced("smoke.txt", {.without_16bit = true, .without_direct_access = true},
               "(chosen without 16 bit)");
}
