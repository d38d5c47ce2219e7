#include "vulkan/shaders.hpp"

#include <array>

// One array a module, compiled from shaders/ by the build.
#define WEFT_SHADER(id, source, flags) extern const uint32_t weft_spirv_##id[]; extern const uint32_t weft_spirv_##id##_words;
#include "decide/kernels.def"

namespace weft::vulkan {

std::span<const uint32_t> spirv(decide::Shader shader) noexcept {
  switch (shader) {
#define WEFT_SHADER(id, source, flags) \
  case decide::Shader::id: return {weft_spirv_##id, weft_spirv_##id##_words};
#include "decide/kernels.def"
    case decide::Shader::count: break;
  }
  return {};
}

}  // namespace weft::vulkan
