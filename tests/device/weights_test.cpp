// Attention weights at every stage: every weights line of ops.txt and weights.txt, with and without
// 16-bit storage, against the reference. Weights that a forward call writes: every attention line of
// weights.txt, on all kernel rows that write them themselves and on one of the others in turn.
#include <algorithm>
#include <vector>

#include "attention/plan.hpp"
#include "device/attention_run.hpp"
#include "device/weights_run.hpp"

using namespace weft;
using namespace weft::test;

TEST_CASE("attention weights: every line of ops.txt") { check_lines("ops.txt", check_weights); }
TEST_CASE("attention weights: every line of weights.txt") { check_lines("weights.txt", check_weights); }

namespace {

// The rows that line number `line` runs on.
std::vector<const decide::AttentionRow*> rows_for(const cases::AttentionCase& c, size_t line) {
  std::vector<const decide::AttentionRow*> themselves, others;
  for (const decide::AttentionRow& row : decide::attention_rows())
    if (can_run(row, c) && (selection().kernel.empty() || selection().kernel == row.name))
      (attention_detail::writes_weights(row) ? themselves : others).push_back(&row);
  if (others.empty()) return themselves;
  const auto end = selection().all_rows ? others.end() : others.begin() + 1;
  std::ranges::rotate(others, others.begin() + static_cast<std::ptrdiff_t>(line % others.size()));
  themselves.insert(themselves.end(), others.begin(), end);
  return themselves;
}

}  // namespace

TEST_CASE("attention weights: by the same call") {
  int ran = 0;
  size_t line = 0;
  for (const cases::Case& any : cases_of("weights.txt")) {
    const auto* c = std::get_if<cases::AttentionCase>(&any);
    if (!c) continue;
    REQUIRE(c->weights);
    const AttentionTest test(*c);
    for (const decide::AttentionRow* row : rows_for(*c, line++)) {
      check_attention(device(kind_of(*row)), test, row->name);
      ++ran;
    }
  }
  CHECK(ran > 0);
}

TEST_CASE("attention weights: rows that write them take one operation, the others follow up") {
  const auto c = std::get<cases::AttentionCase>(must(cases::parse("b1 h2 q70 k77 d16 f16 with_weights")));
  const cases::AttentionProblem data = cases::make_problem(c);
  for (const decide::AttentionRow& row : decide::attention_rows()) {
    if (row.path != decide::Path::lane && row.path != decide::Path::short_keys) continue;
    if (row.unpack || !can_run(row, c)) continue;
    INFO(row.name);
    const Device& forced = device(kind_of(row));
    const AttentionCall call = must(cases::make_call(forced, c, data));
    Recorder recorder(forced);
    must(attention(recorder, call));
    const uint64_t operations = must(recorder.finish()).stats().operations;
    CHECK(operations == (row.path == decide::Path::short_keys ? 1u : 2u));
  }
}

TEST_CASE("one case of the command line", "[.][one]") { check_lines("", check_weights); }
