/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway as a server: one loop, one thread besides that of its webhook. */
#ifndef STAMPEDE_PSP_SERVER_H
#define STAMPEDE_PSP_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "psp_ledger.h"
#include "psp_misbehave.h"

/* Texts must outlive the server. */
struct psp_server_options {
    const char *host;
    uint16_t port;       /* 0: any free one */
    const char *secret;  /* the secret key; "": any that begins with sk_test_ */
    const char *ledger;  /* its file */
    const char *webhook; /* URL; "": none */
    const char *const *webhook_secrets;
    uint32_t webhook_secret_count;
    struct psp_misbehaviour misbehaviour; /* at first */
    uint64_t seed;                        /* of IDs */
    int64_t (*wall_ms)(void *user);       /* UTC in milliseconds since 1970 */
    void *user;
    /* Listens; `url` without "/" at its end. */
    void (*on_ready)(void *user, const char *url);
};

enum psp_server_result {
    PSP_SERVER_DONE,    /* after SIGTERM or SIGINT */
    PSP_SERVER_REFUSED, /* could not begin */
    PSP_SERVER_DAMAGED, /* the ledger is */
    PSP_SERVER_FAILED,  /* the ledger could not be written: what was not answered may be in it */
};

/* Serves until a signal. Otherwise a line for people in `error`. */
enum psp_server_result psp_server_run(const struct psp_server_options *options, char *error,
                                      size_t error_size);

#endif
