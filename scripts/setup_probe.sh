# shellcheck shell=bash
# Sourced by setup: finds the tools wherever they come from, and says what to install by hand.

# Prints one line per thing that is missing, nothing when a build can start.
probe() {
  command -v git >/dev/null || say "git"
  command -v ninja >/dev/null || command -v ninja-build >/dev/null || say "ninja"
  command -v glslang >/dev/null || command -v glslangValidator >/dev/null || say "glslang"
  command -v spirv-val >/dev/null || say "SPIRV-Tools (spirv-val)"
  probe_cmake
  probe_compiler
}

probe_cmake() {
  local version
  version=$(cmake --version 2>/dev/null | awk 'NR == 1 { print $3 }')
  case "$version" in
    "" | [0-2].* | 3.[0-9].* | 3.1[0-9].* | 3.2[0-4].*)
      say "CMake 3.25 or later (found: ${version:-none})" ;;
  esac
}

# One compilation answers for the compiler, the standard library and every header.
probe_compiler() {
  local compiler candidate output include=()
  for candidate in "${CXX:-}" c++ g++ clang++; do
    if [ -n "$candidate" ] && command -v "$candidate" >/dev/null; then
      compiler=$candidate
      break
    fi
  done
  if [ -z "${compiler:-}" ]; then
    say "a C++23 compiler (g++ 12, clang 17, Visual Studio 2022 or later)"
    return 0
  fi
  include=(-I/usr/include)
  if [ -n "${VULKAN_SDK:-}" ]; then include=("-I$VULKAN_SDK/include" "-I$VULKAN_SDK/Include"); fi
  if ! output=$(probe_source |
    "$compiler" -std=c++2b -fsyntax-only "${include[@]}" -x c++ - 2>&1); then
    # Whatever failed without naming a header is the compiler itself.
    printf '%s\n' "$output" | grep -q 'error.*weft needs' ||
      say "a C++23 compiler with <expected> (g++ 12, clang 17 or later; found: $compiler)"
    printf '%s\n' "$output" |
      sed -n 's/.*error.*weft needs: \([^"]*[^" ]\)"\{0,1\} *$/\1/p' | sort -u
  fi
}

probe_source() {
  local header name
  while read -r header name; do
    printf '#if !__has_include(<%s>)\n#error weft needs: %s\n#endif\n' "$header" "$name"
  done <<'HEADERS'
vulkan/vulkan_core.h Vulkan headers 1.3.275 or later
volk.h volk
vk_mem_alloc.h Vulkan Memory Allocator
catch2/catch_test_macros.hpp Catch2 3
benchmark/benchmark.h Google Benchmark
glm/glm.hpp GLM
nlohmann/json.hpp nlohmann-json
CLI/CLI.hpp CLI11
HEADERS
  cat <<'SOURCE'
#if !__has_include(<stb/stb_image.h>) && !__has_include(<stb_image.h>)
#error weft needs: stb
#endif
#include <expected>
#if __has_include(<vulkan/vulkan_core.h>)
#include <vulkan/vulkan_core.h>
static_assert(VK_HEADER_VERSION_COMPLETE >= VK_MAKE_API_VERSION(0, 1, 3, 275),
              "weft needs: Vulkan headers 1.3.275 or later");
#endif
int main() { return std::expected<int, int>(0).value(); }
SOURCE
}

# The package names of the systems that setup does not install on.
advise() {
  local like=" "
  if [ -r /etc/os-release ]; then like=" $(. /etc/os-release && echo "${ID:-} ${ID_LIKE:-}") "; fi
  case "$(uname -s)$like" in
    Linux*" fedora "*)
      cat <<'TEXT' ;;
Fedora and relatives:
  sudo dnf install cmake ninja-build gcc-c++ git glslang spirv-tools spirv-headers-devel \
    vulkan-headers vulkan-loader-devel vulkan-volk-devel VulkanMemoryAllocator-devel \
    vulkan-validation-layers vulkan-tools catch-devel google-benchmark-devel glm-devel \
    json-devel stb-devel cli11-devel openblas-devel mesa-vulkan-drivers
TEXT
    Linux*" arch "*)
      cat <<'TEXT' ;;
Arch and relatives:
  sudo pacman -S --needed cmake ninja gcc git glslang spirv-tools spirv-headers \
    vulkan-headers vulkan-icd-loader vulkan-validation-layers vulkan-tools volk \
    vulkan-memory-allocator catch2 benchmark glm nlohmann-json stb cli11 openblas vulkan-swrast
TEXT
    Darwin*)
      cat <<'TEXT' ;;
macOS: the Vulkan SDK (LunarG) with its volk, VMA and GLM components and VULKAN_SDK set, then
  brew install cmake ninja catch2 google-benchmark nlohmann-json cli11 stb
TEXT
    MINGW* | MSYS* | CYGWIN*)
      cat <<'TEXT' ;;
Windows: Visual Studio 2022 with C++, the Vulkan SDK (LunarG) with its volk, VMA and GLM
components, and vcpkg install catch2 benchmark nlohmann-json cli11 stb; then in a developer prompt
  cmake --workflow --preset demo
TEXT
    *)
      cat <<'TEXT' ;;
The Vulkan SDK (LunarG) has the headers, loader, layers, glslang, SPIRV-Tools, volk, VMA and GLM.
The rest comes from your system's packages: a C++23 compiler, CMake 3.25, ninja, git, Catch2 3,
Google Benchmark, nlohmann-json, CLI11, stb, and a Vulkan 1.3 driver (Mesa's lavapipe is one
that runs on the CPU).
TEXT
  esac
}

setup_by_hand() {
  local missing
  missing=$(probe)
  if [ -z "$missing" ]; then
    say "setup: everything needed is here"
    return 0
  fi
  say "setup: this system has no apt, so these have to be installed by hand:"
  printf '%s\n' "$missing" | sed 's/^/  /'
  say ""
  advise
  exit 1
}
