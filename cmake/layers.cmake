# SPDX-License-Identifier: Apache-2.0
#
# stampede_layer(NAME [DIRECTORY dir] [EXCLUDE regex] [PUBLIC targets...] [PRIVATE targets...])
#
# The static library NAME of a layer. The rule of the house: every .c file of the layer's folder, at any depth, is of
# that layer, so there are no lists to keep. The folder itself is the include path that users of the layer inherit.
function(stampede_layer name)
  cmake_parse_arguments(PARSE_ARGV 1 layer "" "DIRECTORY;EXCLUDE" "PUBLIC;PRIVATE")
  if(NOT layer_DIRECTORY)
    set(layer_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  endif()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS LIST_DIRECTORIES false "${layer_DIRECTORY}/*.c")
  if(layer_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX "${layer_EXCLUDE}")
  endif()
  if(NOT sources)
    add_library(${name} INTERFACE)
    target_include_directories(${name} INTERFACE "${layer_DIRECTORY}")
    target_link_libraries(${name} INTERFACE ${layer_PUBLIC})
    return()
  endif()
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} PUBLIC "${layer_DIRECTORY}")
  target_link_libraries(${name} PUBLIC ${layer_PUBLIC} PRIVATE stampede_options ${layer_PRIVATE})
endfunction()
