// Quirk rows: what matches, and what they take out of the traits.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "decide/quirks.hpp"

using namespace weft::decide;
using weft::DeviceTraits;
using weft::DeviceType;

namespace {

DeviceTraits some_device() {
  DeviceTraits traits;
  traits.name = "Example GPU 630";
  traits.type = DeviceType::integrated;
  traits.vendor_id = 7;
  traits.driver_id = 9;
  traits.driver_version = 100;
  traits.api_version = 50;
  traits.storage_16bit = true;
  traits.timestamp_period_ns = 1.0f;
  return traits;
}

}  // namespace

TEST_CASE("a match needs all that it names") {
  const DeviceTraits traits = some_device();
  CHECK(matches({}, traits));
  CHECK(matches(
      {.vendor_id = 7, .driver_id = 9, .type = DeviceType::integrated, .name_part = "GPU 6"},
      traits));
  CHECK_FALSE(matches({.vendor_id = 8}, traits));
  CHECK_FALSE(matches({.vendor_id = 7, .driver_id = 8}, traits));
  CHECK_FALSE(matches({.type = DeviceType::other}, traits));
  CHECK_FALSE(matches({.name_part = "GPU 7"}, traits));
}

TEST_CASE("version ranges include their start and exclude their end") {
  const DeviceTraits traits = some_device();
  CHECK(matches({.driver_version_from = 100}, traits));
  CHECK_FALSE(matches({.driver_version_from = 101}, traits));
  CHECK(matches({.driver_version_below = 101}, traits));
  CHECK_FALSE(matches({.driver_version_below = 100}, traits));
  CHECK_FALSE(matches({.api_version_below = 50}, traits));
  CHECK(matches({.api_version_from = 50, .api_version_below = 51}, traits));
}

TEST_CASE("quirks edit the traits and leave their ids") {
  const Quirk rows[] = {
      {"half", {.vendor_id = 7}, {.clear_storage_16bit = true}, "why"},
      {"elsewhere", {.vendor_id = 8}, {.clear_timestamps = true}, "why"},
      {"clock", {.driver_id = 9}, {.clear_timestamps = true}, "why"},
  };
  DeviceTraits traits = some_device();
  apply_quirks(traits, std::span(rows).first(2));
  CHECK_FALSE(traits.storage_16bit);
  CHECK(traits.timestamp_period_ns == 1.0f);
  CHECK(traits.quirks == std::vector<std::string>{"half"});
  apply_quirks(traits, std::span(rows).last(1));
  CHECK(traits.timestamp_period_ns == 0.0f);
  CHECK(traits.quirks == std::vector<std::string>{"half", "clock"});
}

TEST_CASE("early Arm drivers lose 16-bit storage, later ones and other vendors keep it") {
  DeviceTraits traits = some_device();
  traits.vendor_id = 0x13b5;
  traits.api_version = (1u << 22) | 81;  // 1.0.81
  apply_quirks(traits);
  CHECK_FALSE(traits.storage_16bit);
  CHECK(traits.quirks == std::vector<std::string>{"arm-storage-16bit"});

  DeviceTraits later = some_device();
  later.vendor_id = 0x13b5;
  later.api_version = (1u << 22) | (3u << 12);  // 1.3.0
  apply_quirks(later);
  CHECK(later.storage_16bit);
  CHECK(later.quirks.empty());

  DeviceTraits other = some_device();
  apply_quirks(other);
  CHECK(other.storage_16bit);
}

TEST_CASE("every quirk has an id of its own, a reason and an effect") {
  std::vector<std::string> ids;
  for (const Quirk& quirk : quirks()) {
    INFO(quirk.id);
    CHECK(std::string(quirk.why).size() > 20);
    CHECK((quirk.edit.clear_storage_16bit || quirk.edit.clear_timestamps));
    ids.push_back(quirk.id);
  }
  std::ranges::sort(ids);
  CHECK(std::ranges::adjacent_find(ids) == ids.end());
}
