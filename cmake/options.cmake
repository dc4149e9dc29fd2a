# SPDX-License-Identifier: Apache-2.0
#
# How everything here is compiled and linked: one interface target, stampede_options, which every target of ours links
# PRIVATE. Nothing is appended to the global CMAKE_C_FLAGS.

include(CheckIPOSupported)
include(CheckPIESupported)

option(STAMPEDE_WERROR "Warnings are errors (on in development and in the tests' builds; off for packagers)" OFF)
option(STAMPEDE_HARDENING "Hardening flags of the compiler and the linker" OFF)
option(STAMPEDE_LTO "Link-time optimization, where the toolchain can" OFF)
option(STAMPEDE_COVERAGE "Instrument for gcov" OFF)
set(STAMPEDE_SANITIZE "" CACHE STRING "Empty, address (with undefined, and the fuzz targets), or thread")
set_property(CACHE STAMPEDE_SANITIZE PROPERTY STRINGS "" address thread)

add_library(stampede_options INTERFACE)

target_compile_definitions(stampede_options INTERFACE
  _GNU_SOURCE
  STAMPEDE_VERSION="${PROJECT_VERSION}")

# -UNDEBUG: assertions stay on in every build type; CMake's release types would switch them off.
# -fmacro-prefix-map: __FILE__ (assertions) names a path in the repository, not on the machine that built it.
target_compile_options(stampede_options INTERFACE
  -UNDEBUG
  "-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/="
  -Wall -Wextra
  -Wconversion -Wsign-conversion
  -Wshadow
  -Wstrict-prototypes -Wmissing-prototypes
  -Wswitch-enum
  -Wvla
  -Wformat=2
  -Wundef
  # Bounds are enumeration constants here, and some are multiplied with rates; clang 19's -Wconversion minds.
  $<$<C_COMPILER_ID:Clang>:-Wno-enum-float-conversion>
  $<$<BOOL:${STAMPEDE_WERROR}>:-Werror>)

# What gcc 12 and clang 14 both know, and what only one of them does. Sanitizers and _FORTIFY_SOURCE hide each other's
# findings, so no preset has both.
if(STAMPEDE_HARDENING)
  if(STAMPEDE_SANITIZE)
    message(FATAL_ERROR "STAMPEDE_HARDENING and STAMPEDE_SANITIZE exclude each other")
  endif()
  target_compile_options(stampede_options INTERFACE
    -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
    -fstack-protector-strong
    -fstack-clash-protection
    -fno-strict-overflow
    $<$<STREQUAL:${CMAKE_SYSTEM_PROCESSOR},x86_64>:-fcf-protection=full>
    $<$<STREQUAL:${CMAKE_SYSTEM_PROCESSOR},aarch64>:-mbranch-protection=standard>
    $<$<C_COMPILER_ID:GNU>:-ftrivial-auto-var-init=zero>)
  target_link_options(stampede_options INTERFACE LINKER:-z,relro,-z,now,-z,noexecstack)
endif()

check_pie_supported(LANGUAGES C)

if(STAMPEDE_LTO)
  check_ipo_supported(RESULT lto_supported OUTPUT lto_output LANGUAGES C)
  if(lto_supported)
    set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
      # The libraries hold machine code too, so that the many unit tests link without optimizing everything again.
      target_compile_options(stampede_options INTERFACE -ffat-lto-objects)
    endif()
  else()
    message(STATUS "link-time optimization is left out: the toolchain cannot")
  endif()
endif()

if(STAMPEDE_SANITIZE AND NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "STAMPEDE_SANITIZE needs clang: run ./scripts/setup test and use the presets asan, tsan")
endif()
if(STAMPEDE_SANITIZE STREQUAL "address")
  # Counted for the fuzz targets, too. Each of them adds -fsanitize=fuzzer itself, for it brings a main().
  set(sanitizers -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
elseif(STAMPEDE_SANITIZE STREQUAL "thread")
  set(sanitizers -fsanitize=thread "-fsanitize-ignorelist=${PROJECT_SOURCE_DIR}/tests/tsan.ignorelist")
  # The hand-over that the ignored ring functions perform is told to the sanitizer by engine/tsan.h.
elseif(STAMPEDE_SANITIZE)
  message(FATAL_ERROR "STAMPEDE_SANITIZE is '${STAMPEDE_SANITIZE}': use address or thread")
endif()
if(STAMPEDE_SANITIZE)
  target_compile_options(stampede_options INTERFACE ${sanitizers} -fno-omit-frame-pointer)
  target_link_options(stampede_options INTERFACE ${sanitizers})
endif()

if(STAMPEDE_COVERAGE)
  # Atomic counters: shards run the same lines at the same time.
  target_compile_options(stampede_options INTERFACE --coverage -fprofile-update=atomic)
  target_link_options(stampede_options INTERFACE --coverage)
endif()
