/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli; RFC 3720, appendix B.4): of records and of the watermark's slots. By the
 * processor's own instruction where there is one. Pure; any thread. */
#ifndef STAMPEDE_CRC32C_H
#define STAMPEDE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues `crc` (0 to begin) over `bytes`: crc32c(crc32c(0, a), b) is that of a and b together.
 */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t length);

/* The same without the processor's instruction, for tests. */
uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t length);

#endif
