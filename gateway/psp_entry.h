/* SPDX-License-Identifier: Apache-2.0 */
/* One entry of the ledger: a line of JSON that says what moved (balanced postings), how the payment
 * stands after it, who asked for it and what was answered. All state of the gateway comes from
 * entries: what runs is changed by reading the entry that was just written, and a start reads them
 * all, so both are the same by construction. A repeated request is answered from its entry again,
 * an event is rendered from it at every attempt: so the same bytes each time. */
#ifndef STAMPEDE_PSP_ENTRY_H
#define STAMPEDE_PSP_ENTRY_H

#include <stddef.h>
#include <yyjson.h>

#include "psp_payment.h"

struct psp_entry_event {
    char id[PSP_ID_MAX + 1];
    enum psp_event event;
};

struct psp_entry {
    uint64_t number; /* from 1, without gaps */
    int64_t at_ms;
    const char *name;
    bool has_payment;
    struct psp_payment payment; /* as it stands after this entry; owned */
    char refund_id[PSP_ID_MAX + 1];
    struct psp_posting postings[PSP_POSTINGS_MAX];
    uint32_t posting_count;
    struct psp_entry_event events[PSP_ENTRY_EVENTS_MAX];
    uint32_t event_count;
    bool has_webhook;      /* its events are for a webhook */
    const char *delivered; /* of the event that the webhook took; NULL: none */

    /* The request: "" where there was none. */
    const char *request_id;
    const char *key;
    const char *fingerprint; /* of method, path and parameters */

    /* What was answered; `object` NONE: the error. */
    int status;
    enum psp_object object;
    struct psp_error error;

    yyjson_doc *doc; /* that the texts of an entry that was read point into */
};

/* The entry as a line with its end; to be freed by the caller. */
char *psp_entry_write(const struct psp_entry *entry, size_t *length_out);

/* False: it is no entry; a static reason. */
bool psp_entry_read(struct psp_entry *entry_out, const char *line, size_t length,
                    const char **reason_out);
void psp_entry_free(struct psp_entry *entry);

/* The answer's body, to be freed. */
char *psp_entry_answer(const struct psp_entry *entry, const char *base_url, bool expand_charge,
                       bool expand_intent, size_t *length_out);

/* A change to an event, to test those who receive it. */
enum psp_forgery {
    PSP_FORGERY_NONE,
    PSP_FORGERY_SIGNATURE, /* the event is left as it is: its signature will be wrong */
    PSP_FORGERY_AMOUNT,
    PSP_FORGERY_CURRENCY,
    PSP_FORGERY_ORDER,
};

/* The event's object, whole or (`is_pending`) not yet delivered; to be freed. */
char *psp_entry_event(const struct psp_entry *entry, uint32_t index, const char *base_url,
                      bool is_pending, enum psp_forgery forgery, size_t *length_out);
/* The same as a value of the document. */
yyjson_mut_val *psp_entry_event_value(yyjson_mut_doc *doc, const struct psp_entry *entry,
                                      uint32_t index, const char *base_url, bool is_pending);

#endif
