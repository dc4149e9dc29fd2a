/* SPDX-License-Identifier: Apache-2.0 */
#include "draw.h"

#include <assert.h>
#include <string.h>

#include "identity.h"

#define ENTRY_LABEL DRAW_FORMAT " entry\n"
#define KEY_LABEL   DRAW_FORMAT " key\n"

enum {
    ENTRY_TEXT_MAX = sizeof(ENTRY_LABEL) + DRAW_DROP_LENGTH_MAX + DRAW_TICKET_LENGTH_MAX + 2,
    KEY_TEXT_MAX = sizeof(KEY_LABEL) + DRAW_DROP_LENGTH_MAX + 2 * DRAW_SEED_BYTES +
                   2 * DRAW_HASH_BYTES + 2 * DRAW_PUBLIC_LENGTH_MAX + 5,
};

/* ---- texts that are hashed ---- */

struct text {
    char *end;
};

static void add(struct text *text, const char *bytes, size_t length)
{
    memcpy(text->end, bytes, length);
    text->end += length;
}

static void add_line(struct text *text, const char *bytes, size_t length)
{
    add(text, bytes, length);
    *text->end++ = '\n';
}

static void add_hex_line(struct text *text, const uint8_t *bytes, size_t length)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < length; i++) {
        *text->end++ = digits[bytes[i] >> 4];
        *text->end++ = digits[bytes[i] & 15];
    }
    *text->end++ = '\n';
}

static bool is_public_text(const char *text)
{
    size_t length = 0;

    for (; text[length] != 0; length++) {
        if (length == DRAW_PUBLIC_LENGTH_MAX || text[length] < 0x20 || text[length] > 0x7e ||
            text[length] == '"' || text[length] == '\\')
            return false;
    }
    return true;
}

bool draw_terms_are_valid(const struct draw_terms *terms)
{
    size_t length = strnlen(terms->drop, DRAW_DROP_LENGTH_MAX + 1);

    return length <= DRAW_DROP_LENGTH_MAX && sku_is_valid(terms->drop, length) &&
           is_public_text(terms->public_source) && is_public_text(terms->public_value) &&
           (terms->public_source[0] == 0) == (terms->public_value[0] == 0);
}

struct draw_entry draw_entry_of_ticket(draw_digest *digest, const char *drop, const char *ticket,
                                       size_t length)
{
    char bytes[ENTRY_TEXT_MAX];
    struct text text = {bytes};
    uint8_t hash[DRAW_HASH_BYTES];
    struct draw_entry entry;

    assert(strlen(drop) <= DRAW_DROP_LENGTH_MAX);
    assert(length >= 1 && length <= DRAW_TICKET_LENGTH_MAX);
    add(&text, ENTRY_LABEL, strlen(ENTRY_LABEL));
    add_line(&text, drop, strlen(drop));
    add_line(&text, ticket, length);
    digest(bytes, (size_t)(text.end - bytes), hash);
    memcpy(entry.bytes, hash, sizeof(entry.bytes));
    return entry;
}

int draw_entry_compare(const struct draw_entry *a, const struct draw_entry *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

void draw_seed_hash(draw_digest *digest, const uint8_t seed[DRAW_SEED_BYTES],
                    uint8_t hash_out[DRAW_HASH_BYTES])
{
    digest(seed, DRAW_SEED_BYTES, hash_out);
}

void draw_list_hash(draw_digest *digest, const struct draw_entry *entries, uint32_t count,
                    uint8_t hash_out[DRAW_HASH_BYTES])
{
    _Static_assert(sizeof(*entries) == DRAW_ENTRY_BYTES, "entries lie one behind the other");
    digest(entries, (size_t)count * sizeof(*entries), hash_out);
}

void draw_key(draw_digest *digest, const struct draw_terms *terms,
              const uint8_t seed[DRAW_SEED_BYTES], const uint8_t list_hash[DRAW_HASH_BYTES],
              uint8_t key_out[DRAW_HASH_BYTES])
{
    char bytes[KEY_TEXT_MAX];
    struct text text = {bytes};

    assert(draw_terms_are_valid(terms));
    add(&text, KEY_LABEL, strlen(KEY_LABEL));
    add_line(&text, terms->drop, strlen(terms->drop));
    add_hex_line(&text, seed, DRAW_SEED_BYTES);
    add_hex_line(&text, list_hash, DRAW_HASH_BYTES);
    add_line(&text, terms->public_source, strlen(terms->public_source));
    add_line(&text, terms->public_value, strlen(terms->public_value));
    digest(bytes, (size_t)(text.end - bytes), key_out);
}

/* ---- sorting ---- */

static uint64_t first_word(const uint8_t *bytes)
{
    uint64_t word = 0;

    for (unsigned i = 0; i < 8; i++)
        word = word << 8 | bytes[i];
    return word;
}

/* By rank only, stable: eight passes over eight bits, to and fro between the halves of `slots`. */
static void sort_by_rank(struct draw_slot *slots, uint32_t count)
{
    uint32_t starts[8][256] = {{0}};
    struct draw_slot *source = slots;
    struct draw_slot *target = slots + count;

    for (uint32_t i = 0; i < count; i++) {
        for (unsigned pass = 0; pass < 8; pass++)
            starts[pass][slots[i].rank >> 8 * pass & 255]++;
    }
    for (unsigned pass = 0; pass < 8; pass++) {
        struct draw_slot *other = source;
        uint32_t start = 0;

        for (unsigned digit = 0; digit < 256; digit++) {
            uint32_t length = starts[pass][digit];

            starts[pass][digit] = start;
            start += length;
        }
        for (uint32_t i = 0; i < count; i++)
            target[starts[pass][source[i].rank >> 8 * pass & 255]++] = source[i];
        source = target;
        target = other;
    }
    assert(source == slots);
}

struct comparison {
    draw_digest *digest; /* NULL: by names */
    const uint8_t *key;
    const struct draw_entry *entries;
};

static void whole_rank(const struct comparison *comparison, const struct draw_entry *entry,
                       uint8_t rank_out[DRAW_HASH_BYTES])
{
    uint8_t bytes[DRAW_HASH_BYTES + DRAW_ENTRY_BYTES];

    memcpy(bytes, comparison->key, DRAW_HASH_BYTES);
    memcpy(bytes + DRAW_HASH_BYTES, entry->bytes, DRAW_ENTRY_BYTES);
    comparison->digest(bytes, sizeof(bytes), rank_out);
}

/* Whether `a` comes before `b`, of slots whose first words are equal. */
static bool is_before(const struct comparison *comparison, uint32_t a, uint32_t b)
{
    const struct draw_entry *one = &comparison->entries[a];
    const struct draw_entry *other = &comparison->entries[b];
    int order = 0;

    if (comparison->digest != NULL) {
        uint8_t ranks[2][DRAW_HASH_BYTES];

        whole_rank(comparison, one, ranks[0]);
        whole_rank(comparison, other, ranks[1]);
        order = memcmp(ranks[0], ranks[1], DRAW_HASH_BYTES);
    }
    if (order == 0)
        order = draw_entry_compare(one, other);
    return order != 0 ? order < 0 : a < b;
}

static void sink(const struct comparison *comparison, struct draw_slot *run, uint32_t at,
                 uint32_t length)
{
    for (uint32_t child; (child = 2 * at + 1) < length; at = child) {
        struct draw_slot slot = run[at];

        if (child + 1 < length && is_before(comparison, run[child].number, run[child + 1].number))
            child++;
        if (is_before(comparison, run[child].number, slot.number))
            return;
        run[at] = run[child];
        run[child] = slot;
    }
}

/* A run of equal first words, by all of it. Heap sort: who writes a document may make long runs. */
static void sort_run(const struct comparison *comparison, struct draw_slot *run, uint32_t length)
{
    for (uint32_t at = length / 2; at-- > 0;)
        sink(comparison, run, at, length);
    while (length-- > 1) {
        struct draw_slot last = run[length];

        run[length] = run[0];
        run[0] = last;
        sink(comparison, run, 0, length);
    }
}

static void sort_whole(const struct comparison *comparison, struct draw_slot *slots, uint32_t count)
{
    assert(count <= DRAW_ENTRIES_MAX);
    sort_by_rank(slots, count);
    for (uint32_t start = 0, end; start < count; start = end) {
        for (end = start + 1; end < count && slots[end].rank == slots[start].rank;)
            end++;
        if (end - start > 1)
            sort_run(comparison, slots + start, end - start);
    }
}

void draw_sort_names(const struct draw_entry *entries, uint32_t count, struct draw_slot *slots)
{
    const struct comparison comparison = {.entries = entries};

    for (uint32_t i = 0; i < count; i++)
        slots[i] = (struct draw_slot){first_word(entries[i].bytes), i};
    sort_whole(&comparison, slots, count);
}

bool draw_list_sort(struct draw_entry *entries, uint32_t count, struct draw_slot *slots)
{
    bool is_list = true;

    draw_sort_names(entries, count, slots);
    /* slots[i].number is what belongs at i: each cycle of them moves by one entry put aside. */
    for (uint32_t start = 0; start < count; start++) {
        struct draw_entry aside = entries[start];
        uint32_t at = start;

        while (slots[at].number != start) {
            uint32_t from = slots[at].number;

            entries[at] = entries[from];
            slots[at].number = at;
            at = from;
        }
        entries[at] = aside;
        slots[at].number = at;
    }
    for (uint32_t i = 1; i < count; i++)
        is_list = is_list && draw_entry_compare(&entries[i - 1], &entries[i]) < 0;
    return is_list;
}

/* ---- the order ---- */

void draw_rank(draw_digest *digest, const uint8_t key[DRAW_HASH_BYTES],
               const struct draw_entry *entries, uint32_t from, uint32_t to,
               struct draw_slot *slots)
{
    const struct comparison comparison = {.digest = digest, .key = key};
    uint8_t rank[DRAW_HASH_BYTES];

    for (uint32_t i = from; i < to; i++) {
        whole_rank(&comparison, &entries[i], rank);
        slots[i] = (struct draw_slot){first_word(rank), i};
    }
}

void draw_sort(draw_digest *digest, const uint8_t key[DRAW_HASH_BYTES],
               const struct draw_entry *entries, uint32_t count, struct draw_slot *slots)
{
    const struct comparison comparison = {.digest = digest, .key = key, .entries = entries};

    sort_whole(&comparison, slots, count);
}

void draw_order(draw_digest *digest, const uint8_t key[DRAW_HASH_BYTES],
                const struct draw_entry *entries, uint32_t count, struct draw_slot *slots)
{
    draw_rank(digest, key, entries, 0, count, slots);
    draw_sort(digest, key, entries, count, slots);
}
