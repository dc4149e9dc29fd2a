/* SPDX-License-Identifier: Apache-2.0 */
#include "api/compress.h"

#include <assert.h>

size_t compress_body(enum content_coding coding, enum compress_effort effort, const void *body,
                     size_t length, void *target, size_t capacity)
{
    switch (coding) {
    case CODING_GZIP:
        return compress_gzip(effort, body, length, target, capacity);
    case CODING_BROTLI:
        return compress_brotli(effort, body, length, target, capacity);
    case CODING_IDENTITY:
    case CODING_COUNT:
        break;
    }
    assert(false && "a coding that compresses");
    return 0;
}
