/* SPDX-License-Identifier: Apache-2.0 */
/* The outbound side of `serve`, from the options: thread, mail server, mail folder, templates, and
 * who verifies captchas, the payment gateways, and the event feed. */
#ifndef STAMPEDE_OUTBOUND_SERVICE_H
#define STAMPEDE_OUTBOUND_SERVICE_H

#include "api/event_feed.h"
#include "options.h"
#include "outbound/captcha.h"
#include "outbound/gateways/gateways.h"
#include "outbound/mail_job.h"
#include "outbound/outbound.h"

enum { PUBLIC_URL_MAX = 320 };

struct outbound_service {
    struct env *env;
    struct outbound *outbound;
    struct gateways *gateways;
    struct event_feed feed; /* its `feed` is NULL: none is configured */
    struct mail_templates *templates;
    struct mail_settings mail;
    struct challenge_options challenges;
    char captcha_secret[CAPTCHA_SECRET_MAX + 1];
    char public_url[PUBLIC_URL_MAX];
};

/* Opens it all; the data folder is there already. `env` (for the time of log lines) outlives it.
 * `store` is the store's ID. `served_at` is the address as a URL, for where no public_url is given.
 * False with a line in `error`; outbound_service_close in any case. */
bool outbound_service_open(struct outbound_service *service, const struct options *options,
                           struct env *env, uint64_t store, const char *served_at, char *error,
                           size_t error_size);
void outbound_service_close(struct outbound_service *service);

/* Whether `path` is `folder` or would lie in it, links followed; what is not there yet is judged by
 * the part of it that is. */
bool path_is_within(const char *path, const char *folder);

#endif
