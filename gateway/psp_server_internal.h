/* SPDX-License-Identifier: Apache-2.0 */
/* What the server's files share: psp_server.c (life), psp_exchange.c (requests and their fates),
 * psp_control.c (the calls that begin with /_). */
#ifndef STAMPEDE_PSP_SERVER_INTERNAL_H
#define STAMPEDE_PSP_SERVER_INTERNAL_H

#include <uv.h>

#include "http/http.h"
#include "http/router.h"
#include "psp_call.h"
#include "psp_server.h"
#include "psp_webhooks.h"

enum { PSP_VERSION_MAX = 40, PSP_URL_MAX = 300 };

struct psp_exchange;

struct psp_server {
    const struct psp_server_options *options;
    struct psp_misbehaviour misbehaviour;
    struct psp_books *books;
    struct psp_webhooks *webhooks; /* NULL: none */
    uv_loop_t loop;
    uv_check_t check;
    uv_prepare_t prepare;
    uv_timer_t settle; /* refunds that end by themselves */
    uv_signal_t signals[2];
    struct http_server *http;
    struct router *router;
    char url[PSP_URL_MAX];

    uint64_t requests; /* since the start */
    uint32_t calls;    /* under way */
    struct psp_exchange *youngest;
    struct psp_exchange *waiting; /* done, to be answered once the ledger is flushed */
    struct psp_exchange **waiting_end;
    struct psp_table in_flight; /* keys whose first request is not answered */
    bool is_settling;
    bool is_draining;
    bool has_failed;
    char *error; /* of psp_server_run */
    size_t error_size;
};

/* ---- psp_exchange.c ---- */

/* The handler of every route of the API. */
void psp_exchange_begin(struct psp_server *server, struct http_exchange *http,
                        const struct route *route);
/* Flushes the ledger and answers what waited for it. */
void psp_exchange_flush(struct psp_server *server);
/* Frees what is left, unanswered. */
void psp_exchange_drop_all(struct psp_server *server);

/* Answers at once, with nothing of it in the ledger. */
void psp_respond_error(struct psp_server *server, struct http_exchange *http,
                       const struct psp_error *error);

enum psp_caller { PSP_CALLER_NOBODY, PSP_CALLER_SECRET, PSP_CALLER_PUBLIC };
/* Who asks; if nobody that may, it has been answered. */
enum psp_caller psp_authenticate(struct psp_server *server, struct http_exchange *http);

/* ---- psp_control.c ---- */

void psp_control_ledger(struct psp_server *server, struct http_exchange *http);
void psp_control_misbehave(struct psp_server *server, struct http_exchange *http);
void psp_control_authenticate(struct psp_server *server, struct http_exchange *http);

/* ---- psp_server.c ---- */

int64_t psp_server_now_ms(const struct psp_server *server);
/* A while from now, looks after refunds that end by themselves: if the newest is one, or `anyway`.
 */
void psp_server_settle_later(struct psp_server *server, bool anyway);

#endif
