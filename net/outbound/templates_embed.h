/* SPDX-License-Identifier: Apache-2.0 */
/* The files of data/mails in the program. Private to templates.c. */
#ifndef STAMPEDE_MAIL_TEMPLATES_EMBED_H
#define STAMPEDE_MAIL_TEMPLATES_EMBED_H

#include "outbound/templates.h"

struct mail_built_in {
    const char *text; /* end with 0 */
    const char *html;
};

extern const struct mail_built_in mail_built_in[MAIL_KIND_COUNT];

#endif
