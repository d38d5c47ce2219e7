# What the project stands on. Names the package in every error, so that a failed configure says what to install.

find_package(Threads REQUIRED)

# find_path that stops with the packages to install.
function(weft_require_header variable header packages)
  find_path(${variable} ${header} PATH_SUFFIXES volk vma stb
            HINTS $ENV{VULKAN_SDK}/include $ENV{VULKAN_SDK}/Include)
  if(NOT ${variable})
    message(FATAL_ERROR "weft: ${header} was not found; install ${packages} (scripts/setup does)")
  endif()
  mark_as_advanced(${variable})
endfunction()

find_program(WEFT_GLSLANG NAMES glslangValidator glslang HINTS $ENV{VULKAN_SDK}/bin $ENV{VULKAN_SDK}/Bin)
if(NOT WEFT_GLSLANG)
  message(FATAL_ERROR "weft: glslangValidator was not found; install glslang-tools or the Vulkan SDK (scripts/setup does)")
endif()

# The library itself: Vulkan headers, volk, Vulkan Memory Allocator, all used as headers.
weft_require_header(WEFT_VULKAN_INCLUDE vulkan/vulkan_core.h "libvulkan-dev or the Vulkan SDK")
weft_require_header(WEFT_VOLK_INCLUDE volk.h "libvulkan-volk-dev or the Vulkan SDK")
weft_require_header(WEFT_VMA_INCLUDE vk_mem_alloc.h "libvulkan-memory-allocator-dev or the Vulkan SDK")
add_library(weft_vulkan_dependencies INTERFACE)
target_include_directories(weft_vulkan_dependencies SYSTEM INTERFACE
  ${WEFT_VULKAN_INCLUDE} ${WEFT_VOLK_INCLUDE} ${WEFT_VMA_INCLUDE})

# Files: JSON and images.
weft_require_header(WEFT_JSON_INCLUDE nlohmann/json.hpp "nlohmann-json3-dev")
weft_require_header(WEFT_STB_FOLDER stb_image.h "libstb-dev")
add_library(weft_io_dependencies INTERFACE)
target_include_directories(weft_io_dependencies SYSTEM INTERFACE ${WEFT_JSON_INCLUDE} ${WEFT_STB_FOLDER})

# Programs: command lines, geometry and colour.
if(WEFT_BUILD_SAMPLES OR WEFT_BUILD_TESTS OR WEFT_BUILD_BENCH)
  weft_require_header(WEFT_CLI11_INCLUDE CLI/CLI.hpp "libcli11-dev")
  weft_require_header(WEFT_GLM_INCLUDE glm/glm.hpp "libglm-dev")
  add_library(weft_program_dependencies INTERFACE)
  target_include_directories(weft_program_dependencies SYSTEM INTERFACE
    ${WEFT_CLI11_INCLUDE} ${WEFT_GLM_INCLUDE} ${WEFT_JSON_INCLUDE})
endif()
if(WEFT_BUILD_TESTS)
  find_package(Catch2 3 REQUIRED)
endif()
if(WEFT_BUILD_BENCH)
  find_package(benchmark REQUIRED)
endif()
