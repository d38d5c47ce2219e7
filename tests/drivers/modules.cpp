#include "drivers/modules.hpp"

#include <filesystem>
#include <fstream>

#include "vulkan/shaders.hpp"

namespace weft::drivers {
namespace {

constexpr const char* kNames[] = {
#define WEFT_SHADER(id, source, flags) #id,
#include "decide/kernels.def"
};

// OpCapability comes before all else, after the header of five words.
bool has_matrices(std::span<const uint32_t> words) {
  constexpr uint32_t kOpCapability = 17, kMatrixKhr = 6022, kMatrixNv = 5357;
  for (size_t at = 5; at + 1 < words.size() && (words[at] & 0xFFFF) == kOpCapability;
       at += words[at] >> 16)
    if (words[at + 1] == kMatrixKhr || words[at + 1] == kMatrixNv) return true;
  return false;
}

}  // namespace

Result<std::vector<std::string>> write_modules(const std::string& folder) {
  std::vector<std::string> paths;
  for (uint32_t i = 0; i < std::size(kNames); ++i) {
    const std::span<const uint32_t> words = vulkan::spirv(static_cast<decide::Shader>(i));
    if (words.empty()) continue;  // what this build's compiler can't compile
    const std::string place = folder + (has_matrices(words) ? "/matrix" : "/plain");
    std::error_code ignored;
    std::filesystem::create_directories(place, ignored);
    paths.push_back(place + "/" + kNames[i] + ".spv");
    std::ofstream file(paths.back(), std::ios::binary);
    file.write(reinterpret_cast<const char*>(words.data()),
               static_cast<std::streamsize>(words.size_bytes()));
    if (!file.flush()) return fail(Code::invalid_argument, "modules: can't write " + paths.back());
  }
  return paths;
}

}  // namespace weft::drivers
