/* SPDX-License-Identifier: Apache-2.0 */
/* The shop's settings: few rows, changed by staff, read by every shard for every cart. One actor,
 * in partition 0.
 *
 *   settings_receive(settings, moment, envelope) -> outcome, effects
 *
 * What handlers read is a view: a copy of all of it, published by the engine as soon as the change
 * is durable, before its answer leaves (engine/settings.c).
 *
 * Invariants:
 *   1. No two tax rates are of the same country, region and category.
 *   2. A number is given once, also after a restart: an ID never comes to mean another row.
 *   3. A row's version grows with each change; a refusal changes nothing.
 *   4. Rows stand in ascending order of their numbers.
 *   5. Every secret is sealed under the key that is kept (or the key is wrapped anew, which leaves
 *      what is sealed as it is).
 *   6. Every change has an entry in the audit log, written with it.
 *
 * A fresh store has one shipping method, number 1: "Standard", flat, free, to every country. It is
 * written with the first change to a shipping method; until then nothing is stored. No tax. */
#ifndef STAMPEDE_SETTINGS_H
#define STAMPEDE_SETTINGS_H

#include "effects.h"
#include "setting_state.h"

enum { SETTINGS_PARTITION = 0 };

#define SETTINGS_CALLS(X)                                                                          \
    X(CREATE)     /* `row`; its `number` */                                                        \
    X(CHANGE)     /* `number`: the fields in `fields` become those of `row` */                     \
    X(REMOVE)     /* `number` */                                                                   \
    X(ROTATE)     /* an endpoint: a new secret, the one before is good for a while */              \
    X(KEY_REWRAP) /* `key` for `old_key`; STALE if that is not the one that is kept */

enum settings_call {
#define X(name) SETTINGS_CALL_##name,
    SETTINGS_CALLS(X)
#undef X
        SETTINGS_CALL_COUNT
};

/* Fields that a CHANGE may name, and that a refusal names. name, text in the API */
#define SETTING_FIELDS(X)                                                                          \
    X(BODY, "body")                                                                                \
    X(COUNTRY, "country")                                                                          \
    X(REGION, "region")                                                                            \
    X(CATEGORY, "category")                                                                        \
    X(RATE_BP, "rate_bp")                                                                          \
    X(INCLUSIVE, "inclusive")                                                                      \
    X(NAME, "name")                                                                                \
    X(COUNTRIES, "countries")                                                                      \
    X(TABLE, "table") /* with the kind */                                                          \
    X(FREE_OVER, "free_over_minor")                                                                \
    X(CURRENCY, "currency")                                                                        \
    X(URL, "url")                                                                                  \
    X(EVENTS, "events")                                                                            \
    X(DESCRIPTION, "description")                                                                  \
    X(ENABLED, "enabled")

enum setting_field {
#define X(name, text) SETTING_FIELD_##name,
    SETTING_FIELDS(X)
#undef X
        SETTING_FIELD_COUNT
};

const char *setting_field_name(enum setting_field field);

/* What is wrong with a row. */
struct setting_problem {
    uint8_t field;       /* enum setting_field */
    const char *message; /* static; NULL: nothing */
};

/* A call and its answer. Comes from settings_envelope_create (engine.h) zeroed; ownership moves
 * with the command and comes back with the reply. */
struct settings_envelope {
    struct origin origin; /* set by engine_submit, from the command */
    uint8_t call;         /* enum settings_call */
    uint8_t kind;         /* enum setting_kind: of a row */
    uint8_t is_round;     /* asked by the shard itself (rounds.h) */
    uint32_t number;      /* also out */
    uint32_t fields;      /* CHANGE: bits 1 << enum setting_field */
    /* With a secret: what it is sealed under. Kept if there is none; another one: STALE. */
    struct setting_key key;
    struct setting_key old_key;     /* KEY_REWRAP */
    struct setting_record row;      /* out: as it is now; REMOVE: as it was */
    struct setting_problem problem; /* out, with OUTCOME_SETTING_INVALID */
};

/* All that handlers may know. Immutable once published; rows by number, ascending. */
struct settings_view {
    uint64_t version;
    struct setting_key key;
    uint32_t tax_rate_count;
    uint32_t method_count;
    uint32_t endpoint_count;
    struct pricing_tax_rate rates[TAX_RATES_MAX]; /* the tax rates, as pricing takes them */
    struct setting_tax_rate tax_rates[TAX_RATES_MAX];
    struct setting_shipping_method methods[SHIPPING_METHODS_MAX];
    struct setting_endpoint endpoints[WEBHOOK_ENDPOINTS_MAX];
};

/* The actor's state: zeroed memory of the engine's, then settings_init. */
struct settings {
    struct setting_head head;
    struct settings_view view;
};

void settings_init(struct settings *settings);

/* Takes in a stored record, in order of kinds and numbers; false if it contradicts another. */
bool settings_restore(struct settings *settings, const struct record *record);

/* One call. Effects: records. A refusal (NOT_FOUND, STALE, SETTING_INVALID) changes nothing. */
enum outcome settings_receive(struct settings *settings, const struct moment *moment,
                              struct settings_envelope *envelope, struct effects *effects);

/* Copies what is in use. */
void settings_view_copy(const struct settings_view *source, struct settings_view *view_out);

/* ---- reading a view ---- */

/* NULL: there is none of this number. */
const struct setting_common *settings_find(const struct settings_view *view, enum setting_kind kind,
                                           uint32_t number);
const struct setting_shipping_method *settings_find_method(const struct settings_view *view,
                                                           uint32_t number);
const struct setting_endpoint *settings_find_endpoint(const struct settings_view *view,
                                                      uint32_t number);

/* A method as pricing takes it, pointing into the row; `currency` (the cart's) is what it is said
 * to be in where it is free in any. */
struct pricing_shipping_method settings_method_price(const struct setting_shipping_method *method,
                                                     const char currency[4]);

/* Whether the method goes to a country (pricing_country). */
bool settings_method_serves(const struct setting_shipping_method *method, uint16_t country);

/* `tax_12`, with a zero; and back: 0 if it is none of this kind. */
void setting_id_format(enum setting_kind kind, uint32_t number,
                       char text_out[SETTING_ID_LENGTH_MAX + 1]);
uint32_t setting_id_parse(enum setting_kind kind, const char *text, size_t length);

/* ---- rules (settings_rules.c) ---- */

/* What is wrong with a row by itself; message NULL: nothing. */
struct setting_problem setting_row_problem(enum setting_kind kind,
                                           const struct setting_record *row);
/* Whether a stored one can be: what the codec relies on and what setting_row_problem says. */
bool setting_record_is_valid(uint32_t kind, uint64_t number, const struct setting_record *row);

/* Whether it is a code of ISO 3166-1 in capital letters (or XK). */
bool country_is_known(const char *text, size_t length);

/* The two letters of a pricing_country. */
void country_text(uint16_t country, char text_out[3]);

/* Whose data key the shop's own is: the owner of what is sealed under it. */
struct principal settings_key_owner(void);

#endif
