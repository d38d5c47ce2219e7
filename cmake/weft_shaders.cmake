# Compiles the WEFT_SHADER lines of kernels.def to SPIR-V and embeds the words. WEFT_SPIRV_DIR names the shaders/
# folder of another, finished build tree instead: a second build (another target, another flavour) then needs no
# shader compiler.
set(WEFT_SPIRV_DIR "" CACHE PATH "Folder of compiled shaders to embed; empty: compile them")
mark_as_advanced(WEFT_SPIRV_DIR)

function(weft_embed_shaders target list folder)
  set(source_dir ${CMAKE_CURRENT_SOURCE_DIR}/${folder})
  set(out_dir ${CMAKE_CURRENT_BINARY_DIR}/shaders)
  set(header_dir ${out_dir})
  if(WEFT_SPIRV_DIR)
    set(header_dir ${WEFT_SPIRV_DIR})
  endif()
  file(MAKE_DIRECTORY ${out_dir})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${list})
  file(STRINGS ${list} lines REGEX "^WEFT_SHADER\\(")
  set(embedded "#include <cstdint>\n")
  set(headers)
  foreach(line IN LISTS lines)
    string(REGEX MATCH "^WEFT_SHADER\\( *([a-z0-9_]+) *, *([a-z0-9_.]+) *, *([^)]*)\\)" matched "${line}")
    if(NOT matched)
      message(FATAL_ERROR "weft: ${list}: this line is not WEFT_SHADER(id, source, flags): ${line}")
    endif()
    set(id ${CMAKE_MATCH_1})
    set(source ${source_dir}/${CMAKE_MATCH_2})
    separate_arguments(flags UNIX_COMMAND "${CMAKE_MATCH_3}")
    set(header ${header_dir}/${id}.spv.h)
    if(NOT WEFT_SPIRV_DIR)
      add_custom_command(
        OUTPUT ${header}
        COMMAND ${WEFT_GLSLANG} --quiet --target-env vulkan1.3 -I${source_dir} ${flags}
                --vn weft_spirv_${id} --depfile ${header}.d -o ${header} ${source}
        DEPENDS ${source} DEPFILE ${header}.d
        COMMENT "Compiling ${id}" VERBATIM)
    endif()
    list(APPEND headers ${header})
    string(APPEND embedded "extern const uint32_t weft_spirv_${id}[];\n#include \"${id}.spv.h\"\n"
           "extern const uint32_t weft_spirv_${id}_words = sizeof(weft_spirv_${id}) / 4;\n")
  endforeach()
  file(CONFIGURE OUTPUT ${out_dir}/shaders.cpp CONTENT "${embedded}" @ONLY)
  set_source_files_properties(${out_dir}/shaders.cpp PROPERTIES OBJECT_DEPENDS "${headers}"
                              INCLUDE_DIRECTORIES ${header_dir})
  target_sources(${target} PRIVATE ${out_dir}/shaders.cpp)
endfunction()
