/* SPDX-License-Identifier: Apache-2.0 */
/* One call from its parameters to its answer: repeated keys, the entry, the rendering. */
#include "psp_call_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/digest.h"
#include "http/http.h"

enum { FINGERPRINT_BYTES = 16, FINGERPRINT_TEXT = 2 * FINGERPRINT_BYTES + 1 };

struct call_row {
    enum http_method method;
    psp_calling_function function;
    const char *takes;
};

static const struct call_row call_rows[PSP_CALL_COUNT] = {
#define X(name, method, pattern, function, takes)                                                  \
    [PSP_CALL_##name] = {HTTP_METHOD_##method, psp_calling_##function, takes},
    PSP_CALLS(X)
#undef X
};

/* ---- shared ---- */

bool psp_calling_missing(struct psp_calling *calling, const char *what, const char *param,
                         const char *id)
{
    return PSP_REFUSE(calling, 404, "resource_missing", param, "No such %s: '%.100s'", what, id);
}

bool psp_calling_load(struct psp_calling *calling)
{
    const char *id = calling->request->target;
    const struct psp_payment *payment = psp_books_payment(calling->books, id);
    const char *secret = psp_form_get(calling->form, "client_secret");

    /* A client's secret that was sent must be right; one who has no other key must send it. */
    if (payment == NULL || (secret != NULL && strcmp(secret, payment->client_secret) != 0) ||
        (secret == NULL && calling->request->is_public))
        return psp_calling_missing(calling, "payment_intent", "intent", id);
    psp_payment_copy(&calling->payment, payment);
    return true;
}

/* ---- idempotency ---- */

/* Of the path and the parameters, in whatever order they came. */
static void fingerprint(const struct psp_request *request, char text_out[FINGERPRINT_TEXT])
{
    uint8_t digest[DIGEST_SHA256_BYTES] = {0};
    char part[2 * DIGEST_SHA256_BYTES];

    psp_form_sort(request->form);
    digest_sha256(request->path, strlen(request->path), digest);
    for (uint32_t i = 0; i < 2 * request->form->count; i++) {
        const struct psp_pair *pair = &request->form->pairs[i / 2];
        const char *text = i % 2 == 0 ? pair->name : pair->value;

        memcpy(part, digest, sizeof(digest));
        digest_sha256(text, strlen(text), (uint8_t *)part + sizeof(digest));
        digest_sha256(part, sizeof(part), digest);
    }
    for (size_t i = 0; i < FINGERPRINT_BYTES; i++)
        snprintf(text_out + 2 * i, 3, "%02x", digest[i]);
}

void psp_answer_error(const struct psp_error *error, struct psp_answer *answer_out)
{
    struct psp_entry entry = {.status = error->status, .error = *error};

    *answer_out = (struct psp_answer){.status = error->status};
    answer_out->body = psp_entry_answer(&entry, "", false, false, &answer_out->length);
}

static void answer_from(const struct psp_calling *calling, const struct psp_entry *entry,
                        struct psp_answer *answer_out)
{
    answer_out->status = entry->status;
    answer_out->body = psp_entry_answer(entry, calling->request->base_url, calling->expand_charge,
                                        calling->expand_intent, &answer_out->length);
}

/* Answers from the entry at this offset; what is kept there cannot be lost while we run. */
static void answer_at(struct psp_calling *calling, uint64_t offset, struct psp_answer *answer_out)
{
    struct psp_entry entry;

    if (!psp_books_entry(calling->books, offset, &entry))
        abort();
    answer_from(calling, &entry, answer_out);
    psp_entry_free(&entry);
}

/* Whether the key has had its answer: then it is given again, or the request refused. */
static bool replay(struct psp_calling *calling, const char *print, struct psp_answer *answer_out)
{
    struct psp_entry entry;
    uint64_t offset;

    if (calling->request->key[0] == 0 || !psp_books_key_find(calling->books, calling->request->key,
                                                             calling->request->now_ms, &offset))
        return false;
    if (!psp_books_entry(calling->books, offset, &entry))
        abort();
    if (strcmp(entry.fingerprint, print) == 0) {
        answer_from(calling, &entry, answer_out);
        answer_out->is_replayed = true;
        snprintf(answer_out->original, sizeof(answer_out->original), "%s", entry.request_id);
    } else {
        psp_error_set(&calling->error, 400, NULL, NULL,
                      "Keys for idempotent requests can only be used with the same parameters they "
                      "were first used with. Try using a key other than '%.255s' if you meant to "
                      "execute a different request.",
                      calling->request->key);
        calling->error.type = "idempotency_error";
        psp_answer_error(&calling->error, answer_out);
    }
    psp_entry_free(&entry);
    return true;
}

/* ---- the entry ---- */

static void fill_effect(struct psp_entry *entry, const struct psp_calling *calling)
{
    const struct psp_effect *effect = &calling->effect;

    entry->name = effect->entry;
    entry->has_payment = true;
    entry->payment = calling->payment;
    memcpy(entry->postings, effect->postings, sizeof(entry->postings));
    entry->posting_count = effect->posting_count;
    entry->event_count = effect->event_count;
    for (uint32_t i = 0; i < effect->event_count; i++)
        entry->events[i].event = effect->events[i];
    if (effect->refund != NULL)
        snprintf(entry->refund_id, sizeof(entry->refund_id), "%s", effect->refund->id);
}

static void set_outage(struct psp_error *error)
{
    psp_error_set(error, 500, NULL, NULL,
                  "An unknown error occurred. If you see this, the gateway was asked to fail.");
}

/* Records what happened, or that nothing did, and answers from it. */
static void record(struct psp_calling *calling, const char *print, struct psp_answer *answer_out)
{
    const struct psp_request *request = calling->request;
    struct psp_entry entry = {
        .at_ms = request->now_ms,
        .name = "refuse",
        .request_id = request->request_id,
        .key = request->key,
        .fingerprint = print,
        .status = 200,
        .object = calling->object,
    };

    if (calling->has_changed) {
        fill_effect(&entry, calling);
        entry.error = calling->effect.error;
    } else {
        entry.has_payment = calling->payment.id[0] != 0;
        entry.payment = calling->payment;
        entry.error = calling->error;
    }
    if (request->fails_kept)
        set_outage(&entry.error);
    if (entry.error.status != 0) {
        entry.status = entry.error.status;
        entry.object = PSP_OBJECT_NONE;
    }
    answer_at(calling, psp_books_commit(calling->books, &entry), answer_out);
}

/* Whether an entry has room for the payment's texts; else nothing happens. */
static void check_texts(struct psp_calling *calling)
{
    const struct psp_payment *payment = &calling->payment;
    size_t bytes = payment->metadata.length + payment->details.length + strlen(payment->return_url);

    for (uint32_t i = 0; i < payment->refund_count; i++)
        bytes += payment->refunds[i].metadata.length;
    if (!calling->has_changed || bytes <= PSP_TEXTS_MAX)
        return;
    calling->has_changed = false;
    calling->has_begun = false;
    psp_error_set(&calling->error, 400, NULL, "metadata",
                  "A payment and its refunds take at most %d bytes of texts here.",
                  (int)PSP_TEXTS_MAX);
}

static void finish(struct psp_calling *calling, const char *print, struct psp_answer *answer_out)
{
    bool has_key = calling->request->key[0] != 0;

    if (calling->has_changed || (calling->has_begun && has_key)) {
        record(calling, print, answer_out);
    } else if (calling->error.status != 0) {
        struct psp_entry entry = {
            .status = calling->error.status,
            .error = calling->error,
            .has_payment = calling->payment.id[0] != 0,
            .payment = calling->payment,
        };

        answer_from(calling, &entry, answer_out);
    } else {
        assert(calling->value != NULL);
        answer_out->status = 200;
        yyjson_mut_doc_set_root(calling->doc, calling->value);
        answer_out->body =
            yyjson_mut_write(calling->doc, YYJSON_WRITE_PRETTY_TWO_SPACES, &answer_out->length);
        if (answer_out->body == NULL)
            abort();
    }
}

void psp_call(struct psp_books *books, const struct psp_request *request,
              struct psp_answer *answer_out)
{
    const struct call_row *row = &call_rows[request->id];
    char print[FINGERPRINT_TEXT] = "";
    struct psp_calling calling = {
        .books = books,
        .request = request,
        .form = request->form,
        .naming = psp_books_naming(books, request->now_ms),
        .doc = yyjson_mut_doc_new(NULL),
    };

    if (calling.doc == NULL)
        abort();
    *answer_out = (struct psp_answer){0};
    if (row->method == HTTP_METHOD_POST)
        fingerprint(request, print);
    /* The parameters are looked at first for what is expanded. */
    bool is_good = psp_params_check(&calling, row->takes);
    if (row->method != HTTP_METHOD_POST || !replay(&calling, print, answer_out)) {
        if (is_good)
            row->function(&calling);
        check_texts(&calling);
        finish(&calling, print, answer_out);
    }
    yyjson_mut_doc_free(calling.doc);
    psp_payment_free(&calling.payment);
}

/* ---- what happens without a request of the API ---- */

bool psp_call_is_settling(const struct psp_payment *payment, const struct psp_refund *refund)
{
    const struct psp_card *card = psp_card_find(payment->charge_card);

    return card != NULL &&
           ((card->kind == PSP_CARD_REFUND_PENDING && refund->status == PSP_REFUND_PENDING) ||
            (card->kind == PSP_CARD_REFUND_FAILS && refund->status == PSP_REFUND_SUCCEEDED));
}

/* Commits what has changed by itself. */
static void commit_alone(struct psp_calling *calling, int64_t now_ms)
{
    struct psp_entry entry = {.at_ms = now_ms};

    fill_effect(&entry, calling);
    psp_books_commit(calling->books, &entry);
}

bool psp_call_settle_refund(struct psp_books *books, const char *refund_id, int64_t now_ms)
{
    struct psp_calling calling = {.books = books};
    const struct psp_known *known = psp_books_find(books, refund_id);
    bool has_changed;

    if (known == NULL || known->object != PSP_OBJECT_REFUND)
        return false;
    psp_payment_copy(&calling.payment, psp_books_payment_at(books, known->payment));
    has_changed = psp_payment_refund_settle(&calling.payment, refund_id, &calling.effect);
    if (has_changed)
        commit_alone(&calling, now_ms);
    psp_payment_free(&calling.payment);
    return has_changed;
}

bool psp_call_authenticate(struct psp_books *books, const char *payment_id, const char *secret,
                           bool has_succeeded, int64_t now_ms)
{
    struct psp_calling calling = {.books = books};
    const struct psp_payment *payment = psp_books_payment(books, payment_id);
    struct psp_naming naming = psp_books_naming(books, now_ms);
    bool has_changed;

    if (payment == NULL || strcmp(payment->client_secret, secret) != 0)
        return false;
    psp_payment_copy(&calling.payment, payment);
    has_changed =
        psp_payment_authenticate(&calling.payment, has_succeeded, &naming, &calling.effect);
    if (has_changed)
        commit_alone(&calling, now_ms);
    psp_payment_free(&calling.payment);
    return has_changed;
}
