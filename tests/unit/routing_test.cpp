// Which kernel row every saved device takes for every named case, against
// tests/devices/routing.txt; and that the row fits the device. `unit_test "[.rewrite]"` writes the
// file anew.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "decide/quirks.hpp"
#include "decide/constants.hpp"
#include "decide/select.hpp"
#include "decide/shared_memory.hpp"
#include "params.h"
#include "reference/case_line.hpp"
#include "saved_devices.hpp"
#include "spirv_reader.hpp"
#include "vulkan/shaders.hpp"

using namespace weft;
using decide::Shader;

namespace {

const std::string kGolden = WEFT_SOURCE_DIR "/tests/devices/routing.txt";
constexpr const char* kCaseFiles[] = {"/tests/cases/models.txt", "/tests/cases/smoke.txt",
                                      "/tests/devices/cases.txt"};

// ---- Devices and cases ----

const std::map<std::string, DeviceTraits>& devices() {
  static const auto all = [] {
    std::map<std::string, DeviceTraits> traits;
    const auto saved = test::saved_devices();
    if (!saved) FAIL(saved.error().message);
    for (const auto& [name, device] : *saved) {
      traits[name] = device.traits;
      decide::apply_quirks(traits[name]);
    }
    return traits;
  }();
  return all;
}

std::vector<cases::Case> cases_of(const std::string& path) {
  auto read = cases::read_file(WEFT_SOURCE_DIR + path);
  if (!read) FAIL(read.error().message);
  return *std::move(read);
}

std::vector<cases::Case> named_cases() {
  std::vector<cases::Case> all;
  for (const char* path : kCaseFiles)
    for (cases::Case& one : cases_of(path)) all.push_back(std::move(one));
  return all;
}

uint32_t features_of(const cases::AttentionCase& c) {
  uint32_t features = 0;
  const auto add = [&](bool asked, uint32_t bit) { features |= asked ? bit : 0u; };
  using cases::Packed;
  add(c.lengths != cases::Lengths::none, kFeatureKvLengths);
  add(c.logsumexp, kFeatureLogsumexp);
  add(c.causal || c.window_left >= 0 || c.window_right >= 0, kFeatureWindow);
  add(c.offsets != cases::Offsets::none, kFeaturePositionOffsets);
  add(c.packed == Packed::q || c.packed == Packed::qk, kFeaturePackedQuery);
  add(c.packed == Packed::k || c.packed == Packed::qk, kFeaturePackedKv);
  add(c.regions != cases::Regions::none, kFeatureRegions);
  add(c.regions == cases::Regions::mask, kFeatureRegionMask);
  add(c.softcap > 0.0f, kFeatureSoftcap);
  add(c.sinks, kFeatureSinks);
  add(c.null_len > 0, kFeatureNullKeys);
  add(c.score_items > 0, kFeatureScoreItems);
  add(c.value_items > 0, kFeatureValueItems);
  add(c.weights, kFeatureWeights);
  return features;
}

AttentionDesc desc_of(const cases::AttentionCase& c) {
  AttentionDesc desc;
  desc.query_dtype = c.query;
  desc.kv_dtype = c.kv;
  desc.output_dtype = c.output;
  desc.head_dim = static_cast<uint32_t>(c.head_dim);
  desc.value_dim = static_cast<uint32_t>(c.value_dim);
  desc.mask = cases::mask_kind(c.mask);
  desc.mask_dtype = cases::mask_dtype(c.mask);
  desc.bias = c.bias != cases::Bias::none;
  desc.bias_dtype = cases::bias_dtype(c.bias);
  desc.features = features_of(c);
  desc.q_len = static_cast<uint32_t>(c.q_len);
  desc.kv_len = static_cast<uint32_t>(c.kv_len);
  return desc;
}

// What runs a case: a row, or the only kernel of its kind.
struct Choice {
  std::string name;
  Shader shader = Shader::count;
  uint32_t local_size = 0;
  size_t push_bytes = 0;
  uint32_t unmet_needs = 0;
  uint32_t shared_bytes = 0;
};

template <class Row>
Choice choice_of(const Result<const Row*>& row, const DeviceTraits& traits, size_t push_bytes) {
  if (!row) return {row.error().message};
  return {(*row)->name, (*row)->shader, decide::local_size(**row, traits), push_bytes,
          (*row)->needs & ~decide::met_needs(traits)};
}

// One table for all builds: rows that not every shader compiler can compile are left out.
const decide::Overrides kOfAllBuilds{.disable = "attention_coopmat_bf16,linear_coopmat_bf16"};

Choice choose(const DeviceTraits& traits, const cases::AttentionCase& c) {
  const decide::AttentionProblem problem = decide::problem_of(desc_of(c));
  const auto row = decide::select_attention(traits, problem, kOfAllBuilds);
  Choice choice =
      choice_of(row, traits, sizeof(params::AttentionPush) + sizeof(params::SplitPush));
  if (row) choice.shared_bytes = decide::shared_bytes(**row, problem, traits);
  return choice;
}
Choice choose(const DeviceTraits& traits, const cases::LinearCase& c) {
  const decide::LinearProblem problem{
      static_cast<uint32_t>(c.rows), static_cast<uint32_t>(c.out_features), c.weight != DType::f32,
      decide::common_inputs({c.input, c.weight})};
  return choice_of(decide::select_linear(traits, problem, kOfAllBuilds), traits, sizeof(params::LinearPush));
}
template <class Other>
Choice choose(const DeviceTraits&, const Other&) {
  return {"a case of another kind"};
}
Choice choose_any(const DeviceTraits& traits, const cases::Case& c) {
  return std::visit([&](const auto& one) { return choose(traits, one); }, c);
}

// ---- The table ----

using Routing =
    std::map<std::pair<std::string, std::string>, std::string>;  // (case, device) to row

Routing routing() {
  Routing table;
  for (const cases::Case& c : named_cases())
    for (const auto& [device, traits] : devices())
      table[{cases::print(c), device}] = choose_any(traits, c).name;
  return table;
}

std::string text_of(const Routing& table) {
  std::map<std::string, std::map<std::string, std::string>> by_case;  // rows to devices
  for (const auto& [key, row] : table) by_case[key.first][row] += " " + key.second;
  std::string text =
      "# The kernel row that each device takes for each case. Written by: unit_test "
      "\"[.rewrite]\"\n";
  for (const auto& [line, rows] : by_case) {
    text += line + "\n";
    for (const auto& [row, names] : rows) text += "  " + row + ":" + names + "\n";
  }
  return text;
}

Routing routing_of(std::istream& in) {
  Routing table;
  std::string line, problem;
  while (std::getline(in, line)) {
    if (line.starts_with("#")) continue;
    if (!line.starts_with("  ")) {
      problem = line;
      continue;
    }
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    std::istringstream names(line.substr(colon + 1));
    for (std::string device; names >> device;) table[{problem, device}] = line.substr(2, colon - 2);
  }
  return table;
}

// What differs, a line each.
std::string difference(const Routing& before, const Routing& now) {
  const auto row = [](const Routing& table, const auto& key) {
    const auto found = table.find(key);
    return found == table.end() ? std::string("nothing") : found->second;
  };
  Routing both = before;
  both.insert(now.begin(), now.end());
  std::string lines;
  for (const auto& entry : both)
    if (const auto& key = entry.first; row(before, key) != row(now, key))
      lines +=
          key.first + " on " + key.second + ": " + row(before, key) + " -> " + row(now, key) + "\n";
  return lines;
}

// ---- What a module needs of a device ----

// The trait that a capability of SPIR-V stands for; false for capabilities that no trait answers
// for.
bool has_capability(const DeviceTraits& traits, uint32_t capability) {
  const auto operation = [&](uint32_t bit) { return (traits.subgroup_operations & bit) != 0; };
  switch (capability) {
    case 0:  // Matrix
    case 1:  // Shader
      return true;
    case 9:  // Float16
      return traits.shader_float16;
    case 61:  // GroupNonUniform and its kinds
      return operation(kSubgroupBasic);
    case 62:
      return operation(kSubgroupVote);
    case 63:
      return operation(kSubgroupArithmetic);
    case 64:
      return operation(kSubgroupBallot);
    case 65:
      return operation(kSubgroupShuffle);
    case 66:
      return operation(kSubgroupShuffleRelative);
    case 67:
      return operation(kSubgroupClustered);
    case 4433:  // StorageBuffer16BitAccess
      return traits.storage_16bit;
    case 5345:  // VulkanMemoryModel
      return traits.vulkan_memory_model;
    case 5347:  // PhysicalStorageBufferAddresses
      return traits.buffer_device_address;
    case 6022:  // CooperativeMatrixKHR
      return !traits.matrix_shapes.empty() || traits.matrix2 != 0;
    case 5430:  // CooperativeMatrixReductionsNV
      return (traits.matrix2 & kMatrix2Reductions) != 0;
    case 5431:
      return (traits.matrix2 & kMatrix2Conversions) != 0;
    case 5432:
      return (traits.matrix2 & kMatrix2PerElement) != 0;
    case 5433:
    case 5439:  // TensorAddressingNV
      return (traits.matrix2 & kMatrix2TensorAddressing) != 0;
    default:
      return false;
  }
}

const test::SpirvReader& module_of(Shader shader) {
  static std::map<Shader, test::SpirvReader> modules;
  const auto found = modules.find(shader);
  return found != modules.end()
             ? found->second
             : modules.emplace(shader, test::SpirvReader(vulkan::spirv(shader))).first->second;
}

void check_module(const DeviceTraits& traits, Shader shader) {
  const test::SpirvReader& module = module_of(shader);
  REQUIRE(module.valid());
  for (const uint32_t capability : module.capabilities()) {
    INFO("capability " << capability);
    CHECK(has_capability(traits, capability));
  }
}

void check_workgroup(const DeviceTraits& traits, uint32_t local_size) {
  CHECK(local_size > 0);
  CHECK(local_size <= traits.max_workgroup_invocations);
  CHECK(local_size <= traits.max_workgroup_size[0]);
}

}  // namespace

TEST_CASE("routing of the saved devices is as recorded") {
  if (vulkan::spirv(Shader::attention_coopmat2).empty())
    SKIP("this build's shader compiler leaves out rows that the table has");
  std::ifstream in(kGolden);
  REQUIRE(in);
  const std::string changes = difference(routing_of(in), routing());
  INFO(
      "If this is meant, write the table anew with unit_test \"[.rewrite]\" and look at its diff.");
  INFO(changes);
  CHECK(changes.empty());
}

TEST_CASE("a change of routing is told by case, device and row") {
  Routing before = {
      {{"b1", "phone"}, "row_a"}, {{"b1", "desk"}, "row_a"}, {{"b2", "desk"}, "row_a"}};
  Routing now = before;
  CHECK(difference(before, now).empty());
  now[{"b1", "desk"}] = "row_b";
  now.erase({"b2", "desk"});
  now[{"b1", "laptop"}] = "row_c";
  CHECK(
      difference(before, now) ==
      "b1 on desk: row_a -> row_b\nb1 on laptop: nothing -> row_c\nb2 on desk: row_a -> nothing\n");
  std::istringstream text(text_of(now));
  CHECK(routing_of(text) == now);
}

TEST_CASE("write routing.txt anew", "[.rewrite]") {
  std::ofstream(kGolden) << text_of(routing());
  std::ifstream in(kGolden);
  CHECK(difference(routing_of(in), routing()).empty());
}

TEST_CASE("the row of every case fits every saved device") {
  for (const auto& [device, traits] : devices()) {
    std::set<std::string> looked_at;
    for (const cases::Case& c : named_cases()) {
      const Choice choice = choose_any(traits, c);
      INFO(device << ", " << cases::print(c) << ": " << choice.name);
      REQUIRE(choice.shader != Shader::count);
      CHECK(choice.unmet_needs == 0);
      CHECK(choice.push_bytes <= traits.max_push_constants_bytes);
      if (!looked_at.insert(choice.name).second) continue;
      check_workgroup(traits, choice.local_size);
      check_module(traits, choice.shader);
      CHECK(choice.shared_bytes <= traits.shared_memory_bytes);
      if (std::holds_alternative<cases::AttentionCase>(c))
        CHECK(module_of(choice.shader).shares_memory() == (choice.shared_bytes > 0));
    }
  }
}

// The devices that tests/drivers compiles for.
std::vector<std::string> compiled_devices() {
  std::ifstream in(WEFT_SOURCE_DIR "/tests/drivers/drivers.json");
  const auto json = nlohmann::json::parse(in, nullptr, false);
  REQUIRE(!json.is_discarded());
  std::vector<std::string> names;
  for (const auto& family : json["families"])
    for (const auto& device : family["devices"])
      if (family["kind"] == "compiles")
        names.push_back(family["name"].get<std::string>() + "_" +
                        device["name"].get<std::string>());
  return names;
}

std::set<std::string> rows_of(const DeviceTraits& traits, const std::vector<cases::Case>& lines) {
  std::set<std::string> rows;
  for (const cases::Case& c : lines) rows.insert(choose_any(traits, c).name);
  return rows;
}

TEST_CASE("the compile gate sees every row that a device which it compiles for takes") {
  const std::vector<cases::Case> named = named_cases(), gate = cases_of("/tests/drivers/cases.txt");
  for (const std::string& device : compiled_devices()) {
    INFO(device << " is to be saved in tests/devices: weft_drivers traits");
    REQUIRE(devices().contains(device));
    const std::set<std::string> seen = rows_of(devices().at(device), gate);
    for (const std::string& row : rows_of(devices().at(device), named)) {
      INFO(row << ": a line of tests/drivers/cases.txt should take it");
      CHECK(seen.contains(row));
    }
  }
}

TEST_CASE("operations with one kernel fit every saved device") {
  using decide::Simple;
  for (const auto& [device, traits] : devices())
    for (const Simple kind :
         {Simple::weights, Simple::merge, Simple::norm, Simple::add, Simple::gather, Simple::combine,
          Simple::pack, Simple::multiply, Simple::mix_keys, Simple::rotary}) {
      const decide::SimpleChoice choice = decide::choose_simple(kind, traits);
      INFO(device << ": " << choice.name);
      check_workgroup(traits, choice.local_size);
      check_module(traits, choice.shader);
    }
}
