/* SPDX-License-Identifier: Apache-2.0 */
/* Payments in the shapes of Stripe's API: what a client's library expects to find is there, what
 * this gateway has no notion of is null. Values belong to the document. */
#ifndef STAMPEDE_PSP_RENDER_H
#define STAMPEDE_PSP_RENDER_H

#include <yyjson.h>

#include "psp_payment.h"

/* The version of the API whose shapes these are; a client that names another gets the same. */
#define PSP_API_VERSION "2026-08-26.dahlia"

struct psp_renderer {
    yyjson_mut_doc *doc;
    const char *base_url; /* of this server, without "/" at its end */
    bool expand_charge;   /* latest_charge, and charge, as objects */
    bool expand_intent;   /* payment_intent as an object */
};

yyjson_mut_val *psp_render_intent(const struct psp_renderer *renderer,
                                  const struct psp_payment *payment);
yyjson_mut_val *psp_render_charge(const struct psp_renderer *renderer,
                                  const struct psp_payment *payment);
yyjson_mut_val *psp_render_refund(const struct psp_renderer *renderer,
                                  const struct psp_payment *payment,
                                  const struct psp_refund *refund);
/* {"error": {...}}; `payment` may be NULL. */
yyjson_mut_val *psp_render_error(const struct psp_renderer *renderer, const struct psp_error *error,
                                 const struct psp_payment *payment);
/* The event around its object. */
yyjson_mut_val *psp_render_event(const struct psp_renderer *renderer, const char *id,
                                 const char *type, int64_t created_s, yyjson_mut_val *object,
                                 const char *request_id, const char *key, bool is_pending);

/* A list object of `url`. */
yyjson_mut_val *psp_render_list(const struct psp_renderer *renderer, const char *url, bool has_more,
                                yyjson_mut_val *data);

yyjson_mut_val *psp_render_texts(yyjson_mut_doc *doc, const struct psp_texts *texts);

#endif
