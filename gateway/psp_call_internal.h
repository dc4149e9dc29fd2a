/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the calls share: psp_call.c (keys, entries), psp_writes.c (what changes),
 * psp_reads.c (what only looks), psp_params.c (parameters). */
#ifndef STAMPEDE_PSP_CALL_INTERNAL_H
#define STAMPEDE_PSP_CALL_INTERNAL_H

#include "psp_call.h"
#include "psp_render.h"

/* One call under way. */
struct psp_calling {
    struct psp_books *books;
    const struct psp_request *request;
    const struct psp_form *form;
    struct psp_naming naming;
    bool expand_charge;
    bool expand_intent;

    /* Of a change: the payment as it will be, and what happened to it. */
    struct psp_payment payment;
    struct psp_effect effect;
    enum psp_object object; /* what is answered when it went well */
    bool has_changed;
    bool has_begun; /* past validation: its error is remembered under the key */

    /* Of a look: the answer. */
    yyjson_mut_doc *doc;
    yyjson_mut_val *value;

    struct psp_error error;
};

typedef void (*psp_calling_function)(struct psp_calling *calling);

#define X(name, method, pattern, function, takes) void psp_calling_##function(struct psp_calling *);
PSP_CALLS(X)
#undef X

/* Sets `error`; returns false. */
#define PSP_REFUSE(calling, ...) (psp_error_set(&(calling)->error, __VA_ARGS__), false)

/* ---- parameters: each false with the error set ---- */

bool psp_params_check(struct psp_calling *calling, const char *takes);
/* Absent: `absent`. */
bool psp_params_integer(struct psp_calling *calling, const char *name, int64_t least, int64_t most,
                        int64_t absent, int64_t *number_out);
/* One of the words between blanks; absent: NULL. */
bool psp_params_word(struct psp_calling *calling, const char *name, const char *words,
                     const char **word_out);
bool psp_params_boolean(struct psp_calling *calling, const char *name, bool *value_out);
bool psp_params_currency(struct psp_calling *calling, char currency_out[4]);
/* Sets what came in `texts`. */
bool psp_params_metadata(struct psp_calling *calling, struct psp_texts *texts);
bool psp_params_details(struct psp_calling *calling, struct psp_payment *payment);
/* The card that was named, or NULL: none was, or the payment's own. */
bool psp_params_card(struct psp_calling *calling, const struct psp_card **card_out);

/* The payment of the path into calling->payment, if the caller may see it. */
bool psp_calling_load(struct psp_calling *calling);

bool psp_calling_missing(struct psp_calling *calling, const char *what, const char *param,
                         const char *id);

#endif
