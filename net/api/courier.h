/* SPDX-License-Identifier: Apache-2.0 */
/* Takes the mails that are due from the engine to the outbound thread: opens what is sealed, fills
 * in the template, and says what became of it. Where no mail server is configured a mail stays
 * where it is; it is still written to the mail folder, if there is one. */
#ifndef STAMPEDE_API_COURIER_H
#define STAMPEDE_API_COURIER_H

#include "api/api_shard.h"

/* Of a mail's Message-ID and file: a keyed hash, the same at each attempt, that tells nobody whose
 * it is. */
enum { MAIL_NAME_LENGTH = 2 * MAC_BYTES };
void courier_mail_name(const struct engine *engine, const struct principal *account,
                       uint64_t sequence, char name_out[MAIL_NAME_LENGTH + 1]);

/* Whether mails go anywhere: a mail server or a folder is configured. Any thread. */
bool courier_has_way(const struct api *api);

/* At a shard's start; its thread. */
void courier_start(struct api_shard *shard);

#endif
