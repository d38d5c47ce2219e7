# What an installed weft is: the libraries, the public headers, a CMake package and pkg-config files, all of them
# free to be moved together.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(weft_targets weft)
file(GLOB weft_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/runtime/include/weft/*.h*)
if(WEFT_BUILD_IO)
  list(APPEND weft_targets weft_io)
else()
  list(FILTER weft_headers EXCLUDE REGEX "/(checkpoint|elements|image|npy|safetensors)\\.h(pp)?$")
endif()
install(FILES ${weft_headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/weft)
install(FILES ${PROJECT_SOURCE_DIR}/runtime/include/weft.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/licenses/weft)

# The C++ runtime, which apps that link as C have to be told of if the library is static.
set(weft_runtime)
if(NOT BUILD_SHARED_LIBS)
  set(weft_runtime ${CMAKE_CXX_IMPLICIT_LINK_LIBRARIES})
  list(REMOVE_ITEM weft_runtime ${CMAKE_C_IMPLICIT_LINK_LIBRARIES})
endif()

# find_package(weft [COMPONENTS io])
set(weft_package ${CMAKE_INSTALL_LIBDIR}/cmake/weft)
install(TARGETS ${weft_targets} EXPORT weft_targets INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT weft_targets NAMESPACE weft:: FILE weft-targets.cmake DESTINATION ${weft_package})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/weft-config.cmake.in weft-config.cmake
                              INSTALL_DESTINATION ${weft_package} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(weft-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/weft-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/weft-config-version.cmake
        DESTINATION ${weft_package})

# pkg-config. A static library names what it needs itself.
set(weft_pc_folder ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH weft_pc_up /${weft_pc_folder} /)
string(REGEX REPLACE "/$" "" weft_pc_up "${weft_pc_up}")
if(BUILD_SHARED_LIBS)
  set(weft_pc_flags " -DWEFT_SHARED")
else()
  list(TRANSFORM weft_runtime PREPEND " -l" OUTPUT_VARIABLE weft_pc_libraries)
  list(TRANSFORM CMAKE_DL_LIBS PREPEND " -l" OUTPUT_VARIABLE weft_pc_dl)
  string(JOIN "" weft_pc_libraries ${weft_pc_libraries} ${weft_pc_dl} " ${CMAKE_THREAD_LIBS_INIT}")
  string(REGEX REPLACE " +$" "" weft_pc_libraries "${weft_pc_libraries}")
endif()
configure_file(${PROJECT_SOURCE_DIR}/cmake/weft.pc.in weft.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/weft.pc DESTINATION ${weft_pc_folder})
if(WEFT_BUILD_IO)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/weft-io.pc.in weft-io.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/weft-io.pc DESTINATION ${weft_pc_folder})
endif()
