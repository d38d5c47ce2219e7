# Warnings, language level and sanitizers, the same for every target of the project.

function(weft_compiler_settings target)
  target_compile_features(${target} PUBLIC cxx_std_23)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF CXX_VISIBILITY_PRESET hidden
                        VISIBILITY_INLINES_HIDDEN ON POSITION_INDEPENDENT_CODE ON)
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
  if(WEFT_NO_EXCEPTIONS AND "${target}" MATCHES "^weft(_io)?$")
    target_compile_options(${target} PRIVATE -fno-exceptions -fno-rtti)
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
