// Scheduling without a device: levels from byte ranges, and memory shared by lifetimes.
#include <catch2/catch_test_macros.hpp>

#include "schedule/plan.hpp"
#include "weft/recorder.hpp"

using namespace weft::schedule;

namespace {

Range reads(uint32_t buffer, uint64_t begin = 0, uint64_t end = 64) { return {buffer, begin, end, false}; }
Range writes(uint32_t buffer, uint64_t begin = 0, uint64_t end = 64) { return {buffer, begin, end, true}; }

std::vector<uint32_t> levels_of(std::vector<Node> nodes) { return levels(nodes); }

}  // namespace

TEST_CASE("a chain of writes and reads takes one level each") {
  CHECK(levels_of({{{writes(0)}}, {{reads(0), writes(1)}}, {{reads(1), writes(2)}}}) ==
        std::vector<uint32_t>{0, 1, 2});
}

TEST_CASE("independent operations share a level wherever they stand") {
  // Two chains, one after the other: two levels, not four.
  CHECK(levels_of({{{writes(0)}}, {{reads(0), writes(1)}}, {{writes(2)}}, {{reads(2), writes(3)}}}) ==
        std::vector<uint32_t>{0, 1, 0, 1});
}

TEST_CASE("readers of one buffer don't wait for each other, a later writer waits for all") {
  CHECK(levels_of({{{writes(0)}}, {{reads(0), writes(1)}}, {{reads(0), writes(2)}}, {{writes(0)}}}) ==
        std::vector<uint32_t>{0, 1, 1, 2});
}

TEST_CASE("ranges of one buffer that don't touch don't conflict") {
  CHECK(levels_of({{{writes(0, 0, 64)}}, {{writes(0, 64, 128)}}, {{reads(0, 60, 70)}}}) ==
        std::vector<uint32_t>{0, 0, 1});
}

TEST_CASE("a write after a write waits, also when it covers more") {
  CHECK(levels_of({{{writes(0, 0, 32)}}, {{writes(0, 0, 64)}}, {{reads(0, 40, 48)}}}) ==
        std::vector<uint32_t>{0, 1, 2});
}

TEST_CASE("a write that covers an earlier read still leaves what lies outside it") {
  CHECK(levels_of({{{reads(0, 0, 128)}}, {{writes(0, 0, 64)}}, {{writes(0, 64, 128)}}}) ==
        std::vector<uint32_t>{0, 1, 1});
}

TEST_CASE("empty ranges conflict with nothing") {
  CHECK(levels_of({{{writes(0, 8, 8)}}, {{reads(0)}}}) == std::vector<uint32_t>{0, 0});
}

TEST_CASE("lifetimes without a common level share memory") {
  const std::vector<Lifetime> lives{{1000, 0, 1}, {1000, 2, 3}, {500, 1, 2}};
  const Placement placement = place(lives, 256);
  CHECK(placement.offsets_bytes[0] == placement.offsets_bytes[1]);
  CHECK(placement.offsets_bytes[2] == 1024);
  CHECK(placement.total_bytes == 1524);
}

TEST_CASE("a gap between two longer lives is used") {
  const std::vector<Lifetime> lives{{1024, 0, 9}, {512, 0, 2}, {768, 1, 9}, {256, 4, 6}};
  const Placement placement = place(lives, 256);
  // By size: 0 at 0, 2 at 1024, 1 behind it, and 3 where 1 was.
  CHECK(placement.offsets_bytes == std::vector<uint64_t>{0, 1792, 1024, 1792});
  CHECK(placement.total_bytes == 2304);
}

TEST_CASE("no two lives that overlap in time overlap in memory") {
  std::vector<Lifetime> lives;
  uint32_t state = 12345;
  auto next = [&](uint32_t below) { return (state = state * 1664525u + 1013904223u) / 65536u % below; };
  for (int i = 0; i < 200; ++i) {
    const uint32_t first = next(50);
    lives.push_back({1 + next(5000), first, first + next(10)});
  }
  const Placement placement = place(lives, 256);
  uint64_t summed = 0;
  for (size_t a = 0; a < lives.size(); ++a) {
    summed += lives[a].bytes;
    CHECK(placement.offsets_bytes[a] % 256 == 0);
    for (size_t b = 0; b < a; ++b) {
      const bool together = lives[a].first_level <= lives[b].last_level && lives[b].first_level <= lives[a].last_level;
      const bool apart = placement.offsets_bytes[a] + lives[a].bytes <= placement.offsets_bytes[b] ||
                         placement.offsets_bytes[b] + lives[b].bytes <= placement.offsets_bytes[a];
      if (together) REQUIRE(apart);
    }
  }
  CHECK(placement.total_bytes < summed / 2);
}

TEST_CASE("a trace is JSON with escaped names") {
  std::vector<weft::OperationTime> times{{"linear \"q\"\n", "linear_cpu", 1000, 3500, 12, 34}};
  const std::string json = weft::chrome_trace(times, "a\\b");
  CHECK(json.find("\"name\":\"linear \\\"q\\\"\\u000a\"") != std::string::npos);
  CHECK(json.find("\"ts\":1.000,\"dur\":2.500") != std::string::npos);
  CHECK(json.find("a\\\\b") != std::string::npos);
}
