/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of data/mails in the program: the build names the folder. */
#include "outbound/templates_embed.h"

#ifndef STAMPEDE_MAILS_FOLDER
#error "the build defines STAMPEDE_MAILS_FOLDER: where data/mails is"
#endif

#define EMBED(label, path)                                                                         \
    __asm__(".pushsection .rodata\n"                                                               \
            ".globl " label "\n"                                                                   \
            ".hidden " label "\n" label ":\n"                                                      \
            ".incbin \"" STAMPEDE_MAILS_FOLDER "/" path "\"\n"                                     \
            ".byte 0\n"                                                                            \
            ".popsection\n");

#define X(id, file, values)                                                                        \
    EMBED("stampede_mail_" #id "_text", file ".txt")                                               \
    EMBED("stampede_mail_" #id "_html", file ".html")                                              \
    extern const char stampede_mail_##id##_text[];                                                 \
    extern const char stampede_mail_##id##_html[];
MAILS(X)
#undef X

const struct mail_built_in mail_built_in[MAIL_KIND_COUNT] = {
#define X(id, file, values) {stampede_mail_##id##_text, stampede_mail_##id##_html},
    MAILS(X)
#undef X
};
