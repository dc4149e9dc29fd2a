/* SPDX-License-Identifier: Apache-2.0 */
/* The memory that passwords are hashed in: mapped once a thread, and kept.
 *
 * libsodium maps argon2id's memory anew for each hash, all its pages at once, and unmaps it after:
 * more than half of a hash's CPU, and all that time under the lock on the process's memory. A
 * worker runs only where nobody else has anything to do: preempted, it keeps that lock, and a
 * shard, the committer or a thread of RocksDB that asks the kernel for memory waits for it; and
 * each unmapping interrupts the cores of all other threads. libsodium has no way to be given
 * memory. So password_memory.c defines mmap and munmap for the program: they are the system's, but
 * for the one request that libsodium makes between password_memory_lend and _return.
 *
 * Without it (sanitizers have an mmap of their own, as has a libsodium linked statically with the C
 * library) hashes are the same, and slower. */
#ifndef STAMPEDE_PASSWORD_MEMORY_H
#define STAMPEDE_PASSWORD_MEMORY_H

#include <stdbool.h>

/* Between these two, the calling thread's first private mapping of at most PASSWORD_MEMORY_MAPPED
 * is in memory that the thread keeps until it ends. Not nested. */
void password_memory_lend(void);

/* Overwrites what was used: whoever could read it would guess at a password for a hundredth of a
 * hash's cost. False if nothing was asked for (no memory, other parameters, or not supported). */
bool password_memory_return(void);

/* Whether this build can. */
bool password_memory_is_supported(void);

#endif
