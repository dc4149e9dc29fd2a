/* SPDX-License-Identifier: Apache-2.0 */
/* Transfers under way, by libcurl; private to outbound_transfer.c (the set), outbound_request.c
 * (HTTP) and outbound_session.c (mail), the only files that know it.
 *
 * A slot is one transfer and its easy handle. A request is libcurl's from its begin to its end. Of
 * a mail, libcurl makes the connection (greeting, STARTTLS, log-in) and carries bytes; the rest is
 * outbound_smtp.c's. A connection that a mail left in order is kept as an idle session for a while.
 */
#ifndef STAMPEDE_OUTBOUND_TRANSFER_H
#define STAMPEDE_OUTBOUND_TRANSFER_H

#include <curl/curl.h>

#include "outbound/outbound_private.h"
#include "outbound/outbound_smtp.h"

struct slot {
    struct transfers *transfers;
    CURL *easy;
    struct outbound_job *job; /* NULL: free, or an idle session */
    void *tag;
    struct slot *next; /* in one of the set's lists */
    /* A request. */
    struct curl_slist *lines; /* its headers */
    size_t header_bytes;      /* of the answer */
    bool answer_too_large;    /* it was cut */
    bool met_private;         /* an address was not public */
    bool opened;              /* a socket, to one that was */
    /* A mail. */
    bool is_talking; /* connected; not libcurl's to move on any more */
    bool is_reused;  /* the connection has served another mail */
    bool is_kept;    /* it goes to the idle sessions at its end */
    int64_t deadline_ms;
    int64_t idle_since_ms;
    struct smtp_server server;
    struct smtp_dialogue dialogue;
};

struct transfers {
    const struct outbound_options *options;
    CURLM *multi;
    struct slot *slots;
    struct slot *free_slots;
    struct slot *active;
    struct slot *ended;
    struct slot *idle; /* sessions, the one used last first */
    struct curl_waitfd *sockets;
};

#define SET(slot, option, value) (curl_easy_setopt((slot)->easy, (option), (value)) == CURLE_OK)

/* ---- outbound_transfer.c ---- */

void job_set_result(struct outbound_job *job, enum outbound_result result, const char *reason);
/* What went wrong with a connection, as a reason. */
const char *network_reason(CURLcode code);
/* Moves an active slot, whose result is filled in, to those that ended. */
void slot_end(struct slot *slot);
bool has_control(const char *text);

/* ---- outbound_request.c ---- */

/* NULL, or why this job can never be sent. */
const char *request_refusal(const struct outbound_job *job);
bool request_set_up(struct slot *slot);
/* libcurl is done with it. */
void request_finish(struct slot *slot, CURLcode code);

/* ---- outbound_session.c ---- */

const char *mail_refusal(const struct outbound_job *job);
/* Either connects or takes an idle session. */
bool mail_set_up(struct slot *slot);
/* libcurl has connected, or has not. */
void mail_connected(struct slot *slot, CURLcode code);
/* Moves the dialogue on as far as it goes without waiting; true if it should be called again
 * without waiting. */
bool mail_run(struct slot *slot, int64_t now);
/* The connection as something to wait for; false if there is none. */
bool mail_socket(struct slot *slot, struct curl_waitfd *socket_out);
/* Fills in a result for a mail that is given up. */
void mail_give_up(struct slot *slot, const char *reason);
/* Says goodbye, without waiting for the answer. */
void mail_quit(struct slot *slot);

#endif
