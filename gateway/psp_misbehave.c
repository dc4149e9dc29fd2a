/* SPDX-License-Identifier: Apache-2.0 */
#include "psp_misbehave.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPAN_SALT = 1000 };

const struct psp_chance_row psp_chance_rows[PSP_CHANCE_COUNT] = {
#define X(name, all, help) {#name, all, help},
    PSP_CHANCES(X)
#undef X
};

const char *const psp_span_names[PSP_SPAN_COUNT] = {
#define X(name, ...) #name,
    PSP_SPANS(X)
#undef X
};

static const uint32_t span_limits[PSP_SPAN_COUNT] = {
#define X(name, least, most, limit) limit,
    PSP_SPANS(X)
#undef X
};

void psp_misbehave_default(struct psp_misbehaviour *target)
{
    *target = (struct psp_misbehaviour){
        .spans =
            {
#define X(name, least, most, limit) {least, most},
                PSP_SPANS(X)
#undef X
            },
    };
}

/* Digits only, at most `most`; where they end in `end_out`. */
static bool read_number(const char *text, uint64_t most, uint64_t *number_out, const char **end_out)
{
    uint64_t number = 0;
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > 18)
        return false;
    for (size_t i = 0; i < digits; i++)
        number = number * 10 + (uint64_t)(text[i] - '0');
    *number_out = number;
    *end_out = text + digits;
    return number <= most;
}

static bool set_chance(struct psp_misbehaviour *target, enum psp_chance chance, const char *text,
                       char *error, size_t error_size)
{
    uint64_t number;
    const char *end;

    if (!read_number(text, 1000, &number, &end) || *end != 0) {
        snprintf(error, error_size, "%s is \"%.40s\": give how many of a thousand, 0 to 1000",
                 psp_chance_rows[chance].name, text);
        return false;
    }
    target->per_mille[chance] = (uint16_t)number;
    return true;
}

static bool set_span(struct psp_misbehaviour *target, enum psp_span span, const char *text,
                     char *error, size_t error_size)
{
    uint64_t least, most;
    const char *end;
    bool is_good = read_number(text, span_limits[span], &least, &end);

    most = least;
    if (is_good && strncmp(end, "..", 2) == 0)
        is_good = read_number(end + 2, span_limits[span], &most, &end);
    if (!is_good || *end != 0 || most < least) {
        snprintf(error, error_size, "%s is \"%.40s\": give milliseconds, or LEAST..MOST, up to %u",
                 psp_span_names[span], text, span_limits[span]);
        return false;
    }
    target->spans[span][0] = (uint32_t)least;
    target->spans[span][1] = (uint32_t)most;
    return true;
}

static void set_all(struct psp_misbehaviour *target, bool is_on)
{
    for (int i = 0; i < PSP_CHANCE_COUNT; i++)
        target->per_mille[i] = is_on ? psp_chance_rows[i].all : 0;
}

bool psp_misbehave_set(struct psp_misbehaviour *target, const char *word, char *error,
                       size_t error_size)
{
    size_t length = strcspn(word, "=");
    const char *text = word + length + (word[length] != 0);
    const char *end;

    if (strcmp(word, "all") == 0 || strcmp(word, "none") == 0) {
        set_all(target, word[0] == 'a');
        return true;
    }
    if (length == 4 && strncmp(word, "seed", 4) == 0) {
        if (read_number(text, UINT64_MAX, &target->seed, &end) && *end == 0)
            return true;
        snprintf(error, error_size, "seed is \"%.40s\": give a whole number", text);
        return false;
    }
    for (int i = 0; i < PSP_CHANCE_COUNT; i++) {
        if (strncmp(word, psp_chance_rows[i].name, length) == 0 &&
            psp_chance_rows[i].name[length] == 0)
            return set_chance(target, (enum psp_chance)i, text, error, error_size);
    }
    for (int i = 0; i < PSP_SPAN_COUNT; i++) {
        if (strncmp(word, psp_span_names[i], length) == 0 && psp_span_names[i][length] == 0)
            return set_span(target, (enum psp_span)i, text, error, error_size);
    }
    snprintf(error, error_size, "there is no misbehaviour \"%.40s\": see stampede gateway --help",
             word);
    return false;
}

/* splitmix64 over what tells this draw from all others */
static uint64_t draw(uint64_t seed, uint64_t salt, uint64_t number)
{
    uint64_t value = seed;

    for (int i = 0; i < 3; i++) {
        value += 0x9e3779b97f4a7c15U + (i == 0 ? salt : number);
        value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
        value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
        value ^= value >> 31;
    }
    return value;
}

uint32_t psp_misbehave_below(const struct psp_misbehaviour *misbehaviour, uint32_t salt,
                             uint64_t number, uint32_t bound)
{
    return (uint32_t)((draw(misbehaviour->seed, salt, number) >> 32) * bound >> 32);
}

bool psp_misbehave_happens(const struct psp_misbehaviour *misbehaviour, enum psp_chance chance,
                           uint64_t number)
{
    return psp_misbehave_below(misbehaviour, (uint32_t)chance, number, 1000) <
           misbehaviour->per_mille[chance];
}

uint32_t psp_misbehave_ms(const struct psp_misbehaviour *misbehaviour, enum psp_span span,
                          uint64_t number)
{
    const uint32_t *bounds = misbehaviour->spans[span];

    return bounds[0] + psp_misbehave_below(misbehaviour, SPAN_SALT + (uint32_t)span, number,
                                           bounds[1] - bounds[0] + 1);
}
