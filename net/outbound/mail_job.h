/* SPDX-License-Identifier: Apache-2.0 */
/* A mail on its way out: rendered from its template, composed, and put into a job for
 * engine_outbound_submit, all in one allocation. What an outbox record holds is little (kind, ID,
 * time, receiver, values); the text is made anew for each attempt. */
#ifndef STAMPEDE_MAIL_JOB_H
#define STAMPEDE_MAIL_JOB_H

#include "engine.h"
#include "outbound/templates.h"

enum { MAIL_TIMEOUT_MS = 60 * 1000 };

/* What all mails of this shop have in common. Constant while serving. */
struct mail_settings {
    const struct mail_templates *templates;
    const char *from_address;
    const char *shop_name;
    const char *public_url; /* without a slash at its end */
};

/* One mail, as its cause recorded it. */
struct mail_order {
    enum mail_kind kind;
    const char *id;         /* of the outbox record: see mail_message.id */
    int64_t wall_ms;        /* when it was caused */
    const char *to_address; /* valid */
    /* By enum mail_value; shop_name and public_url are filled in from the settings. */
    const char *values[MAIL_VALUE_COUNT];
    struct mail_list lists[MAIL_LIST_COUNT];
};

struct mail_job {
    struct engine_outbound outbound; /* `done` and `user` are the caller's to set */
    char name[MAIL_ID_MAX + 1];
    char recipient[MAIL_ADDRESS_MAX + 1];
    size_t size; /* of all */
    char message[];
};

/* NULL if memory is refused, or the order cannot be made a mail (an invalid address, a value too
 * long: it never can). The caller owns it; `settings` must outlive it. Any thread. */
struct mail_job *mail_job_create(const struct mail_settings *settings,
                                 const struct mail_order *order);

/* Forgets its text, and frees it; not while it is under way. */
void mail_job_free(struct mail_job *mail);

#endif
