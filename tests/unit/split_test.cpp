// How many parts the keys of an attention are split into.
#include <catch2/catch_test_macros.hpp>

#include "decide/split.hpp"

using namespace weft;
using decide::part_count;

namespace {

DeviceTraits with_cores(uint32_t cores, DeviceType type = DeviceType::discrete) {
  DeviceTraits traits;
  traits.type = type;
  traits.core_count = cores;
  return traits;
}

}  // namespace

TEST_CASE("keys are split only where workgroups don't fill the device") {
  CHECK(part_count(0, 100000, with_cores(100)) == 1);
  CHECK(part_count(160, 100000, with_cores(100)) == 1);  // 0.8 of two a core
  CHECK(part_count(159, 100000, with_cores(100)) > 1);
  CHECK(part_count(1000, 100000, with_cores(100)) == 1);
}

TEST_CASE("the fewest parts that fill the device nearly as well as any number") {
  CHECK(part_count(1, 100000, with_cores(50)) == 85);    // 85 of 100
  CHECK(part_count(50, 100000, with_cores(50)) == 2);    // all of 100
  CHECK(part_count(64, 100000, with_cores(50)) == 3);    // 192 of 200; 2 parts: 128 of 200
  CHECK(part_count(1, 100000, with_cores(1000)) == 109);  // of 128 at most
}

TEST_CASE("a part is never too short, and unknown cores count as 16") {
  CHECK(part_count(1, 255, with_cores(50)) == 1);
  CHECK(part_count(1, 511, with_cores(50)) == 1);
  CHECK(part_count(1, 512, with_cores(50)) == 2);
  CHECK(part_count(1, 0, with_cores(50)) == 1);
  CHECK(part_count(8, 4096, with_cores(0, DeviceType::cpu)) == 2);
  CHECK(part_count(13, 4096, with_cores(0, DeviceType::cpu)) == 1);
  CHECK(part_count(8, 4096, with_cores(0)) == part_count(8, 4096, with_cores(16)));
}
