// When rows of matrices that a whole workgroup holds, and rows of bf16 matrices, are chosen. No
// device is needed.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <string>
#include <string_view>

#include "decide/quirks.hpp"
#include "decide/select.hpp"
#include "saved_devices.hpp"
#include "vulkan/shaders.hpp"

using namespace weft;
using namespace weft::decide;

namespace {

DeviceTraits saved(const std::string& name) {
  const auto all = test::saved_devices();
  if (!all) FAIL(all.error().message);
  DeviceTraits traits = all->at(name).traits;
  apply_quirks(traits);
  return traits;
}

AttentionProblem problem(Inputs inputs, uint32_t q_len, uint32_t dim = 64) {
  AttentionProblem of{dim, dim, q_len};
  of.kv_len = 4096;
  of.inputs = inputs;
  return of;
}

std::string verdict(const DeviceTraits& traits, const AttentionProblem& of, std::string_view row,
                    const Findings& findings = {}) {
  for (const Verdict& one : judge_attention(traits, of, {}, attention_rows(), findings))
    if (one.row == row) return one.text;
  return "not listed";
}

constexpr std::string_view kLarge = "attention_coopmat2_64", kSmall = "attention_coopmat2_32";
constexpr const char* kLacking =
    "needs matrices of a workgroup (VK_NV_cooperative_matrix2), which the device lacks";

bool compiled(Shader shader) { return !vulkan::spirv(shader).empty(); }

}  // namespace

TEST_CASE("a driver with all of cooperative_matrix2 takes its rows first") {
  const DeviceTraits traits = saved("nvidia_rtx_5080");
  if (!compiled(Shader::attention_coopmat2)) {
    CHECK(verdict(traits, problem(Inputs::f16, 4096), kLarge) ==
          "this build's shader compiler has no cooperative_matrix2");
    return;
  }
  CHECK(verdict(traits, problem(Inputs::f16, 4096), kLarge) == "chosen");
  CHECK(verdict(traits, problem(Inputs::f16, 20), kLarge) == "worth it from q_len 33, got 20");
  CHECK(verdict(traits, problem(Inputs::f16, 20), kSmall) == "chosen");
  CHECK(verdict(traits, problem(Inputs::f16, 4096, 160), kSmall) == "chosen");
  CHECK(verdict(traits, problem(Inputs::bf16, 4096), kLarge) == "it takes inputs of f16 only");

  const Findings failed{.vetoes = {{kLarge.data(), "its self-test failed"}}};
  CHECK(verdict(traits, problem(Inputs::f16, 4096), kLarge, failed) == "its self-test failed");
  CHECK(verdict(traits, problem(Inputs::f16, 4096), kSmall, failed) == "chosen");
}

TEST_CASE("a driver with a part of cooperative_matrix2 takes none of its rows") {
  if (!compiled(Shader::attention_coopmat2)) SKIP("this build has none of them");
  const DeviceTraits all = saved("nvidia_rtx_5080");
  for (const uint32_t bit :
       {kMatrix2WorkgroupScope, kMatrix2FlexibleDimensions, kMatrix2Reductions, kMatrix2Conversions,
        kMatrix2PerElement, kMatrix2TensorAddressing}) {
    DeviceTraits traits = all;
    traits.matrix2 &= ~bit;
    INFO("without bit " << bit);
    CHECK(verdict(traits, problem(Inputs::f16, 4096), kLarge) == kLacking);
  }
  DeviceTraits traits = all;
  traits.matrix2 &= ~kMatrix2BlockLoads;  // no row reads blocks
  CHECK(verdict(traits, problem(Inputs::f16, 4096), kLarge) == "chosen");
  traits.vulkan_memory_model = false;
  CHECK(verdict(traits, problem(Inputs::f16, 4096), kLarge) == kLacking);

  for (const char* name : {"lavapipe_256", "radv_gfx1201", "nvidia_rtx_2070"}) {
    INFO(name);
    CHECK(verdict(saved(name), problem(Inputs::f16, 4096), kLarge) == kLacking);
  }
}

TEST_CASE("rows of bf16 matrices run where device and shader compiler have the type") {
  const bool here = compiled(Shader::attention_coopmat_bf16);
  const char* expected = here ? "chosen" : "this build's shader compiler has no bfloat16";
  CHECK(verdict(saved("radv_gfx1201"), problem(Inputs::bf16, 4096),
                "attention_coopmat_bf16_16x16x16") == expected);
  CHECK(compiled(Shader::linear_coopmat_bf16) == here);
  const auto linear = select_linear(saved("radv_gfx1201"), {100, 100, true, Inputs::bf16}, {});
  CHECK(std::string((*linear)->name) == (here ? "linear_coopmat_bf16_16x16x16" : "linear_tile_64"));
  if (!here) return;
  CHECK(verdict(saved("radv_gfx1201"), problem(Inputs::f16, 4096),
                "attention_coopmat_bf16_16x16x16") == "it takes inputs of bf16 only");
  CHECK(verdict(saved("radv_navi31"), problem(Inputs::bf16, 4096),
                "attention_coopmat_bf16_16x16x16") ==
        "needs cooperative matrices of 16x16x16 bf16, which the device lacks");
}
