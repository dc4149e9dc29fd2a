/* SPDX-License-Identifier: Apache-2.0 */
/* Misbehaviour on request: what goes wrong, how often, and a fate drawn for every request and every
 * event from a seed: the same seed and the same order of requests, the same fates. Pure. */
#ifndef STAMPEDE_PSP_MISBEHAVE_H
#define STAMPEDE_PSP_MISBEHAVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name, per mille with `all`, help: how many of a thousand, 0 to 1000 */
#define PSP_CHANCES(X)                                                                             \
    X(decline, 100, "confirmations that the bank declines, whatever the card")                     \
    X(delay, 200, "requests that take delay_ms: a part of it before the effect, the rest after")   \
    X(timeout, 50, "requests that are never answered: the effect is done, the connection closed")  \
    X(error_before, 50, "requests answered 500, without an effect")                                \
    X(error_after, 50, "requests answered 500, with the effect done")                              \
    X(error_kept, 0, "of those after: the 500 is kept, and repeats of the key get it again")       \
    X(rate_limit, 50, "requests refused with 429")                                                 \
    X(event_duplicate, 100, "events sent twice")                                                   \
    X(event_reorder, 100, "events held back until others have overtaken them")                     \
    X(event_late, 100, "events sent event_late_ms late")                                           \
    X(event_lost, 50, "events never sent")                                                         \
    X(forged_signature, 50, "events followed by a forged one: signed by nobody who knows")         \
    X(forged_amount, 50, "events followed by one of another amount, signed")                       \
    X(forged_currency, 50, "events followed by one in another currency, signed")                   \
    X(forged_order, 50, "events followed by one of another order, signed")

enum psp_chance {
#define X(name, ...) PSP_CHANCE_##name,
    PSP_CHANCES(X)
#undef X
        PSP_CHANCE_COUNT
};

struct psp_chance_row {
    const char *name;
    uint16_t all;
    const char *help;
};

extern const struct psp_chance_row psp_chance_rows[PSP_CHANCE_COUNT];

/* name, least and most by default, greatest that may be asked for */
#define PSP_SPANS(X)                                                                               \
    X(delay_ms, 20, 400, 600 * 1000)                                                               \
    X(timeout_ms, 0, 0, 600 * 1000)                                                                \
    X(event_late_ms, 500, 3000, 24 * 3600 * 1000)

enum psp_span {
#define X(name, ...) PSP_SPAN_##name,
    PSP_SPANS(X)
#undef X
        PSP_SPAN_COUNT
};

extern const char *const psp_span_names[PSP_SPAN_COUNT];

struct psp_misbehaviour {
    uint16_t per_mille[PSP_CHANCE_COUNT];
    uint32_t spans[PSP_SPAN_COUNT][2]; /* least and most */
    uint64_t seed;
};

/* Nothing goes wrong; spans at their defaults. */
void psp_misbehave_default(struct psp_misbehaviour *target);

/* One word of the option: "all", "none", "NAME=N" (per mille), "SPAN=N" or "SPAN=LEAST..MOST",
 * "seed=N". False: `error` gets a line for people, and nothing has changed. */
bool psp_misbehave_set(struct psp_misbehaviour *target, const char *word, char *error,
                       size_t error_size);

/* Whether it happens to the `number`th of its kind. */
bool psp_misbehave_happens(const struct psp_misbehaviour *misbehaviour, enum psp_chance chance,
                           uint64_t number);

/* From 0 to bound - 1, for the `number`th; `salt` tells one use from another. */
uint32_t psp_misbehave_below(const struct psp_misbehaviour *misbehaviour, uint32_t salt,
                             uint64_t number, uint32_t bound);

/* Within the span. */
uint32_t psp_misbehave_ms(const struct psp_misbehaviour *misbehaviour, enum psp_span span,
                          uint64_t number);

#endif
