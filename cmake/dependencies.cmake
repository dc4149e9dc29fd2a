# SPDX-License-Identifier: Apache-2.0
#
# The foreign libraries, each as an imported target PkgConfig::<NAME>. A layer links what it uses, PRIVATE, so that no
# layer sees another one's libraries on its link line.

find_package(PkgConfig)
if(NOT PkgConfig_FOUND)
  message(FATAL_ERROR "pkg-config is missing: run ./scripts/setup build")
endif()

# stampede_find_library(NAME MODULE...): the first of the modules that exists (names differ between releases).
function(stampede_find_library name)
  pkg_search_module(${name} QUIET IMPORTED_TARGET GLOBAL ${ARGN})
  if(NOT ${name}_FOUND)
    list(JOIN ARGN " or " modules)
    message(FATAL_ERROR "the library ${modules} is missing: run ./scripts/setup build")
  endif()
  # Debian 13's msgpack-c.pc names the folder "include": a path from nowhere, which CMake rightly refuses.
  get_target_property(folders PkgConfig::${name} INTERFACE_INCLUDE_DIRECTORIES)
  if(folders)
    list(FILTER folders INCLUDE REGEX "^/")
    set_target_properties(PkgConfig::${name} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${folders}")
  endif()
  message(STATUS "${${name}_MODULE_NAME} ${${name}_VERSION}")
endfunction()

stampede_find_library(UV libuv)
stampede_find_library(CK ck)
stampede_find_library(ROCKSDB rocksdb)
stampede_find_library(MSGPACK msgpack-c msgpack)
stampede_find_library(SODIUM libsodium)
stampede_find_library(CRYPTO libcrypto)
stampede_find_library(CYAML libcyaml)
stampede_find_library(YAML yaml-0.1)
stampede_find_library(CURL libcurl)
stampede_find_library(LLHTTP libllhttp)
stampede_find_library(YYJSON yyjson)
stampede_find_library(OPENSSL openssl)
stampede_find_library(HIREDIS hiredis)
stampede_find_library(GROONGA groonga)
stampede_find_library(ZLIB zlib)
stampede_find_library(BROTLI libbrotlienc)

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
