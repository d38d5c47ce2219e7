# Warnings, language level, visibility and sanitizers, the same for every target of the project.
include(CheckLinkerFlag)

function(weft_compiler_settings target)
  target_compile_features(${target} PUBLIC cxx_std_23)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF CXX_VISIBILITY_PRESET hidden
                        C_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON POSITION_INDEPENDENT_CODE ON)
  if(MSVC)
    target_compile_options(${target} PRIVATE /W4 /permissive- /utf-8 $<$<BOOL:${WEFT_WERROR}>:/WX>)
    target_compile_definitions(${target} PRIVATE NOMINMAX _CRT_SECURE_NO_WARNINGS)
  else()
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wno-missing-field-initializers
                           $<$<BOOL:${WEFT_WERROR}>:-Werror>)
    # GCC 12 sees overlaps in std::string concatenation that are not there (its bug 105651).
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
      target_compile_options(${target} PRIVATE -Wno-restrict)
    endif()
  endif()
  if(WEFT_SANITIZE)
    target_compile_options(${target} PUBLIC -fsanitize=${WEFT_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=${WEFT_SANITIZE})
  endif()
endfunction()

# A program of the project.
function(weft_program name)
  cmake_parse_arguments(PARSE_ARGV 1 program "" "" "SOURCES;LIBRARIES")
  add_executable(${name} ${program_SOURCES})
  weft_compiler_settings(${name})
  target_link_libraries(${name} PRIVATE ${program_LIBRARIES})
endfunction()

# A library that is installed: static or shared as BUILD_SHARED_LIBS says, known to apps as weft::<EXPORT_NAME>.
# BUILDING is the macro that export.hpp asks for while a shared one is built.
function(weft_library name)
  cmake_parse_arguments(PARSE_ARGV 1 library "" "EXPORT_NAME;BUILDING" "SOURCES")
  add_library(${name} ${library_SOURCES})
  add_library(weft::${library_EXPORT_NAME} ALIAS ${name})
  weft_compiler_settings(${name})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/runtime
                             PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/runtime/include>)
  set_target_properties(${name} PROPERTIES
    EXPORT_NAME ${library_EXPORT_NAME} DEFINE_SYMBOL ${library_BUILDING} VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  if(WEFT_NO_EXCEPTIONS AND MSVC)
    target_compile_options(${name} PRIVATE /EHs-c- /GR-)
    target_compile_definitions(${name} PRIVATE _HAS_EXCEPTIONS=0)
  elseif(WEFT_NO_EXCEPTIONS)
    target_compile_options(${name} PRIVATE -fno-exceptions -fno-rtti)
  endif()
  get_target_property(type ${name} TYPE)
  if(NOT type STREQUAL "SHARED_LIBRARY")
    return()
  endif()
  target_compile_definitions(${name} PUBLIC WEFT_SHARED)
  if(APPLE)  # weft::io finds weft beside itself
    set_target_properties(${name} PROPERTIES INSTALL_RPATH @loader_path)
  else()
    set_target_properties(${name} PROPERTIES INSTALL_RPATH $ORIGIN)
  endif()
  if(MSVC)  # private members and pure bases of exported classes are of types that are not exported
    target_compile_options(${name} PUBLIC /wd4251 /wd4275)
  endif()
  # The standard library marks its templates as visible; the version script keeps our instances inside.
  set(script ${PROJECT_SOURCE_DIR}/cmake/weft_exports.map)
  check_linker_flag(CXX -Wl,--version-script=${script} WEFT_HAVE_VERSION_SCRIPT)
  if(WEFT_HAVE_VERSION_SCRIPT AND NOT WIN32)
    target_link_options(${name} PRIVATE -Wl,--version-script=${script})
    set_property(TARGET ${name} APPEND PROPERTY LINK_DEPENDS ${script})
  endif()
endfunction()
