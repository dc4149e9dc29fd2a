/* SPDX-License-Identifier: Apache-2.0 */
/* ThreadSanitizer does not see the order that ck's primitives make; these two lines tell it, where
 * a message is sent and where it is received. Nothing in other builds. */
#ifndef STAMPEDE_TSAN_H
#define STAMPEDE_TSAN_H

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define STAMPEDE_TSAN 1
#endif
#endif

#ifdef STAMPEDE_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define TSAN_RELEASE(address) __tsan_release((void *)(address))
#define TSAN_ACQUIRE(address) __tsan_acquire((void *)(address))
#else
#define TSAN_RELEASE(address) ((void)(address))
#define TSAN_ACQUIRE(address) ((void)(address))
#endif

#endif
