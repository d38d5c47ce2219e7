// The saved devices, and traits as JSON.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "info/traits_json.hpp"
#include "saved_devices.hpp"
#include "scratch_file.hpp"

using namespace weft;
using weft::test::read_device;
using weft::test::saved_devices;
using weft::test::SavedDevice;
using Json = nlohmann::ordered_json;

namespace {

DeviceTraits full_traits() {
  DeviceTraits t;
  t.name = "Example \"GPU\" 7";
  t.type = DeviceType::virtual_gpu;
  t.vendor_id = 4294967295u;
  t.api_version = (1u << 22) | (3u << 12) | 204;
  t.pipeline_cache_uuid = {0, 1, 0xab, 255};
  t.storage_16bit = true;
  t.subgroup_operations = kSubgroupBasic | kSubgroupClustered;
  t.matrix_shapes = {{16, 8, 32, MatrixElement::bf16, MatrixElement::f32, MatrixScope::subgroup},
                     {64, 64, 16, MatrixElement::u8, MatrixElement::u32, MatrixScope::workgroup}};
  t.matrix2 = kMatrix2WorkgroupScope | kMatrix2BlockLoads;
  t.max_workgroup_count = {1, 2, 4294967295u};
  t.timestamp_period_ns = 52.0833f;
  t.max_allocation_bytes = 1ull << 40;
  t.quirks = {"one", "two"};
  return t;
}

// What becomes of full_traits with one member replaced: the error, or "no error".
std::string with(const char* member, const Json& value) {
  Json json = info::to_json(full_traits());
  json[member] = value;
  DeviceTraits traits;
  std::vector<std::string> missing;
  const auto read = info::from_json(json, traits, missing);
  return read ? "no error" : read.error().message;
}

std::string error_of(const Json& file) {
  const test::ScratchDirectory folder;
  const std::string path = folder.file("device.json");
  std::ofstream(path) << file.dump();
  const auto read = read_device(path, {});
  return read ? "no error" : read.error().message.substr(path.size());
}

}  // namespace

TEST_CASE("traits survive JSON") {
  const Json json = info::to_json(full_traits());
  CHECK(json["type"] == "virtual");
  CHECK(json["api_version"] == "1.3.204");
  CHECK(json["subgroup_operations"] == Json{"basic", "clustered"});
  CHECK(json["matrix_shapes"] == Json{"16x8x32 bf16->f32 subgroup", "64x64x16 u8->u32 workgroup"});
  CHECK(json["matrix2"] == Json{"workgroup_scope", "block_loads"});
  DeviceTraits back;
  std::vector<std::string> missing;
  REQUIRE(info::from_json(Json::parse(json.dump()), back, missing));
  CHECK(missing.empty());
  CHECK(info::to_json(back) == json);
  CHECK(back.matrix_shapes == full_traits().matrix_shapes);
  CHECK(back.matrix2 == full_traits().matrix2);
  CHECK(back.subgroup_operations == full_traits().subgroup_operations);
  CHECK(back.max_allocation_bytes == full_traits().max_allocation_bytes);
}

TEST_CASE("traits of another kind are refused by name") {
  CHECK(with("name", "x") == "no error");
  CHECK(with("name", 1) == "traits: name can't be 1");
  CHECK(with("type", "gpu") == "traits: type can't be \"gpu\"");
  CHECK(with("vendor_id", -1) == "traits: vendor_id can't be -1");
  CHECK(with("vendor_id", 4294967296) == "traits: vendor_id can't be 4294967296");
  CHECK(with("api_version", "1.3") == "traits: api_version can't be \"1.3\"");
  CHECK(with("storage_16bit", 1) == "traits: storage_16bit can't be 1");
  CHECK(with("pipeline_cache_uuid", "00") == "traits: pipeline_cache_uuid can't be \"00\"");
  CHECK(with("max_workgroup_size", {1, 2}) == "traits: max_workgroup_size can't be [1,2]");
  CHECK(with("subgroup_operations", {"dance"}) ==
        "traits: subgroup_operations can't be [\"dance\"]");
  CHECK(with("matrix_shapes", {"16x16 f16->f32 subgroup"}) ==
        "traits: matrix_shapes can't be [\"16x16 f16->f32 subgroup\"]");
  CHECK(with("matrix_shapes", {"8x8x8 f16->f33 subgroup"}) ==
        "traits: matrix_shapes can't be [\"8x8x8 f16->f33 subgroup\"]");
  CHECK(with("wings", 2) == "traits: there is no member wings");
}

TEST_CASE("a saved device tells or assumes every trait, once") {
  Json file = {
      {"source", "here"}, {"assumed", Json::array()}, {"traits", info::to_json(full_traits())}};
  CHECK(error_of(file) == "no error");
  file["traits"].erase("matrix2");
  CHECK(error_of(file) == ": matrix2 is neither told nor assumed");
  file["assumed"] = {"matrix2"};
  CHECK(error_of(file) == "no error");
  file["assumed"] = {"matrix2", "name"};
  CHECK(error_of(file) == ": assumed names what traits tell, or twice");
  file.erase("source");
  CHECK(error_of(file) == ": an object with source, assumed and traits is needed");
}

TEST_CASE("the saved devices can be read and say where they were seen") {
  const auto devices = saved_devices();
  if (!devices) FAIL(devices.error().message);
  CHECK(devices->size() > 20);
  for (const auto& [name, device] : *devices) {
    INFO(name);
    CHECK(device.source.size() > 20);
    CHECK_FALSE(device.traits.name.empty());
    CHECK(device.traits.quirks.empty());
    // What Weft requires of a device.
    CHECK(device.traits.api_version >= ((1u << 22) | (3u << 12)));
    CHECK(device.traits.buffer_device_address);
    CHECK(device.traits.timeline_semaphore);
    CHECK(device.traits.synchronization2);
    CHECK(device.traits.max_push_constants_bytes >= 128);
  }
}
