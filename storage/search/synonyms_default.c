/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of data/search-synonyms.txt in the program, ended by a zero: the build names the file.
 */
#include "search/synonyms.h"

#ifndef STAMPEDE_SYNONYMS_PATH
#error "the build defines STAMPEDE_SYNONYMS_PATH: where data/search-synonyms.txt is"
#endif

__asm__(".pushsection .rodata\n"
        ".globl synonyms_default\n"
        ".hidden synonyms_default\n"
        "synonyms_default:\n"
        ".incbin \"" STAMPEDE_SYNONYMS_PATH "\"\n"
        ".byte 0\n"
        ".popsection\n");
