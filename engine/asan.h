/* SPDX-License-Identifier: Apache-2.0 */
/* AddressSanitizer knows what malloc has freed; of the engine's own memory these two lines tell it.
 * Nothing in other builds. */
#ifndef STAMPEDE_ASAN_H
#define STAMPEDE_ASAN_H

#if defined(__SANITIZE_ADDRESS__)
#define STAMPEDE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STAMPEDE_ASAN 1
#endif
#endif

#ifdef STAMPEDE_ASAN
#include <sanitizer/asan_interface.h>
#define ASAN_POISON(memory, bytes)   ASAN_POISON_MEMORY_REGION(memory, bytes)
#define ASAN_UNPOISON(memory, bytes) ASAN_UNPOISON_MEMORY_REGION(memory, bytes)
#else
#define ASAN_POISON(memory, bytes)   ((void)(memory), (void)(bytes))
#define ASAN_UNPOISON(memory, bytes) ((void)(memory), (void)(bytes))
#endif

#endif
