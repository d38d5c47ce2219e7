// Ceilings, shares, peers, and what counts as a change.
#include "measures.hpp"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>

#include "regression.hpp"

namespace weft::report {
namespace {

using Catch::Approx;

Run run(const char* who, const char* clock, double median_ns) {
  return {.who = who, .kernel = "row", .clock = clock, .median_ns = median_ns};
}

// A device of 1 TFLOP/s in fp32, 2 in fp16, 4 in matrices, that copies 100 GB/s.
Measurement device() {
  Measurement out;
  out.name = "Example";
  out.ceilings = {{"fma_f32", 1e12, ""},
                  {"fma_f16", 2e12, ""},
                  {"matrix_f16_f32", 4e12, ""},
                  {"copy", 1e11, ""},
                  {"read", 2e11, ""}};
  return out;
}

Case one_case(const char* line, double flops, double bytes, std::vector<Run> runs) {
  return {.suite = "s", .line = line, .flops = flops, .bytes = bytes, .runs = std::move(runs)};
}

Run sampled(const char* who, double first, double step, int count = 8) {
  Run out = run(who, "wall", first + step * (count - 1) / 2);
  for (int i = 0; i < count; ++i) out.samples_ns.push_back(first + step * i);
  return out;
}

// The verdict on a case that took these times before and after.
Change change_of(const Run& before, const Run& after) {
  Measurement a, b;
  a.cases = {one_case("x", 1, 1, {before})};
  b.cases = {one_case("x", 1, 1, {after})};
  return compare(a, b, kDefaultThreshold).changes.at(0);
}

}  // namespace

TEST_CASE("the storage type of a line") {
  CHECK(element_of("b2 h8 q4096 k77 d40 f16") == "f16");
  CHECK(element_of("linear m1 k2 n3 f32 weight=f16") == "f32");
  CHECK(element_of("b1 h8 q64 k400 d128 bf16 lse") == "bf16");
  CHECK(element_of("blocks") == "f32");
  CHECK(element_of("") == "f32");
}

TEST_CASE("each storage type has its roof") {
  Measurement one = device();
  CHECK(roof_of(one, "f32").arithmetic->id == "fma_f32");
  CHECK(roof_of(one, "f16").arithmetic->id == "matrix_f16_f32");
  CHECK(roof_of(one, "bf16").arithmetic->id == "matrix_f16_f32");
  CHECK(roof_of(one, "f16").memory->id == "copy");
  one.ceilings[2].value = 1;  // matrix units slower than plain arithmetic, as on a CPU driver
  CHECK(roof_of(one, "f16").arithmetic->id == "fma_f16");
  CHECK(roof_of(one, "bf16").arithmetic->id == "fma_f32");
  CHECK(roof_of(Measurement(), "f32").arithmetic == nullptr);
}

TEST_CASE("share of the ceiling") {
  const Measurement one = device();
  // 1e9 FLOP need 1 ms; 1e7 bytes need 0.1 ms.
  const auto arithmetic = share_of(one, one_case("f32", 1e9, 1e7, {run("weft", "wall", 2e6)}));
  REQUIRE(arithmetic);
  CHECK(arithmetic->value == Approx(0.5));
  CHECK_FALSE(arithmetic->memory_bound);
  const auto memory = share_of(one, one_case("f32", 1e6, 1e7, {run("weft", "wall", 4e5)}));
  REQUIRE(memory);
  CHECK(memory->value == Approx(0.25));
  CHECK(memory->memory_bound);
  // The device's own clock is preferred.
  const Case both = one_case("f32", 1e9, 1, {run("weft", "wall", 4e6), run("weft", "device", 2e6)});
  CHECK(share_of(one, both)->value == Approx(0.5));
  CHECK_FALSE(share_of(one, one_case("f32", 1e9, 1e7, {})));
  CHECK_FALSE(share_of(one, one_case("f32", 0, 1e7, {run("weft", "wall", 1)})));
  CHECK_FALSE(share_of(Measurement(), both));
}

TEST_CASE("compiling is what a first call takes more than a later one") {
  const auto first =
      first_call(one_case("x", 1, 1,
                          {run("weft", "wall", 10), run("weft", "host_record", 2),
                           run("weft", "first_record", 300), run("weft", "first_wall", 700)}));
  REQUIRE(first);
  CHECK(first->ns == 1000);
  CHECK(first->compiling_ns == 988);
  const Case noise = one_case(
      "x", 1, 1,
      {run("weft", "wall", 10), run("weft", "first_record", 1), run("weft", "first_wall", 8)});
  CHECK(first_call(noise)->compiling_ns == 0);
  CHECK_FALSE(first_call(one_case("x", 1, 1, {run("weft", "first_wall", 8)})));
}

TEST_CASE("peers are compared by one clock only") {
  const Case one =
      one_case("f32", 1, 1,
               {run("weft", "wall", 10), run("weft", "device", 5), run("a", "wall", 30),
                run("b", "device", 20), run("c", "host_record", 1)});
  CHECK(times_as_fast(one, "a") == 3);
  CHECK(times_as_fast(one, "b") == 4);
  CHECK_FALSE(times_as_fast(one, "c"));
  CHECK_FALSE(times_as_fast(one, "d"));
}

TEST_CASE("suites, lines and peers keep their order and stand once") {
  Measurement a, b;
  a.cases = {one_case("x", 1, 1, {run("weft", "wall", 1), run("p", "wall", 1)}),
             one_case("y", 1, 1, {run("q", "wall", 1)})};
  b.cases = {one_case("z", 1, 1, {run("p", "wall", 1)}), one_case("x", 1, 1, {})};
  CHECK(lines_of({a, b}, "s") == std::vector<std::string>{"x", "y", "z"});
  CHECK(peers_of({a, b}) == std::vector<std::string>{"p", "q"});
  CHECK(suites_of({a, b}) == std::vector<std::string>{"s"});
  CHECK(others_of({a, b}, "s") == std::vector<std::string>{"p", "q"});
  CHECK(others_of({a, b}, "other").empty());
}

TEST_CASE("Weft's attention alone stands beside its suite, and is no peer") {
  Measurement one;
  one.cases = {one_case(
      "x", 1, 1, {run("weft", "wall", 3), run("fused_alone", "wall", 2), run("p", "wall", 4)})};
  CHECK(others_of({one}, "s") == std::vector<std::string>{"fused_alone", "p"});
  CHECK(peers_of({one}) == std::vector<std::string>{"p"});
}

TEST_CASE("a change needs both a low p and a wide step") {
  CHECK(change_of(sampled("weft", 100, 1), sampled("weft", 120, 1)).verdict == Verdict::slower);
  CHECK(change_of(sampled("weft", 120, 1), sampled("weft", 100, 1)).verdict == Verdict::faster);
  CHECK(change_of(sampled("weft", 100, 1), sampled("weft", 100, 1)).verdict == Verdict::same);
  // Apart, but by less than 5 %.
  CHECK(change_of(sampled("weft", 1000, 1), sampled("weft", 1020, 1)).verdict == Verdict::same);
  // 10 % apart, within noise of 60 %.
  CHECK(change_of(sampled("weft", 100, 10), sampled("weft", 114, 10)).verdict == Verdict::same);
  // Twice the time, three samples.
  CHECK(change_of(sampled("weft", 100, 1, 3), sampled("weft", 200, 1, 3)).verdict ==
        Verdict::untested);
  CHECK(change_of(run("weft", "wall", 100), run("weft", "wall", 200)).verdict == Verdict::untested);
}

TEST_CASE("first calls that became slower are found") {
  Run before = sampled("weft", 100, 1), after = sampled("weft", 200, 1);
  before.clock = after.clock = "first_wall";
  CHECK(change_of(before, after).verdict == Verdict::slower);
}

TEST_CASE("what stops, starts, comes and goes") {
  Measurement a, b;
  a.cases = {one_case("stops", 1, 1, {sampled("weft", 1, 1)}), one_case("starts", 1, 1, {}),
             one_case("goes", 1, 1, {sampled("weft", 1, 1)}), one_case("never", 1, 1, {})};
  b.cases = {one_case("stops", 1, 1, {}), one_case("starts", 1, 1, {sampled("weft", 1, 1)}),
             one_case("never", 1, 1, {}), one_case("comes", 1, 1, {sampled("weft", 1, 1)})};
  b.cases[0].refused = "no row";
  const Comparison changes = compare(a, b, kDefaultThreshold);
  REQUIRE(changes.changes.size() == 4);
  CHECK(changes.changes[0].verdict == Verdict::broken);
  CHECK(changes.changes[0].note == "refused: no row");
  CHECK(changes.changes[1].verdict == Verdict::repaired);
  CHECK(changes.changes[2].verdict == Verdict::missing);
  CHECK(changes.changes[3].verdict == Verdict::added);
  CHECK(has_regression(changes));
  CHECK_FALSE(has_regression(compare(a, a, kDefaultThreshold)));
}

TEST_CASE("a result that became wrong is broken, though it still has times") {
  Measurement a, b;
  a.cases = b.cases = {one_case("x", 1, 1, {sampled("weft", 100, 1)})};
  b.cases[0].error = "worst error 0.3";
  CHECK(compare(a, b, kDefaultThreshold).changes.at(0).verdict == Verdict::broken);
}

TEST_CASE("peers show what the machine did") {
  Measurement a, b;
  a.cases = {one_case("x", 1, 1, {sampled("weft", 100, 1), run("p", "wall", 10)})};
  b.cases = {one_case("x", 1, 1, {sampled("weft", 100, 1), run("p", "wall", 12)})};
  const Comparison changes = compare(a, b, kDefaultThreshold);
  CHECK(*changes.peers_ratio == Approx(1.2));
  CHECK(changes.peers_count == 1);
}

TEST_CASE("a part of Weft that became faster says nothing of the machine") {
  Measurement a, b;
  a.cases = {one_case("x", 1, 1, {sampled("weft", 100, 1), run("fused_alone", "wall", 80)})};
  b.cases = {one_case("x", 1, 1, {sampled("weft", 100, 1), run("fused_alone", "wall", 40)})};
  const Comparison changes = compare(a, b, kDefaultThreshold);
  CHECK_FALSE(changes.peers_ratio);
  CHECK(changes.peers_count == 0);
}

}  // namespace weft::report
