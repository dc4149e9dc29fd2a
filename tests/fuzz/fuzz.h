/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets share: the entry point's prototype, and a hash to compare long outputs by.
 * A finding is a sanitizer's report or a failed assert; both abort, and libFuzzer keeps the input.
 */
#ifndef STAMPEDE_FUZZ_H
#define STAMPEDE_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#define FUZZ_HASH_START UINT64_C(0xcbf29ce484222325)

/* libFuzzer calls it for each input. Always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* FNV-1a, to be continued: the same for the same bytes, however they are cut. */
static inline uint64_t fuzz_hash(uint64_t hash, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}

#endif
