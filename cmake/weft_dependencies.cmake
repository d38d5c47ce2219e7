# What the project stands on. Names the package in every error, so that a failed configure says what to install.

find_package(Threads REQUIRED)

# weft_require_header(VARIABLE HEADER PACKAGES [PARTS...]): the folder of a header, or an error that says what to
# install. Cross compilers must not see the host's include folder, where its C library's headers are too:
# they get a folder of links to the PARTS (default: the header) that are wanted from it.
function(weft_require_header variable header packages)
  find_path(${variable} ${header} PATH_SUFFIXES volk vma stb CMAKE_FIND_ROOT_PATH_BOTH
            HINTS $ENV{VULKAN_SDK}/include $ENV{VULKAN_SDK}/Include)
  if(NOT ${variable})
    message(FATAL_ERROR "weft: ${header} was not found; install ${packages} (scripts/setup does)")
  endif()
  mark_as_advanced(${variable})
  if(CMAKE_CROSSCOMPILING)
    set(links ${CMAKE_CURRENT_BINARY_DIR}/host_headers)
    file(MAKE_DIRECTORY ${links})
    foreach(part IN LISTS ARGN ITEMS ${header})
      string(REGEX REPLACE "/.*" "" part ${part})
      if(EXISTS ${${variable}}/${part})
        file(CREATE_LINK ${${variable}}/${part} ${links}/${part} SYMBOLIC)
      endif()
    endforeach()
    set(${variable} ${links} PARENT_SCOPE)
  endif()
endfunction()

if(NOT WEFT_SPIRV_DIR)
  find_program(WEFT_GLSLANG NAMES glslangValidator glslang HINTS $ENV{VULKAN_SDK}/bin $ENV{VULKAN_SDK}/Bin)
  if(NOT WEFT_GLSLANG)
    message(FATAL_ERROR "weft: glslangValidator was not found; install glslang-tools or the Vulkan SDK (scripts/setup does)")
  endif()
endif()

# The library itself: Vulkan headers and Vulkan Memory Allocator, used as headers.
weft_require_header(WEFT_VULKAN_INCLUDE vulkan/vulkan_core.h "libvulkan-dev or the Vulkan SDK" vk_video)
weft_require_header(WEFT_VMA_INCLUDE vk_mem_alloc.h "libvulkan-memory-allocator-dev or the Vulkan SDK")
add_library(weft_vulkan_dependencies INTERFACE)
target_include_directories(weft_vulkan_dependencies SYSTEM INTERFACE
  ${WEFT_VULKAN_INCLUDE} ${WEFT_VMA_INCLUDE})

# Files: JSON and images.
if(WEFT_BUILD_IO OR WEFT_BUILD_BENCH)
  weft_require_header(WEFT_JSON_INCLUDE nlohmann/json.hpp "nlohmann-json3-dev")
endif()
if(WEFT_BUILD_IO)
  weft_require_header(WEFT_STB_FOLDER stb_image.h "libstb-dev"
                      stb_image_write.h stb_image_resize2.h stb_image_resize.h)
  add_library(weft_io_dependencies INTERFACE)
  target_include_directories(weft_io_dependencies SYSTEM INTERFACE ${WEFT_JSON_INCLUDE} ${WEFT_STB_FOLDER})
endif()

# Programs: command lines, geometry and colour, and a Vulkan loader library for the app of embed_vulkan.
if(WEFT_BUILD_SAMPLES OR WEFT_BUILD_TESTS OR WEFT_BUILD_BENCH)
  weft_require_header(WEFT_CLI11_INCLUDE CLI/CLI.hpp "libcli11-dev")
  weft_require_header(WEFT_GLM_INCLUDE glm/glm.hpp "libglm-dev")
  weft_require_header(WEFT_VOLK_INCLUDE volk.h "libvulkan-volk-dev or the Vulkan SDK" volk.c)
  add_library(weft_program_dependencies INTERFACE)
  target_include_directories(weft_program_dependencies SYSTEM INTERFACE
    ${WEFT_CLI11_INCLUDE} ${WEFT_GLM_INCLUDE} ${WEFT_JSON_INCLUDE} ${WEFT_VULKAN_INCLUDE} ${WEFT_VOLK_INCLUDE})
endif()
if(WEFT_BUILD_TESTS)
  find_package(Catch2 3 REQUIRED)
endif()
if(WEFT_BUILD_BENCH)
  find_package(benchmark REQUIRED)
endif()
