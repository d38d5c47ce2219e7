# Compiles the WEFT_SHADER lines of kernels.def to SPIR-V and embeds the words. WEFT_SPIRV_DIR names the shaders/
# folder of another, finished build tree instead: a second build (another target, another flavour) then needs no
# shader compiler.
set(WEFT_SPIRV_DIR "" CACHE PATH "Folder of compiled shaders to embed; empty: compile them")
mark_as_advanced(WEFT_SPIRV_DIR)

# Modules with these flags are compiled where the shader compiler has the extension: GL_NV_cooperative_matrix2 came with
# glslang 15, GL_EXT_bfloat16 with 16. Elsewhere they are empty, and selection refuses their rows.
set(weft_extension_WEFT_BF16 GL_EXT_bfloat16)
set(weft_extension_WEFT_MATRIX2 GL_NV_cooperative_matrix2)

function(weft_probe_module result id flags)
  set(${result} ON PARENT_SCOPE)
  foreach(flag IN ITEMS WEFT_BF16 WEFT_MATRIX2)
    if(NOT "-D${flag}" IN_LIST flags)
      continue()
    endif()
    if(WEFT_SPIRV_DIR)
      if(NOT EXISTS ${WEFT_SPIRV_DIR}/${id}.spv.h)
        set(${result} OFF PARENT_SCOPE)
      endif()
    else()
      set(probe ${CMAKE_CURRENT_BINARY_DIR}/shaders/probe_${flag}.comp)
      file(WRITE ${probe} "#version 460\n#extension ${weft_extension_${flag}} : require\nvoid main() {}\n")
      execute_process(COMMAND ${WEFT_GLSLANG} --quiet --target-env vulkan1.3 -o ${probe}.spv ${probe}
                      RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
      if(failed)
        set(${result} OFF PARENT_SCOPE)
      endif()
    endif()
  endforeach()
endfunction()

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
  set(absent)
  foreach(line IN LISTS lines)
    string(REGEX MATCH "^WEFT_SHADER\\( *([a-z0-9_]+) *, *([a-z0-9_.]+) *, *([^)]*)\\)" matched "${line}")
    if(NOT matched)
      message(FATAL_ERROR "weft: ${list}: this line is not WEFT_SHADER(id, source, flags): ${line}")
    endif()
    set(id ${CMAKE_MATCH_1})
    set(source ${source_dir}/${CMAKE_MATCH_2})
    separate_arguments(flags UNIX_COMMAND "${CMAKE_MATCH_3}")
    set(header ${header_dir}/${id}.spv.h)
    weft_probe_module(available ${id} "${flags}")
    if(NOT available)
      string(APPEND embedded "extern const uint32_t weft_spirv_${id}[];\nconst uint32_t weft_spirv_${id}[] = {0};\n"
             "extern const uint32_t weft_spirv_${id}_words = 0;\n")
      string(TOUPPER WEFT_NO_${id} definition)
      list(APPEND absent ${definition})
      continue()
    endif()
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
  string(REGEX REPLACE "def$" "cpp" rows ${list})  # tells selection
  set_source_files_properties(${rows} PROPERTIES COMPILE_DEFINITIONS "${absent}")
endfunction()
