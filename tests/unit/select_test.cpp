// Selection of kernel rows: order, refusals with their reasons, overrides. No device is needed.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/checks.hpp"
#include "base/text.hpp"
#include "decide/constants.hpp"
#include "decide/select.hpp"
#include "params.h"

using namespace weft::decide;
using weft::AttentionDesc;
using weft::Code;
using weft::DeviceTraits;
using weft::DeviceType;
using weft::DType;
using weft::kAllFeatures;
using weft::kFeatureKvLengths;
using weft::kFeatureLogsumexp;
using weft::kFeatureSinks;
using weft::kFeatureSoftcap;
using weft::text;

namespace {

// Rows of the test's own, so that tuning the real ones changes no expectation here.
constexpr Shader kNative = Shader::attention_lane_native16;
constexpr uint32_t k16 = kNeed16bitStorage;
constexpr AttentionRow kRows[] = {
    // name, shader, needs, where, elements, features, head, value, sum, q_len, local, rows, block, chunk, hold
    {"cpu_2", kNative, k16, Where::cpu, Elements::any, kAllFeatures, 128, 128, 256, 128, 8, 2, 4, 0, true},
    {"cpu_1", kNative, k16, Where::cpu, Elements::any, kAllFeatures, 256, 256, 512, 0, 8, 1, 8, 0, true},
    {"gpu", kNative, k16, Where::gpu, Elements::any, kAllFeatures, 64, 96, 128, 0, 64, 1, 4, 0, true},
    {"wide", kNative, k16, Where::any, Elements::any, kAllFeatures, 256, 256, 512, 0, 256, 1, 4, 32, false},
    {"floor", Shader::attention_lane, 0, Where::any, Elements::any, kAllFeatures, 256, 256, 512, 0, 64, 1, 4, 32, false},
};

constexpr LinearRow kLinear[] = {
    {"linear_cpu_2", Shader::linear_native16, kNeed16bitStorage, Where::cpu, Elements::any, 256, 16, 8, 2, 16},
    {"linear_cpu_1", Shader::linear_native16, kNeed16bitStorage, Where::cpu, Elements::any, 0, 0, 8, 1, 16},
    {"linear_floor", Shader::linear, kNeedNothing, Where::any, Elements::any, 0, 0, 64, 1, 8},
};

DeviceTraits device(DeviceType type, bool storage_16bit = true, uint32_t invocations = 1024) {
  DeviceTraits traits;
  traits.type = type;
  traits.storage_16bit = storage_16bit;
  traits.max_workgroup_invocations = invocations;
  traits.max_workgroup_size = {invocations, invocations, 64};
  traits.max_workgroup_count = {65535, 65535, 65535};
  traits.shader_float16 = true;
  traits.subgroup_operations = weft::kAllSubgroupOperations;
  traits.subgroup_size = traits.min_subgroup_size = traits.max_subgroup_size = 32;
  traits.subgroup_size_control = traits.full_subgroups = true;
  traits.max_workgroup_subgroups = 8;
  traits.shared_memory_bytes = 65536;
  return traits;
}
const DeviceTraits kGpu = device(DeviceType::discrete);
const DeviceTraits kCpu = device(DeviceType::cpu);
const DeviceTraits kOldPhone = device(DeviceType::integrated, false, 128);

std::string chosen(const DeviceTraits& traits, const AttentionProblem& problem,
                   const Overrides& overrides = {}) {
  const auto row = select_attention(traits, problem, overrides, kRows);
  return row ? (*row)->name : row.error().message;
}

std::vector<std::string> verdicts(const DeviceTraits& traits, const AttentionProblem& problem,
                                  const Overrides& overrides = {}) {
  std::vector<std::string> lines;
  for (const Verdict& verdict : judge_attention(traits, problem, overrides, kRows))
    lines.push_back(std::string(verdict.row) + ": " + verdict.text);
  return lines;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("the first row that fits wins") {
  CHECK(chosen(kCpu, {64, 64, 4096}) == "cpu_2");
  CHECK(chosen(kCpu, {64, 64, 77}) == "cpu_1");
  CHECK(chosen(kCpu, {64, 64, 0}) == "cpu_1");  // an unknown length meets no hint
  CHECK(chosen(kCpu, {160, 160, 4096}) == "cpu_1");
  CHECK(chosen(kGpu, {64, 64, 4096}) == "gpu");
  CHECK(chosen(kGpu, {80, 80, 4096}) == "wide");
  CHECK(chosen(kOldPhone, {64, 64, 4096}) == "floor");
}

TEST_CASE("every row says why it was not chosen") {
  CHECK(verdicts(kGpu, {64, 64, 77}) == Lines{
                                            "cpu_2: preferred on CPU devices, this is discrete",
                                            "cpu_1: preferred on CPU devices, this is discrete",
                                            "gpu: chosen",
                                            "wide: comes after the chosen row",
                                            "floor: comes after the chosen row",
                                        });
  CHECK(verdicts(kCpu, {64, 64, 77}) == Lines{
                                            "cpu_2: worth it from q_len 128, got 77",
                                            "cpu_1: chosen",
                                            "gpu: preferred on GPUs, this is cpu",
                                            "wide: comes after the chosen row",
                                            "floor: comes after the chosen row",
                                        });
  CHECK(verdicts(kOldPhone, {80, 80, 77}) ==
        Lines{
            "cpu_2: needs 16-bit storage, which the device lacks",
            "cpu_1: needs 16-bit storage, which the device lacks",
            "gpu: needs 16-bit storage, which the device lacks",
            "wide: needs 16-bit storage, which the device lacks",
            "floor: chosen",
        });
  const DeviceTraits narrow = device(DeviceType::integrated, true, 128);
  CHECK(verdicts(narrow, {60, 80, 0})[2] == "gpu: head_dim + value_dim is 140, it takes up to 128");
  CHECK(verdicts(narrow, {80, 60, 0})[2] == "gpu: head_dim is 80, it takes up to 64");
  CHECK(verdicts(narrow, {16, 100, 0})[2] == "gpu: value_dim is 100, it takes up to 96");
  CHECK(verdicts(narrow, {80, 60, 0})[3] ==
        "wide: needs workgroups of 256 invocations, the device allows 128");
}

TEST_CASE("the width of a workgroup counts as well as its invocations") {
  DeviceTraits traits = kGpu;
  traits.max_workgroup_size[0] = 32;
  const auto row = select_attention(traits, {64, 64, 0}, {}, kRows);
  REQUIRE_FALSE(row);
  CHECK(row.error().code == Code::unsupported);
  CHECK(row.error().message.ends_with(
      "floor: needs workgroups of 64 invocations, the device allows 32"));
}

TEST_CASE("a forced row runs against every preference") {
  CHECK(chosen(kGpu, {64, 64, 1}, {.kernel = "cpu_2"}) == "cpu_2");
  CHECK(chosen(kCpu, {64, 64, 1}, {.kernel = "gpu"}) == "gpu");
  CHECK(chosen(kCpu, {64, 64, 1}, {.kernel = text(" floor , ", linear_rows().back().name)}) ==
        "floor");
  CHECK(verdicts(kGpu, {64, 64, 1}, {.kernel = "floor"})[2] == "gpu: another row is forced");
}

TEST_CASE("a forced row that can't run is unsupported, with its reason") {
  const auto lacks = select_attention(kOldPhone, {64, 64, 0}, {.kernel = "gpu"}, kRows);
  REQUIRE_FALSE(lacks);
  CHECK(lacks.error().code == Code::unsupported);
  CHECK(lacks.error().message.contains("gpu: needs 16-bit storage, which the device lacks"));
  CHECK(lacks.error().message.contains("attention: the kernel rows forced (gpu) can't run this"));
  CHECK_FALSE(lacks.error().message.contains("floor"));  // what is not forced is not to blame
  CHECK(chosen(kGpu, {80, 80, 0}, {.kernel = "gpu"})
            .contains("gpu: head_dim is 80, it takes up to 64"));
  CHECK(chosen(kGpu, {64, 64, 0}, {.kernel = "gpu", .disable = "gpu"})
            .contains("gpu: disabled by \"gpu\""));
}

TEST_CASE("a forced name that no row has is refused; one of another kind binds that kind only") {
  CHECK(chosen(kGpu, {64, 64, 0}, {.kernel = "gpu_2"}) ==
        "attention: no kernel row is called \"gpu_2\"");
  const std::string linear_name = linear_rows().front().name;
  CHECK(chosen(kGpu, {64, 64, 0}, {.kernel = linear_name}) == "gpu");
}

TEST_CASE("disabled rows are matched by how their names begin") {
  CHECK(chosen(kCpu, {64, 64, 4096}, {.disable = "cpu_2"}) == "cpu_1");
  CHECK(chosen(kCpu, {64, 64, 4096}, {.disable = "cpu"}) == "wide");
  CHECK(chosen(kCpu, {64, 64, 4096}, {.disable = "cpu, wide"}) == "floor");
  CHECK(chosen(kCpu, {64, 64, 4096}, {.disable = "pu,,"}) == "cpu_2");
  CHECK(verdicts(kCpu, {64, 64, 0}, {.disable = "x,cpu"})[1] == "cpu_1: disabled by \"cpu\"");
  const auto none = select_attention(kCpu, {64, 64, 0}, {.disable = "cpu,gpu,wide,floor"}, kRows);
  REQUIRE_FALSE(none);
  CHECK(none.error().message.contains("floor: disabled by \"floor\""));
}

TEST_CASE("linear rows follow the same rules with their own hints") {
  const auto name = [](const DeviceTraits& traits, LinearProblem problem,
                       const Overrides& overrides = {}) {
    const auto row = select_linear(traits, problem, overrides, kLinear);
    return row ? std::string((*row)->name) : row.error().message;
  };
  CHECK(name(kCpu, {1024, 768}) == "linear_cpu_2");
  CHECK(name(kCpu, {100, 768}) == "linear_cpu_1");
  CHECK(name(kCpu, {1024, 8}) == "linear_cpu_1");
  CHECK(name(kGpu, {1024, 768}) == "linear_floor");
  CHECK(name(kGpu, {1, 1}, {.kernel = "linear_cpu_2"}) == "linear_cpu_2");
  CHECK(
      name(kCpu, {1, 1}, {.disable = "linear"})
          .contains("linear_cpu_2: disabled by \"linear\"; linear_cpu_1: disabled by \"linear\""));
}

TEST_CASE("lengths that meet the same hints share a class") {
  AttentionRow few = kRows[3];
  few.max_q_len = 20;
  few.min_kv_len = 300;
  few.max_kv_len = 4000;
  const AttentionRow rows[] = {few, kRows[0], kRows[4]};
  const auto q_class = [&](uint32_t q_len) { return length_class({q_len, 0}, rows).q; };
  const auto kv_class = [&](uint32_t kv_len) { return length_class({0, kv_len}, rows).kv; };
  CHECK(q_class(0) == 0);
  CHECK(q_class(20) == 16);
  CHECK(q_class(21) == 21);
  CHECK(q_class(127) == 64);
  CHECK(q_class(129) == 128);
  CHECK(kv_class(299) == 256);
  CHECK(kv_class(511) == 300);
  CHECK(kv_class(4000) == 2048);
  CHECK(kv_class(4001) == 4001);
  const auto name = [&](uint32_t q_len, uint32_t kv_len) {
    const AttentionProblem problem{.head_dim = 64, .value_dim = 64, .q_len = q_len, .kv_len = kv_len};
    return std::string((*select_attention(kCpu, problem, {}, rows))->name);
  };
  for (uint32_t q_len : {0u, 1u, 20u, 21u, 127u, 128u, 129u, 4096u})
    for (uint32_t kv_len : {0u, 1u, 299u, 300u, 4000u, 4001u, 100000u}) {
      const Lengths lengths = length_class({q_len, kv_len}, rows);
      CHECK(name(q_len, kv_len) == name(lengths.q, lengths.kv));
    }
}

TEST_CASE("the last row of each kind needs nothing, anywhere") {
  const AttentionRow& attention = attention_rows().back();
  CHECK(attention.needs == kNeedNothing);
  CHECK(attention.where == Where::any);
  CHECK(attention.min_q_len == 0);
  CHECK(attention.features == kAllFeatures);
  CHECK(attention.max_head_dim >= 576);
  CHECK(attention.max_value_dim >= 576);
  CHECK(attention.max_dim_sum >= 1152);
  CHECK(attention.local_size <= 128);  // what Vulkan promises
  const LinearRow& linear = linear_rows().back();
  CHECK(linear.needs == kNeedNothing);
  CHECK(linear.where == Where::any);
  CHECK(linear.min_rows == 0);
  CHECK(linear.min_out_features == 0);
  CHECK(linear.local_size <= 128);
}

TEST_CASE("the real rows are well formed") {
  std::set<std::string_view> names;
  for (const AttentionRow& row : attention_rows()) {
    INFO(row.name);
    CHECK(names.insert(row.name).second);
    CHECK(std::string_view(row.name).starts_with("attention_"));
    CHECK(local_size(row, kGpu) > 0);
    CHECK(row.block_kv > 0);
    CHECK(row.value_chunk % 4 == 0);
    CHECK(block_q(row) > 0);
    CHECK((row.matrix.m == 0 || row.self_test));
    CHECK(block_q(row) <= weft::checks::kMaxBlockRows);  // what validation counts on
  }
  for (const LinearRow& row : linear_rows()) {
    INFO(row.name);
    CHECK(names.insert(row.name).second);
    CHECK(std::string_view(row.name).starts_with("linear_"));
    CHECK(block_rows(row) > 0);
    CHECK(block_columns(row) > 0);
    CHECK(block_columns(row) % 4 == 0);
  }
}

TEST_CASE("rows for 16-bit elements and for discrete GPUs give way to others elsewhere") {
  constexpr AttentionRow kPicky[] = {
      {"half", kNative, k16, Where::cpu, Elements::half, kAllFeatures, 256, 256, 512, 0, 8, 2, 4, 0, true},
      {"discrete", kNative, k16, Where::discrete, Elements::any, kAllFeatures, 256, 256, 512, 0, 64, 1, 4, 64, false},
      {"rest", kNative, k16, Where::any, Elements::any, kAllFeatures, 256, 256, 512, 0, 64, 1, 4, 32, false}};
  const auto row = [&](const DeviceTraits& traits, bool half) {
    return std::string((*select_attention(traits, {64, 64, 9, half}, {}, kPicky))->name);
  };
  CHECK(row(kCpu, true) == "half");
  CHECK(row(kCpu, false) == "rest");
  CHECK(row(kGpu, false) == "discrete");
  CHECK(row(device(DeviceType::integrated, true, 1024), true) == "rest");
  CHECK(judge_attention(kCpu, {64, 64, 9, false}, {}, kPicky)[0].text ==
        "worth it for 16-bit elements, these have 32");
  CHECK(judge_attention(device(DeviceType::integrated, true, 1024), {64, 64, 9}, {}, kPicky)[1].text ==
        "preferred on discrete GPUs, this is integrated");
  DeviceTraits narrow = device(DeviceType::discrete, true, 1024);
  narrow.min_subgroup_size = 16;
  CHECK(row(narrow, false) == "rest");
  CHECK(judge_attention(narrow, {64, 64, 9}, {}, kPicky)[1].text ==
        "preferred on discrete GPUs, this is discrete with subgroups of 16 to 32 "
        "(wide: at least 32)");
}

TEST_CASE("rows that take many registers give way on devices known to have few") {
  constexpr AttentionRow kGreedy[] = {
      {"ample", kNative, k16, Where::ample, Elements::any, kAllFeatures, 256, 256, 512, 0, 64, 1, 4, 64, false},
      {"wide", kNative, k16, Where::wide, Elements::any, kAllFeatures, 256, 256, 512, 0, 64, 1, 4, 32, false},
      {"rest", kNative, k16, Where::any, Elements::any, kAllFeatures, 256, 256, 512, 0, 64, 1, 4, 32, false}};
  DeviceTraits traits = device(DeviceType::integrated, true, 1024);
  const auto row = [&] {
    return std::string((*select_attention(traits, {64, 64, 9}, {}, kGreedy))->name);
  };
  traits.min_subgroup_size = 64;
  CHECK(row() == "ample");
  traits.few_registers = true;
  CHECK(row() == "wide");
  CHECK(judge_attention(traits, {64, 64, 9}, {}, kGreedy)[0].text ==
        "preferred on GPUs with wide subgroups and registers for them, this is integrated with few registers");
  traits.min_subgroup_size = 16;
  CHECK(row() == "rest");
}

TEST_CASE("where subgroups decide, the reason says which there are") {
  const auto this_is = [](Where where, DeviceType type, uint32_t least, uint32_t most) {
    DeviceTraits traits = device(type);
    traits.min_subgroup_size = least;
    traits.max_subgroup_size = most;
    AttentionRow picky = kRows[3];
    picky.where = where;
    const AttentionRow rows[] = {picky, kRows[4]};
    const std::string reason = judge_attention(traits, {64, 64, 9}, {}, rows)[0].text;
    return reason.substr(reason.find("this is ") + 8);
  };
  constexpr auto kDiscrete = DeviceType::discrete, kIntegrated = DeviceType::integrated;
  const std::string wide = " (wide: at least 32)", small = " (small: at most 16)";
  CHECK(this_is(Where::wide, kDiscrete, 8, 32) == "discrete with subgroups of 8 to 32" + wide);
  CHECK(this_is(Where::wide, kIntegrated, 16, 16) == "integrated with subgroups of 16" + wide);
  CHECK(this_is(Where::wide, DeviceType::other, 0, 0) ==
        "other with subgroups of unknown size" + wide);
  CHECK(this_is(Where::wide, DeviceType::cpu, 8, 8) == "cpu");
  CHECK(this_is(Where::ample, kIntegrated, 8, 16) == "integrated with subgroups of 8 to 16" + wide);
  CHECK(this_is(Where::large, kIntegrated, 4, 16) ==
        "integrated with subgroups of 4 to 16" + small);
  CHECK(this_is(Where::small, kIntegrated, 16, 64) ==
        "integrated with subgroups of 16 to 64" + small);
  CHECK(this_is(Where::small, kDiscrete, 8, 16) == "discrete");
  CHECK(this_is(Where::discrete, kDiscrete, 16, 32) ==
        "discrete with subgroups of 16 to 32" + wide);
  CHECK(this_is(Where::discrete, kIntegrated, 16, 32) == "integrated");
  CHECK(this_is(Where::gpu, DeviceType::cpu, 8, 8) == "cpu");
}

TEST_CASE("a row is preferred for the problem where selection would take it") {
  const auto preferred = [](size_t row, const DeviceTraits& traits, uint32_t q_len) {
    return preference(traits, kRows[row], {64, 64, q_len});
  };
  CHECK(preferred(0, kCpu, 128) == Preference::this_problem);
  CHECK(preferred(0, kCpu, 127) == Preference::other_problems);
  CHECK(preferred(0, kGpu, 128) == Preference::other_devices);
  CHECK(preferred(2, kGpu, 1) == Preference::this_problem);
  CHECK(preferred(4, kCpu, 1) == Preference::this_problem);
}

TEST_CASE("a forced row that does not exist leaves no row, in words too") {
  const Overrides typo{.kernel = "attention_typo"};
  CHECK_FALSE(select_attention(kCpu, {64, 64, 9}, typo).has_value());
  for (const Verdict& verdict : judge_attention(kCpu, {64, 64, 9}, typo))
    CHECK(verdict.text == "no kernel row is called \"attention_typo\"");
}

TEST_CASE("a row refuses what it does not claim, by name, and another takes it") {
  AttentionRow plain = kRows[4], full = kRows[4];
  plain.name = "plain";
  plain.features = kFeatureKvLengths;
  full.name = "full";
  const AttentionRow rows[] = {plain, full};
  const auto row = [&](uint32_t features) {
    return std::string((*select_attention(kGpu, {64, 64, 9, false, features}, {}, rows))->name);
  };
  CHECK(row(0) == "plain");
  CHECK(row(kFeatureKvLengths) == "plain");
  CHECK(row(kFeatureKvLengths | kFeatureSinks) == "full");
  CHECK(judge_attention(kGpu, {64, 64, 9, false, kFeatureSinks | kFeatureSoftcap}, {}, rows)[0].text ==
        "it can't do softcap");
  for (uint32_t bit = 1; bit <= kAllFeatures; bit <<= 1)
    CHECK(std::string(feature_name(bit)) != "unknown features");
  CHECK(std::string(feature_name(kAllFeatures + 1)) == "unknown features");
}

TEST_CASE("a row that copies keys and values leaves large ones to others") {
  AttentionRow copies = kRows[1];
  copies.unpack = true;
  const AttentionRow rows[] = {copies, kRows[4]};
  const auto first = [&](bool large_kv) {
    const AttentionProblem problem{.head_dim = 64, .value_dim = 64, .large_kv = large_kv};
    return judge_attention(kCpu, problem, {}, rows)[0].text;
  };
  CHECK(first(false) == "chosen");
  CHECK(first(true) ==
        "it converts keys and values to fp32, these take more than 268435456 bytes there");
  const AttentionDesc desc{.kv_dtype = DType::f16, .head_dim = 64, .value_dim = 64, .q_len = 64};
  const auto row = [&](bool large_kv, const Overrides& overrides = {}) {
    return select_attention(kCpu, problem_of(desc, large_kv), overrides);
  };
  CHECK(row(false).value()->unpack);
  CHECK(std::string(row(true).value()->name) == "attention_lane_cpu_half");
  CHECK_FALSE(row(true, {.kernel = row(false).value()->name}));  // never another in silence
}

TEST_CASE("value chunks are even, within the row's limit, and cover the value") {
  AttentionRow row = attention_rows().back();
  for (const uint32_t most : {0u, 32u, 64u})
    for (uint32_t dim = 1; dim <= 576; ++dim) {
      row.value_chunk = most;
      const uint32_t chunk = value_chunk(row, dim);
      CHECK(chunk % 4 == 0);
      CHECK(chunk <= (most != 0 ? most : (dim + 3) / 4 * 4));
      const uint32_t chunks = (dim + chunk - 1) / chunk;
      CHECK(chunks == (most != 0 ? (dim + most - 1) / most : 1));
    }
  row.value_chunk = 64;
  CHECK(value_chunk(row, 80) == 40);
}

TEST_CASE("every device has a row for every size") {
  for (const DeviceTraits& traits : {kGpu, kCpu, kOldPhone, device(DeviceType::cpu, false, 128)})
    for (uint32_t dim = 1; dim <= 576; ++dim) {
      CHECK(select_attention(traits, {dim, 577 - dim, dim}, {}).has_value());
      CHECK(select_attention(traits, {576, dim, 0}, {}).has_value());
    }
}

TEST_CASE("every real row can be forced on a device that meets its needs") {
  for (const DeviceTraits& traits : {kGpu, kCpu}) {
    for (const AttentionRow& row : attention_rows()) {
      INFO(row.name);
      if (row.self_test) continue;  // needs matrices
      const AttentionProblem small{.head_dim = 4, .value_dim = 4, .kv_len = 1, .inputs = row.inputs};
      const auto forced = select_attention(traits, small, {.kernel = row.name});
      INFO((forced ? std::string() : forced.error().message));
      REQUIRE(forced.has_value());
      CHECK((*forced)->name == std::string_view(row.name));
    }
    for (const LinearRow& row : linear_rows())
      if (!row.self_test)
        CHECK(select_linear(traits, {1, 1, false, row.inputs}, {.kernel = row.name}).value()->name ==
              std::string_view(row.name));
  }
}

TEST_CASE("constants carry the row and the description") {
  AttentionDesc desc;
  desc.query_dtype = DType::f16;
  desc.kv_dtype = DType::bf16;
  desc.head_dim = 40;
  desc.value_dim = 42;
  desc.mask = weft::MaskKind::drop;
  desc.mask_dtype = DType::i32;
  desc.bias = true;
  desc.bias_dtype = DType::f16;
  desc.features = kFeatureLogsumexp | kFeatureSinks;
  const auto whole = attention_constants(kRows[1], desc, kGpu, true);
  CHECK(whole[WEFT_ATTENTION_LOCAL_SIZE] == 8);
  CHECK(whole[WEFT_ATTENTION_HEAD_DIM] == 40);
  CHECK(whole[WEFT_ATTENTION_VALUE_DIM] == 42);
  CHECK(whole[WEFT_ATTENTION_BLOCK_KV] == 8);
  CHECK(whole[WEFT_ATTENTION_VALUE_CHUNK] == 44);  // the whole row, in groups of 4
  CHECK(whole[WEFT_ATTENTION_QUERY_TYPE] == WEFT_TYPE_F16);
  CHECK(whole[WEFT_ATTENTION_KV_TYPE] == WEFT_TYPE_BF16);
  CHECK(whole[WEFT_ATTENTION_MASK_KIND] == WEFT_MASK_DROP);
  CHECK(whole[WEFT_ATTENTION_MASK_TYPE] == WEFT_MASK_I32);
  CHECK(whole[WEFT_ATTENTION_HAS_BIAS] == 1);
  CHECK(whole[WEFT_ATTENTION_BIAS_TYPE] == WEFT_TYPE_F16);
  CHECK(whole[WEFT_ATTENTION_FEATURES] == (WEFT_FEATURE_LOGSUMEXP | WEFT_FEATURE_SINKS));
  CHECK(whole[WEFT_ATTENTION_ALIGNED] == 1);
  CHECK(attention_constants(kRows[3], desc, kGpu, false)[WEFT_ATTENTION_VALUE_CHUNK] == 24);
}

TEST_CASE("operations with one kernel follow 16-bit storage and the kind of device") {
  CHECK(choose_simple(Simple::norm, kGpu).shader == Shader::norm_native16);
  CHECK(std::string(choose_simple(Simple::norm, kGpu).name) == "norm_native16");
  CHECK(choose_simple(Simple::weights, kOldPhone).shader == Shader::attention_weights);
  CHECK(std::string(choose_simple(Simple::gather, kOldPhone).name) == "gather");
  CHECK(choose_simple(Simple::add, kGpu).local_size == 64);
  CHECK(choose_simple(Simple::add, kCpu).local_size <= 16);
}
