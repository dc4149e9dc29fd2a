/* SPDX-License-Identifier: Apache-2.0 */
/* Some library's flags define it; then a function that is called mmap here has another name. */
#undef _FILE_OFFSET_BITS

#include "api/password_memory.h"

#include <assert.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "api/password.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PASSWORD_MEMORY_UNSUPPORTED 1
#endif
#endif
#if !defined(__GLIBC__) || !defined(__LP64__) || !defined(SYS_mmap)
#define PASSWORD_MEMORY_UNSUPPORTED 1
#endif

#ifdef PASSWORD_MEMORY_UNSUPPORTED

void password_memory_lend(void)
{
}

bool password_memory_return(void)
{
    return false;
}

bool password_memory_is_supported(void)
{
    return false;
}

#else

/* argon2's blocks, and what libsodium adds to align them. */
static const size_t bytes_kept = PASSWORD_MEMORY_BYTES + 4096;

/* A thread's own. `is_lending`: the next mapping that fits is of `bytes`. */
static _Thread_local struct {
    void *bytes;
    size_t used;
    bool is_lending;
    bool is_mapped; /* libsodium has it */
} kept;

static pthread_key_t at_thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool has_key;

static void *map(void *address, size_t length, int protection, int flags, int file, off_t offset)
{
    return (void *)syscall(SYS_mmap, address, length, protection, flags, file, offset);
}

static void give_up(void *bytes)
{
    kept.bytes = NULL;
    (void)syscall(SYS_munmap, bytes, bytes_kept);
}

static void make_key(void)
{
    has_key = pthread_key_create(&at_thread_end, give_up) == 0;
}

static void keep_memory(void)
{
    (void)pthread_once(&once, make_key);
    if (!has_key)
        return;
    void *bytes = map(NULL, bytes_kept, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (bytes == MAP_FAILED)
        return;
    (void)madvise(bytes, bytes_kept, MADV_DONTDUMP);
    if (pthread_setspecific(at_thread_end, bytes) == 0)
        kept.bytes = bytes;
    else
        give_up(bytes);
}

void password_memory_lend(void)
{
    assert(!kept.is_lending && !kept.is_mapped);
    if (kept.bytes == NULL)
        keep_memory();
    kept.is_lending = kept.bytes != NULL;
    kept.used = 0;
}

bool password_memory_return(void)
{
    assert(!kept.is_mapped);
    bool was_used = kept.used > 0;

    if (was_used)
        password_wipe(kept.bytes, kept.used);
    kept.is_lending = false;
    kept.used = 0;
    return was_used;
}

bool password_memory_is_supported(void)
{
    return true;
}

/* ---- instead of the C library's, for this program and the libraries that it is linked with ----
 */

#define EXPORTED __attribute__((visibility("default"), used))

EXPORTED void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset)
{
    bool is_plain = address == NULL && file == -1 && protection == (PROT_READ | PROT_WRITE) &&
                    (flags & (MAP_PRIVATE | MAP_ANONYMOUS)) == (MAP_PRIVATE | MAP_ANONYMOUS);

    if (!kept.is_lending || !is_plain || length > bytes_kept)
        return map(address, length, protection, flags, file, offset);
    kept.is_lending = false;
    kept.is_mapped = true;
    kept.used = length;
    return kept.bytes;
}

EXPORTED int munmap(void *address, size_t length)
{
    if (!kept.is_mapped || address != kept.bytes)
        return (int)syscall(SYS_munmap, address, length);
    kept.is_mapped = false;
    return 0;
}

#endif
