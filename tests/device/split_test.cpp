// Attention whose keys are split into parts: rows that share keys, parts without keys, and what the
// parts cost in memory. Every row of the split path that the device can run.
#include "decide/split.hpp"
#include "device/attention_run.hpp"
#include "vulkan/device_state.hpp"

using namespace weft;
using namespace weft::test;

namespace {

cases::AttentionCase attention_case(const char* line) {
  return std::get<cases::AttentionCase>(must(cases::parse(line)));
}

bool is_split(decide::Path path) { return path == decide::Path::split; }

// Calls `check` with each row of such paths that can run the case.
template <class Check>
void on_rows(bool (*wanted)(decide::Path), const cases::AttentionCase& problem, const Check& check) {
  size_t ran = 0;
  for (const decide::AttentionRow& row : decide::attention_rows()) {
    if (!wanted(row.path) || !can_run(row, problem)) continue;
    INFO(row.name);
    check(row);
    ++ran;
  }
  CHECK(ran > 0);
}
template <class Check>
void on_split_rows(const cases::AttentionCase& problem, const Check& check) {
  on_rows(is_split, problem, check);
}

void check_lines(std::initializer_list<const char*> lines, bool (*wanted)(decide::Path) = is_split) {
  for (const char* line : lines) {
    const AttentionTest test(attention_case(line));
    on_rows(wanted, test.problem, [&](const decide::AttentionRow& row) {
      check_attention(device(kind_of(row)), test, row.name);
    });
  }
}

// The statistics of the one call of a case, recorded by a row.
ProgramStats stats_of(const decide::AttentionRow& row, const char* line) {
  const Device& on = device(kind_of(row));
  const cases::AttentionCase problem = attention_case(line);
  const AttentionCall call = must(cases::make_call(on, problem, cases::make_problem(problem)));
  Recorder recorder(on);
  must(attention(recorder, call));
  return must(recorder.finish()).stats();
}

}  // namespace

TEST_CASE("split: heads of a group share their keys") {
  check_lines({
      "b1 h8 kv2 q1 k600 d64 f32 lse",
      "b2 h6 kv1 q3 k520 d40 f16 out=f32 mask=drop bias=f32 lse",
      "b1 h4 kv2 q5 k530 d24 dv16 f32 causal offset=500 window=300,2 sinks null=3 lse",
  });
}

TEST_CASE("split: items that share keys and values are folded too") {
  check_lines({
      "b4 h2 q1 k700 d32 f32 bcast_kv lse",
      "b3 h4 kv2 q2 k513 d20 bf16 out=f32 bcast_kv lse",
      "b3 h2 q2 k520 d16 f32 bcast_kv lengths=random lse",
  });
}

TEST_CASE("split: parts without keys change nothing") {
  check_lines({
      "b3 h1 q2 k2100 d16 f32 lengths=random sinks lse poison",
      "b2 h1 q3 k1030 d16 f32 window=4,4 offset=900 null=2 lse",
      "b2 h2 q3 k1030 d16 f32 masked=rows mask=keep lse poison",
  });
}

TEST_CASE("split: parts take memory for rows, not for keys, and one barrier") {
  constexpr const char* kLine = "b1 h2 q3 k2100 d16 f32";
  on_split_rows(attention_case(kLine), [&](const decide::AttentionRow& row) {
    const ProgramStats stats = stats_of(row, kLine);
    const uint32_t blocks = (3 + row.block_q - 1) / row.block_q;  // more rows than are taken alone
    const uint32_t parts = decide::part_count(2 * blocks, 2100, device(kind_of(row)).traits());
    REQUIRE(parts > 1);
    CHECK(stats.operations == 2);
    CHECK(stats.barriers == 1);
    CHECK(stats.transient_bytes == uint64_t{parts} * 6 * (16 + 2) * 4);
    const ProgramStats longer = stats_of(row, "b1 h2 q3 k4200 d16 f32");
    CHECK(longer.transient_bytes <= uint64_t{decide::kMostParts} * 6 * (16 + 2) * 4);
  });
}

TEST_CASE("split: where workgroups suffice there is one operation and no memory") {
  constexpr const char* kLine = "b70 h5 q1 k300 d4 f32";
  on_split_rows(attention_case(kLine), [&](const decide::AttentionRow& row) {
    const ProgramStats stats = stats_of(row, kLine);
    CHECK(stats.operations == 1);
    CHECK(stats.transient_bytes == 0);
  });
}

TEST_CASE("tile and matrix rows split keys where query rows are few") {
  check_lines(
      {
          "b1 h1 q20 k600 d24 f16 out=f16",
          "b2 h2 q35 k530 d20 dv12 f16 mask=drop bias=f32 sinks null=3 lse poison",
          "b2 h1 q17 k1030 d16 f16 lengths=random causal offset=900 window=300,2 lse",
          "b3 h4 kv2 q18 k520 d40 f16 layout=odd softcap=20 regions=blocks lse",
          "b1 h1 q33 k513 d96 f16 with_weights lse",
      },
      decide::takes_parts);
}

TEST_CASE("tile and matrix rows: parts take memory for rows and one barrier; packed rows are not split") {
  constexpr const char* kLine = "b1 h2 q20 k2100 d16 f16";
  on_rows(decide::takes_parts, attention_case(kLine), [&](const decide::AttentionRow& row) {
    const ProgramStats stats = stats_of(row, kLine);
    const uint32_t blocks = (20 + decide::block_q(row) - 1) / decide::block_q(row);
    const uint32_t parts = decide::part_count(2 * blocks, 2100, device(kind_of(row)).traits());
    REQUIRE(parts > 1);
    CHECK(stats.operations == 2);
    CHECK(stats.barriers == 1);
    CHECK(stats.transient_bytes == uint64_t{parts} * 40 * (16 + 1) * 4);
    CHECK(stats_of(row, "b1 h2 q20 k2100 d16 f16 packed=q").operations == 1);
  });
}

TEST_CASE("split: planning compiles nothing that no call runs, and calls alike share pipelines") {
  const cases::AttentionCase problem = attention_case("b1 h8 kv2 q1 k600 d16 f32");
  on_split_rows(problem, [&](const decide::AttentionRow& row) {
    DeviceOptions options;
    options.kernel = row.name;
    const Device on = must(Device::open(options));
    const auto pipelines = [&] { return on.state()->pipelines.size(); };
    const AttentionCall call = must(cases::make_call(on, problem, cases::make_problem(problem)));
    const Attention plan = must(Attention::plan(on, must(describe(call))));
    CHECK(pipelines() == 0);
    for (int times = 0; times < 2; ++times) {
      Recorder recorder(on);
      must(plan.record(recorder, call));
      const size_t operations = must(recorder.finish()).stats().operations;
      CHECK(pipelines() == operations);
    }
  });
}
