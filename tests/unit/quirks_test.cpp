// Quirk rows: what matches, and what they take out of the traits.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <map>
#include <string>
#include <vector>

#include "decide/quirks.hpp"
#include "saved_devices.hpp"

using namespace weft;
using namespace weft::decide;

namespace {

DeviceTraits some_device() {
  DeviceTraits traits;
  traits.name = "Example GPU 630";
  traits.vendor_id = 7;
  traits.driver_id = 9;
  traits.driver_version = 100;
  traits.api_version = 50;
  traits.storage_16bit = true;
  return traits;
}

}  // namespace

TEST_CASE("a match needs all that it names") {
  const DeviceTraits traits = some_device();
  CHECK(matches({}, traits));
  CHECK(matches({.vendor_id = 7, .driver_id = 9, .name_part = "GPU 6"}, traits));
  CHECK_FALSE(matches({.vendor_id = 8}, traits));
  CHECK_FALSE(matches({.vendor_id = 7, .driver_id = 8}, traits));
  CHECK_FALSE(matches({.name_part = "GPU 7"}, traits));
}

TEST_CASE("version ranges include their start and exclude their end") {
  const DeviceTraits traits = some_device();
  CHECK(matches({.driver_version_from = 100}, traits));
  CHECK_FALSE(matches({.driver_version_from = 101}, traits));
  CHECK(matches({.driver_version_below = 101}, traits));
  CHECK_FALSE(matches({.driver_version_below = 100}, traits));
  CHECK_FALSE(matches({.api_version_below = 50}, traits));
  CHECK(matches({.api_version_below = 51}, traits));
}

TEST_CASE("quirks edit the traits and leave their ids") {
  const Quirk rows[] = {
      {"half", {.vendor_id = 7}, {.clear_storage_16bit = true}, "why"},
      {"elsewhere", {.vendor_id = 8}, {.set_few_registers = true}, "why"},
      {"registers", {.driver_id = 9}, {.set_few_registers = true}, "why"},
  };
  DeviceTraits traits = some_device();
  apply_quirks(traits, std::span(rows).first(2));
  CHECK_FALSE(traits.storage_16bit);
  CHECK_FALSE(traits.few_registers);
  CHECK(traits.quirks == std::vector<std::string>{"half"});
  apply_quirks(traits, std::span(rows).last(1));
  CHECK(traits.few_registers);
  CHECK(traits.quirks == std::vector<std::string>{"half", "registers"});
}

namespace {

uint32_t version(uint32_t major, uint32_t minor, uint32_t patch) {
  return (major << 22) | (minor << 12) | patch;
}
uint32_t nvidia(uint32_t major, uint32_t minor, uint32_t patch) {
  return (major << 22) | (minor << 14) | (patch << 6);
}

// A device that has everything a quirk could take out, on the newest of drivers.
DeviceTraits rich_device() {
  DeviceTraits traits = some_device();
  traits.name = "Example GPU";
  traits.type = DeviceType::discrete;
  traits.driver_version = traits.api_version = UINT32_MAX;
  traits.mixed_dot_accelerated = true;
  traits.matrix_shapes = {{16, 16, 16}};
  traits.matrix2 = kMatrix2WorkgroupScope;
  traits.subgroup_operations = kAllSubgroupOperations;
  traits.subgroup_extended_types = true;
  return traits;
}

// What was taken out of a rich device, or said of it.
TraitsEdit taken(const DeviceTraits& traits) {
  TraitsEdit edit;
  edit.clear_storage_16bit = !traits.storage_16bit;
  edit.clear_matrices = traits.matrix_shapes.empty();
  edit.clear_matrix2 = traits.matrix2 == 0;
  edit.clear_subgroup_extended_types = !traits.subgroup_extended_types;
  edit.set_few_registers = traits.few_registers;
  edit.set_short_offsets = traits.short_offsets;
  edit.clear_subgroup_operations = kAllSubgroupOperations & ~traits.subgroup_operations;
  return edit;
}

using Change = void (*)(DeviceTraits&);

// A device that a quirk is about, and its nearest neighbours, each a change of that device.
struct Fault {
  const char* quirk;
  Change device;
  TraitsEdit expected;
  std::vector<Change> neighbours;
};

constexpr TraitsEdit kNoMatrices{.clear_matrices = true, .clear_matrix2 = true};

const Fault kFaults[] = {
    {"arm-storage-16bit",
     [](DeviceTraits& t) { t.vendor_id = 0x13b5, t.api_version = version(1, 0, 81); },
     {.clear_storage_16bit = true},
     {[](DeviceTraits& t) { t.api_version = version(1, 0, 82); },
      [](DeviceTraits& t) { t.vendor_id = 0x10de; }}},
    {"llvmpipe-512-matrix",
     [](DeviceTraits& t) { t.driver_id = 13, t.name = "llvmpipe (LLVM 19.1.7, 512 bits)"; },
     kNoMatrices,
     {[](DeviceTraits& t) { t.name = "llvmpipe (LLVM 19.1.7, 256 bits)"; },
      [](DeviceTraits& t) { t.driver_id = 9; }}},
    {"amd-proprietary-matrix-emulated",
     [](DeviceTraits& t) {
       t.vendor_id = 0x1002, t.driver_id = 1, t.mixed_dot_accelerated = false;
     },
     {.clear_matrices = true,
      .clear_matrix2 = true,
      .clear_subgroup_extended_types = true},  // with the next
     {[](DeviceTraits& t) { t.mixed_dot_accelerated = true; },
      [](DeviceTraits& t) { t.driver_id = 3; }}},
    {"amd-proprietary-shuffle-f16",
     [](DeviceTraits& t) {
       t.vendor_id = 0x1002, t.driver_id = 1, t.mixed_dot_accelerated = false;
     },
     {.clear_matrices = true, .clear_matrix2 = true, .clear_subgroup_extended_types = true},
     {[](DeviceTraits& t) { t.mixed_dot_accelerated = true; },
      [](DeviceTraits& t) { t.driver_id = 3; }}},
    {"moltenvk-amd-subgroups",
     [](DeviceTraits& t) { t.vendor_id = 0x1002, t.driver_id = 14; },
     {.clear_subgroup_operations =
          kAllSubgroupOperations & ~(kSubgroupBasic | kSubgroupVote | kSubgroupQuad)},
     {[](DeviceTraits& t) { t.vendor_id = 0x106b; }, [](DeviceTraits& t) { t.driver_id = 3; }}},
    {"moltenvk-uhd630-reductions",
     [](DeviceTraits& t) {
       t.vendor_id = 0x8086, t.driver_id = 14, t.name = "Intel(R) UHD Graphics 630",
       t.driver_version = 10401;
     },
     {.clear_subgroup_operations = kSubgroupArithmetic | kSubgroupClustered},
     {[](DeviceTraits& t) { t.driver_version = 10402; },
      [](DeviceTraits& t) { t.name = "Intel(R) UHD Graphics 620"; },
      [](DeviceTraits& t) { t.driver_id = 5; }}},
    {"nvidia-turing-matrix",
     [](DeviceTraits& t) { t.vendor_id = 0x10de, t.driver_id = 4, t.subgroups_per_core = 32; },
     kNoMatrices,
     {[](DeviceTraits& t) { t.subgroups_per_core = 48; },
      [](DeviceTraits& t) { t.subgroups_per_core = 0; },
      [](DeviceTraits& t) { t.driver_id = 24; }}},
    {"nvidia-575.64-matrix2",
     [](DeviceTraits& t) {
       t.driver_id = 4, t.subgroups_per_core = 48, t.driver_version = nvidia(575, 64, 3);
     },
     {.clear_matrix2 = true},
     {[](DeviceTraits& t) { t.driver_version = nvidia(575, 65, 0); },
      [](DeviceTraits& t) { t.driver_version = nvidia(575, 63, 63); },
      [](DeviceTraits& t) { t.driver_id = 24; }}},
    {"intel-mesa-uneven-matrix",
     [](DeviceTraits& t) {
       t.vendor_id = 0x8086, t.driver_id = 6, t.driver_version = version(26, 2, 3);
     },
     kNoMatrices,
     {[](DeviceTraits& t) { t.driver_version = version(26, 0, 8); },
      [](DeviceTraits& t) { t.driver_id = 5; }}},
    {"intel-mesa-xe3-matrix",
     [](DeviceTraits& t) {
       t.vendor_id = 0x8086, t.driver_id = 6, t.driver_version = version(26, 0, 8),
       t.name = "Intel(R) Graphics (PTL)";
     },
     kNoMatrices,
     {[](DeviceTraits& t) { t.name = "Intel(R) Graphics (LNL)"; },
      [](DeviceTraits& t) { t.driver_id = 5; }}},
    {"intel-mesa-wildcat-lake-matrix",
     [](DeviceTraits& t) {
       t.vendor_id = 0x8086, t.driver_id = 6, t.driver_version = version(26, 0, 8),
       t.name = "Intel(R) Graphics (WCL)";
     },
     kNoMatrices,
     {[](DeviceTraits& t) { t.name = "Intel(R) Graphics (BMG)"; },
      [](DeviceTraits& t) { t.driver_id = 5; }}},
    {"swiftshader-offsets",
     [](DeviceTraits& t) { t.vendor_id = 0x1ae0, t.driver_id = 10; },
     {.set_short_offsets = true},
     {[](DeviceTraits& t) { t.driver_id = 13; }, [](DeviceTraits& t) { t.driver_id = 9; }}},
    {"adreno-6xx-registers",
     [](DeviceTraits& t) {
       t.vendor_id = 0x5143, t.device_id = 0x06030500, t.name = "Adreno 7c+ Gen 3";
     },
     {.set_few_registers = true},
     {[](DeviceTraits& t) { t.device_id = 0x05040001; },
      [](DeviceTraits& t) { t.device_id = 0x43050001; },
      [](DeviceTraits& t) { t.vendor_id = 0x10de; }}},
};

}  // namespace

TEST_CASE("each quirk edits the device it is about and none of its neighbours") {
  for (const Fault& fault : kFaults) {
    INFO(fault.quirk);
    DeviceTraits device = rich_device();
    fault.device(device);
    DeviceTraits edited = device;
    apply_quirks(edited);
    CHECK(std::ranges::count(edited.quirks, fault.quirk) == 1);
    CHECK(taken(edited) == fault.expected);
    for (const Change change : fault.neighbours) {
      INFO("neighbour " << &change - fault.neighbours.data());
      DeviceTraits neighbour = device;
      change(neighbour);
      apply_quirks(neighbour);
      CHECK(neighbour.quirks.empty());
      CHECK(taken(neighbour) == TraitsEdit{});
    }
  }
}

TEST_CASE("every quirk has an id of its own, a reason, an effect and a device in these tests") {
  std::vector<std::string> ids;
  for (const Quirk& quirk : quirks()) {
    INFO(quirk.id);
    CHECK(std::string(quirk.why).size() > 20);
    CHECK(quirk.edit != TraitsEdit{});
    CHECK(std::ranges::any_of(
        kFaults, [&](const Fault& fault) { return std::string(fault.quirk) == quirk.id; }));
    ids.push_back(quirk.id);
  }
  std::ranges::sort(ids);
  CHECK(std::ranges::adjacent_find(ids) == ids.end());
}

TEST_CASE("the saved devices get the quirks that are about them and no others") {
  const std::map<std::string, std::vector<std::string>> expected = {
      {"lavapipe_512", {"llvmpipe-512-matrix"}},
      {"swiftshader_cpu", {"swiftshader-offsets"}},
      {"amd_windows_rx_5700_xt",
       {"amd-proprietary-matrix-emulated", "amd-proprietary-shuffle-f16"}},
      {"anv_tgl", {"intel-mesa-uneven-matrix"}},
      {"anv_dg2", {"intel-mesa-uneven-matrix"}},
      {"anv_bmg", {"intel-mesa-uneven-matrix"}},
      {"anv_lnl", {"intel-mesa-uneven-matrix"}},
      {"anv_ptl", {"intel-mesa-uneven-matrix", "intel-mesa-xe3-matrix"}},
      {"nvidia_rtx_2070", {"nvidia-turing-matrix"}},
      {"turnip_630", {"adreno-6xx-registers"}},
      {"turnip_660", {"adreno-6xx-registers"}},
  };
  const auto devices = test::saved_devices();
  if (!devices) FAIL(devices.error().message);
  for (const auto& [name, device] : *devices) {
    INFO(name);
    DeviceTraits traits = device.traits;
    apply_quirks(traits);
    const auto found = expected.find(name);
    CHECK(traits.quirks == (found == expected.end() ? std::vector<std::string>{} : found->second));
  }
}
