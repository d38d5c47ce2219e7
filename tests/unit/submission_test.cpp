// How much work a submission may hold, and that kernels can run in parts.
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "decide/kernels.hpp"
#include "decide/submission.hpp"
#include "unit/spirv_reader.hpp"
#include "vulkan/shaders.hpp"

using namespace weft;
using namespace weft::decide;

TEST_CASE("a submission holds a tenth of a second of a device's slowest work") {
  DeviceTraits traits;
  traits.type = DeviceType::discrete;
  CHECK(flops_per_submission(traits) == 200e9);
  traits.core_count = 84;
  CHECK(flops_per_submission(traits) == 84e9);
  traits.type = DeviceType::integrated;
  traits.core_count = 2;
  CHECK(flops_per_submission(traits) == 2e9);
  traits.core_count = 0;
  CHECK(flops_per_submission(traits) == 50e9);
  traits.type = DeviceType::cpu;
  CHECK(std::isinf(flops_per_submission(traits)));
}

TEST_CASE("kernels whose operations are cut don't count workgroups, which a part has fewer of") {
  constexpr uint32_t kNumWorkgroups = 24, kWorkgroupId = 26, kGlobalInvocationId = 28;  // SPIR-V's BuiltIn
  const auto check = [&](Shader shader) {
    if (vulkan::spirv(shader).empty()) return;  // what this build's compiler can't compile
    const test::SpirvReader module(vulkan::spirv(shader));
    REQUIRE(module.valid());
    INFO("module " << static_cast<uint32_t>(shader));
    CHECK_FALSE(module.built_ins().contains(kNumWorkgroups));
    CHECK((module.built_ins().contains(kWorkgroupId) || module.built_ins().contains(kGlobalInvocationId)));
  };
  for (const AttentionRow& row : attention_rows()) check(row.shader);
  for (const LinearRow& row : linear_rows()) check(row.shader);
  check(Shader::attention_weights);
  check(Shader::attention_weights_native16);
  const test::SpirvReader folded(vulkan::spirv(Shader::norm));  // lib/grid.glsl
  CHECK(folded.built_ins().contains(kNumWorkgroups));
}
