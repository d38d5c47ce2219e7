// Case lines drawn at random from a seed, by default today's date: each on one kernel row, the rows
// in turn. A failure prints its line, which --case runs again.
#include <chrono>
#include <cstdio>

#include "device/attention_run.hpp"
#include "device/weights_run.hpp"
#include "reference/random_case.hpp"

using namespace weft;
using namespace weft::test;

namespace {

constexpr int64_t kLines = 2000;

// The date in UTC as a number, such as 20261121.
int64_t today() {
  using namespace std::chrono;
  const year_month_day date{floor<days>(system_clock::now())};
  return int64_t{static_cast<int>(date.year())} * 10000 +
         static_cast<unsigned>(date.month()) * 100 + static_cast<unsigned>(date.day());
}

// Attention on one of the rows that can run it, all of a group on the same one; the rest with and
// without 16-bit storage in turn.
struct Runner {
  int64_t group;

  void operator()(const cases::AttentionCase& c) const {
    std::vector<const decide::AttentionRow*> rows;
    for (const decide::AttentionRow& row : decide::attention_rows())
      if (can_run(row, c) && (selection().kernel.empty() || selection().kernel == row.name))
        rows.push_back(&row);
    if (rows.empty()) return;
    const decide::AttentionRow& row = *rows[static_cast<size_t>(group) % rows.size()];
    check_attention(device(kind_of(row)), AttentionTest(c), row.name);
  }
  void operator()(const cases::WeightsCase& c) const {
    check_weights(device({.without_16bit = group % 8 >= 4}), c);
  }
  void operator()(const cases::MergeCase& c) const {
    check_merge(device({.without_16bit = group % 32 >= 16}), c);
  }
  void operator()(const auto&) const { FAIL("no random line is of this kind"); }
};

}  // namespace

TEST_CASE("random lines") {
  const int64_t seed = selection().seed.value_or(today());
  const auto [part, parts] = selection().part;
  std::printf("seed %lld, part %d/%d\n", static_cast<long long>(seed), part, parts);
  std::fflush(stdout);
  for (int64_t index = 0; index < kLines; ++index) {
    const int64_t group = index / cases::kRandomGroup;
    if (index * parts / kLines != part) continue;
    const cases::Case c = cases::random_case(seed, index);
    INFO("line " << index << " of seed " << seed);
    CHECK(must(cases::parse(cases::print(c))) == c);
    std::visit(Runner{group}, c);
  }
}

TEST_CASE("one case of the command line", "[.][one]") {
  for (const cases::Case& any : cases_of(""))
    for (const int64_t group : {0, 1, 2, 3, 4, 5, 16}) std::visit(Runner{group}, any);
}
