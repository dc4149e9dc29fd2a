/* SPDX-License-Identifier: Apache-2.0 */
/* Proof documents of draws: any bytes; the verdict on what is read is that of plain comparison,
 * what is found has places that exist, and a right draw is written again as it was read.
 *
 * Input: a byte that says what is made right before the check (the hashes, the order), for nobody
 * finds those by chance; then the document. */
#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/digest.h"
#include "api/draw_proof.h"

enum { INPUT_MAX = 80000, FIX_HASHES = 1, FIX_ORDER = 2 };

struct found {
    const struct draw_proof *proof;
    uint64_t count;
};

static void note(void *user, const struct draw_finding *finding)
{
    struct found *found = user;
    const struct draw_proof *proof = found->proof;

    found->count++;
    switch (finding->fault) {
    case DRAW_FAULT_UNSORTED:
    case DRAW_FAULT_REPEATED:
    case DRAW_FAULT_MISSING:
        assert(finding->at < proof->count);
        assert(draw_entry_compare(&proof->entries[finding->at], &finding->entry) == 0);
        break;
    case DRAW_FAULT_TWICE:
    case DRAW_FAULT_PLACE:
    case DRAW_FAULT_STRAY:
        assert(finding->other >= 1 && finding->other <= proof->order_count);
        assert(finding->other != finding->at);
        assert(draw_entry_compare(&proof->order[finding->at - 1], &finding->entry) == 0);
        break;
    case DRAW_FAULT_UNKNOWN:
        assert(draw_entry_compare(&proof->order[finding->at - 1], &finding->entry) == 0);
        break;
    case DRAW_FAULT_SEED:
    case DRAW_FAULT_LIST:
    case DRAW_FAULT_LENGTH:
    case DRAW_FAULT_ORDER:
    case DRAW_FAULT_REDRAWN:
    case DRAW_FAULT_COUNT:
        break;
    }
}

/* The order that the entries have, in `slots`; false where there is none. */
static bool draw(const struct draw_proof *proof, struct draw_slot *slots)
{
    uint8_t key[DRAW_HASH_BYTES];

    for (uint32_t i = 1; i < proof->count; i++) {
        if (draw_entry_compare(&proof->entries[i - 1], &proof->entries[i]) >= 0)
            return false;
    }
    draw_key(digest_sha256, &proof->terms, proof->seed, proof->list_hash, key);
    draw_order(digest_sha256, key, proof->entries, proof->count, slots);
    return true;
}

static bool is_right(const struct draw_proof *proof, struct draw_slot *slots)
{
    uint8_t hash[DRAW_HASH_BYTES];

    digest_sha256(proof->seed, DRAW_SEED_BYTES, hash);
    if (memcmp(hash, proof->seed_hash, sizeof(hash)) != 0)
        return false;
    digest_sha256(proof->entries, proof->count * sizeof(*proof->entries), hash);
    if (memcmp(hash, proof->list_hash, sizeof(hash)) != 0 || proof->count != proof->count_said ||
        proof->count != proof->order_count || !draw(proof, slots))
        return false;
    for (uint32_t i = 0; i < proof->count; i++) {
        if (draw_entry_compare(&proof->order[i], &proof->entries[slots[i].number]) != 0)
            return false;
    }
    return true;
}

static void fix(struct draw_proof_document *document, unsigned what, struct draw_slot *slots)
{
    struct draw_proof *proof = &document->proof;
    struct draw_entry *order = document->lists + proof->count;

    if (what & FIX_HASHES) {
        draw_seed_hash(digest_sha256, proof->seed, proof->seed_hash);
        draw_list_hash(digest_sha256, proof->entries, proof->count, proof->list_hash);
        proof->count_said = proof->count;
    }
    if (what & FIX_ORDER && proof->count == proof->order_count && draw(proof, slots)) {
        for (uint32_t i = 0; i < proof->count; i++)
            order[i] = proof->entries[slots[i].number];
    }
}

/* Written and read again. `slots` are of a right draw. */
static void write_again(const struct draw_proof_document *document, const struct draw_slot *slots)
{
    const struct draw_proof *proof = &document->proof;
    size_t size = 2 * (size_t)proof->count * 36 + 2 * DRAW_PROOF_PIECE_MIN;
    char *text = malloc(size + DRAW_PROOF_PIECE_MIN);
    uint32_t *order = malloc((proof->count + 1) * sizeof(*order));
    struct draw_proof_document again;
    char error[DRAW_PROOF_ERROR_MAX];
    size_t length = 0;
    size_t piece;

    assert(text != NULL && order != NULL);
    for (uint32_t i = 0; i < proof->count; i++)
        order[i] = slots[i].number;
    struct draw_proof_source source = {
        .terms = proof->terms,
        .mode = document->mode,
        .winners = document->winners,
        .entries = proof->entries,
        .order = order,
        .count = proof->count,
    };
    memcpy(source.seed, proof->seed, sizeof(source.seed));
    memcpy(source.seed_hash, proof->seed_hash, sizeof(source.seed_hash));
    memcpy(source.list_hash, proof->list_hash, sizeof(source.list_hash));
    while ((piece = draw_proof_write(&source, text + length, DRAW_PROOF_PIECE_MIN)) > 0) {
        length += piece;
        assert(piece <= DRAW_PROOF_PIECE_MIN && length <= size);
    }
    assert(draw_proof_read(text, length, &again, error));
    assert(again.mode == document->mode && again.winners == document->winners);
    assert(is_right(&again.proof, (struct draw_slot *)(uintptr_t)slots));
    assert(strcmp(again.drop, document->drop) == 0);
    assert(strcmp(again.public_source, document->public_source) == 0);
    assert(strcmp(again.public_value, document->public_value) == 0);
    assert(again.proof.count == proof->count &&
           memcmp(again.lists, document->lists, 2 * proof->count * sizeof(*again.lists)) == 0);
    draw_proof_free(&again);
    free(text);
    free(order);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct draw_proof_document document;
    struct draw_result result;
    char error[DRAW_PROOF_ERROR_MAX] = "";

    if (size < 1 || size > INPUT_MAX)
        return 0;
    if (!draw_proof_read((const char *)data + 1, size - 1, &document, error)) {
        assert(error[0] != 0 && strlen(error) < sizeof(error) && document.lists == NULL);
        return 0;
    }
    const struct draw_proof *proof = &document.proof;
    size_t longer = (proof->count > proof->order_count ? proof->count : proof->order_count) + 1;
    struct draw_slot *slots = malloc(DRAW_CHECK_SLOTS * longer * sizeof(*slots));
    struct draw_check_memory memory = {
        .slots = malloc(DRAW_CHECK_SLOTS * longer * sizeof(*slots)),
        .numbers = malloc(DRAW_CHECK_NUMBERS * longer * sizeof(*memory.numbers)),
    };
    struct found found = {.proof = proof};

    assert(slots != NULL && memory.slots != NULL && memory.numbers != NULL);
    fix(&document, data[0], slots);
    bool verdict = draw_check(digest_sha256, proof, memory, UINT32_MAX, note, &found, &result);
    assert(verdict == is_right(proof, slots) && verdict == (found.count == 0));
    if (verdict)
        write_again(&document, slots);
    free(slots);
    free(memory.slots);
    free(memory.numbers);
    draw_proof_free(&document);
    return 0;
}
