/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of net/api/common_passwords.txt in the program: the build names the file. */
#include "api/common_passwords.h"

#include <string.h>

#ifndef STAMPEDE_COMMON_PASSWORDS_PATH
#error "the build defines STAMPEDE_COMMON_PASSWORDS_PATH: where common_passwords.txt is"
#endif

__asm__(".pushsection .rodata\n"
        ".globl stampede_common_passwords\n"
        ".hidden stampede_common_passwords\n"
        "stampede_common_passwords:\n"
        ".incbin \"" STAMPEDE_COMMON_PASSWORDS_PATH "\"\n"
        ".globl stampede_common_passwords_end\n"
        ".hidden stampede_common_passwords_end\n"
        "stampede_common_passwords_end:\n"
        ".byte 0\n"
        ".popsection\n");

extern const char stampede_common_passwords[];
extern const char stampede_common_passwords_end[];

/* As memcmp of the longer of both: the order of the list. */
static int compare(const char *a, size_t a_length, const char *b, size_t b_length)
{
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);

    if (order != 0)
        return order;
    return a_length < b_length ? -1 : a_length > b_length;
}

bool common_passwords_have(const char *password, size_t length)
{
    /* Both are always the beginning of a line; what is looked for is between them. */
    const char *from = stampede_common_passwords;
    const char *to = stampede_common_passwords_end;

    while (from < to) {
        const char *line = from + (to - from) / 2;

        while (line > from && line[-1] != '\n')
            line--;
        const char *end = memchr(line, '\n', (size_t)(to - line));
        int order = compare(password, length, line, (size_t)(end - line));
        if (order == 0)
            return true;
        if (order < 0)
            to = line;
        else
            from = end + 1;
    }
    return false;
}

const char *common_passwords_text(size_t *length_out)
{
    *length_out = (size_t)(stampede_common_passwords_end - stampede_common_passwords);
    return stampede_common_passwords;
}
