/* SPDX-License-Identifier: Apache-2.0 */
/* What goes to other hosts: mails by SMTP, requests by HTTP, on one thread of its own, so that
 * handshakes and slow peers stay off the sale's loops. Fills the engine's outbound port
 * (engine/ports.h, which describes a job and its result); only the files of
 * outbound_transfer.h know libcurl.
 *
 * Rules
 *  1. Bounded: jobs waiting and under way, those of one host among them, connections of one host,
 *     those of payments apart from all others, time, sizes. A job beyond is refused at submission.
 *  2. A time-out counts from submission: waiting is not free.
 *  3. Certificates are verified (TLS 1.2 or newer), redirects are not followed, the environment's
 *     proxies are not used, and only the protocols of the job's kind are spoken.
 *  4. A request reaches no private address (outbound_address.h), judged when the socket is opened:
 *     a name that changes its address meanwhile does not help. The mail server is the operator's
 *     own word and may be anywhere.
 *  5. A request on a kept connection that its host had given up is sent again, once, before any
 *     byte of an answer came: what must not happen twice carries an idempotency key.
 *  6. A job ends once, by `done`, on the outbound thread, also when the thread is stopped. */
#ifndef STAMPEDE_OUTBOUND_H
#define STAMPEDE_OUTBOUND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ports.h"

enum {
    OUTBOUND_ERROR_MAX = 600, /* a line for people, with its terminator */
};

/* Texts are copied. Empty texts: not configured. */
struct outbound_options {
    uint32_t jobs_max;           /* waiting and under way */
    uint32_t host_jobs_max;      /* of them, for one host and port */
    uint32_t transfers_max;      /* under way */
    uint32_t host_transfers_max; /* of them, for one host and port */
    /* The host of payments has bounds of its own, beside all others': no mail and no webhook keeps
     * a payment waiting, however slow those hosts are. */
    const char *gateway_url;        /* any URL of that host; "": there is none */
    uint32_t gateway_jobs_max;      /* waiting and under way */
    uint32_t gateway_transfers_max; /* under way */
    uint32_t connect_timeout_ms;    /* name, connection and handshake */
    bool private_allowed;           /* requests may go to private addresses */
    const char *ca_file;            /* certificates to trust instead of the system's (PEM) */
    const char *smtp_url;           /* smtp://host[:port] or smtps://host[:port] */
    const char *smtp_user;          /* with smtp_password: log in (AUTH) */
    const char *smtp_password;
    bool smtp_starttls;   /* smtp://: only after STARTTLS; false: in clear */
    const char *mail_dir; /* every mail is also written there, NAME.eml, mode 0600 */
};

/* The defaults: no mail server, no folder, no private addresses. */
void outbound_options_default(struct outbound_options *options_out);

/* Counters, any thread. Gauges are marked. */
#define OUTBOUND_METRICS(X)                                                                        \
    X(mails_delivered, counter, "Mails that the mail server took")                                 \
    X(mails_refused, counter, "Mails that the mail server refused for good")                       \
    X(mails_later, counter, "Attempts at mails that ended without delivery, to be tried again")    \
    X(mail_files_written, counter, "Mails written to the mail folder")                             \
    X(mail_files_failed, counter, "Mails that could not be written to the mail folder")            \
    X(requests_answered, counter, "Requests to other hosts that were answered")                    \
    X(requests_refused, counter,                                                                   \
      "Requests to other hosts that may not be sent, or not answered "                             \
      "like that")                                                                                 \
    X(requests_later, counter, "Requests to other hosts that failed by network or time-out")       \
    X(jobs_refused, counter, "Jobs refused because the queue was full")                            \
    X(jobs_waiting, gauge, "Jobs that wait for a connection")                                      \
    X(jobs_active, gauge, "Jobs under way")

struct outbound_metrics {
#define X(name, kind, help) int64_t name;
    OUTBOUND_METRICS(X)
#undef X
};

struct outbound;

/* Checks the options, makes the mail folder if it is not there, starts the thread. NULL with a line
 * for people in `error` (OUTBOUND_ERROR_MAX bytes). Start-up thread. */
struct outbound *outbound_create(const struct outbound_options *options, char *error,
                                 size_t error_size);

/* The port to give to engine_create; good until outbound_destroy. */
struct outbound_port outbound_port_get(struct outbound *outbound);

/* From now on refuses jobs; those waiting end at once (LATER, "stopping"), those under way may
 * take `deadline_ms` more. Returns at once. Any thread. */
void outbound_drain(struct outbound *outbound, uint32_t deadline_ms);

/* Ends what is left (LATER, "stopping"), joins the thread, frees everything. Start-up thread, once,
 * before the engine goes: the last `done` calls come from within. */
void outbound_destroy(struct outbound *outbound);

/* Whether a mail server is configured. Any thread. */
bool outbound_has_mail(const struct outbound *outbound);

/* Whether mails are also written to a folder. Any thread. */
bool outbound_has_folder(const struct outbound *outbound);

/* Any thread; racy by a few units between counters. */
void outbound_metrics_get(const struct outbound *outbound, struct outbound_metrics *metrics_out);

#endif
