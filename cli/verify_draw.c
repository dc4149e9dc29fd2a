/* SPDX-License-Identifier: Apache-2.0 */
/* `stampede verify-draw FILE`: re-computes a drop's draw from its proof document alone, and says
 * what is shown by that, what is wrong, and what only the reader can compare. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/digest.h"
#include "api/draw_proof.h"
#include "commands.h"
#include "options.h"

enum {
    FINDINGS_SHOWN_MAX = 10, /* of one kind */
    HASH_TEXT = 2 * DRAW_HASH_BYTES,
};

struct noted {
    bool is_given;
    uint8_t hash[DRAW_HASH_BYTES];
};

struct verification {
    const struct options *options;
    struct draw_proof_document document;
    struct draw_result result;
    struct noted seed_hash;
    struct noted list_hash;
    bool is_wrong;
};

static const char *hex(const uint8_t *bytes, size_t count, char text_out[HASH_TEXT + 1])
{
    for (size_t i = 0; i < count; i++)
        snprintf(text_out + 2 * i, 3, "%02x", bytes[i]);
    return text_out;
}

/* ---- the file ---- */

/* All of a file, to be freed; NULL after a line on standard error. */
static char *read_file(const char *name, size_t *length_out)
{
    bool is_input = strcmp(name, "-") == 0;
    FILE *file = is_input ? stdin : fopen(name, "rb");
    size_t size = 0;
    size_t length = 0;
    char *text = NULL;
    const char *reason = NULL;

    if (file == NULL) {
        complain("cannot read %s: %s: give a proof document, or - for standard input", name,
                 strerror(errno));
        return NULL;
    }
    while (reason == NULL && !feof(file)) {
        if (length == size) {
            char *larger = realloc(text, size = size == 0 ? 1 << 16 : 2 * size);

            if (larger == NULL) {
                reason = "out of memory";
                break;
            }
            text = larger;
        }
        length += fread(text + length, 1, size - length, file);
        if (ferror(file))
            reason = strerror(errno);
        else if (length > DRAW_PROOF_BYTES_MAX)
            reason = "it is longer than any proof document";
    }
    if (!is_input)
        fclose(file);
    if (reason != NULL) {
        complain("cannot read %s: %s", name, reason);
        free(text);
        return NULL;
    }
    *length_out = length;
    return text;
}

static bool open_document(struct verification *verification)
{
    const char *name = verification->options->argument;
    char error[DRAW_PROOF_ERROR_MAX];
    size_t length;
    char *text = read_file(name, &length);

    if (text == NULL)
        return false;
    bool is_read = draw_proof_read(text, length, &verification->document, error);
    free(text);
    if (!is_read)
        complain("%s is no proof document: %s", name, error);
    return is_read;
}

static bool read_noted(const char *flag, const char *text, struct noted *noted_out)
{
    noted_out->is_given = text[0] != 0;
    if (!noted_out->is_given || draw_hex_read(text, strlen(text), noted_out->hash, DRAW_HASH_BYTES))
        return true;
    complain("--%s is \"%.100s\": give %d hexadecimal digits in small letters", flag, text,
             HASH_TEXT);
    return false;
}

/* ---- what is wrong ---- */

static void print_finding(void *user, const struct draw_finding *finding)
{
    const struct verification *verification = user;
    char entry[HASH_TEXT + 1];
    unsigned at = finding->at;
    unsigned other = finding->other;

    hex(finding->entry.bytes, DRAW_ENTRY_BYTES, entry);
    printf("  WRONG  ");
    switch (finding->fault) {
    case DRAW_FAULT_SEED:
        printf("the seed does not match seed_hash: it is none that this drop was bound to\n");
        break;
    case DRAW_FAULT_LIST:
        hex(verification->result.list_hash, DRAW_HASH_BYTES, entry);
        printf("the entries do not match list_hash: theirs is %s\n", entry);
        break;
    case DRAW_FAULT_LENGTH:
        printf("count is %u, but there are %u entries\n", at, other);
        break;
    case DRAW_FAULT_UNSORTED:
        printf("entries[%u], %s, is lower than the one before it: altered, or not in its place\n",
               at, entry);
        break;
    case DRAW_FAULT_REPEATED:
        printf("entries[%u], %s, is there twice\n", at, entry);
        break;
    case DRAW_FAULT_UNKNOWN:
        printf("place %u: %s is not among the entries: altered or added\n", at, entry);
        break;
    case DRAW_FAULT_TWICE:
        printf("place %u: %s stands at place %u, too\n", at, entry, other);
        break;
    case DRAW_FAULT_MISSING:
        printf("entries[%u], %s, has no place in the order: left out or altered\n", at, entry);
        break;
    case DRAW_FAULT_PLACE:
        printf("place %u: %s belongs at place %u\n", at, entry, other);
        break;
    case DRAW_FAULT_STRAY:
        printf("place %u: %s does not belong there by list_hash (but at %u): altered or added\n",
               at, entry, other);
        break;
    case DRAW_FAULT_ORDER:
        printf("the order is another one: %u of %u entries stand elsewhere\n", at, other);
        break;
    case DRAW_FAULT_REDRAWN:
        printf("the order is right for these entries: the list was changed and drawn again, and"
               " list_hash is the first one's\n");
        break;
    case DRAW_FAULT_COUNT:
        break;
    }
}

static void print_rest(const struct verification *verification)
{
    static const char *const names[DRAW_FAULT_COUNT] = {
#define X(name, text) [DRAW_FAULT_##name] = text,
        DRAW_FAULTS(X)
#undef X
    };
    const uint32_t *counts = verification->result.counts;
    bool is_list_alone = counts[DRAW_FAULT_LIST] > 0;

    for (unsigned i = 0; i < DRAW_FAULT_COUNT; i++) {
        if (i != DRAW_FAULT_LIST && i != DRAW_FAULT_LENGTH && counts[i] > 0)
            is_list_alone = false;
        if (counts[i] > FINDINGS_SHOWN_MAX)
            printf("  WRONG  and %u more of the kind: %s\n", counts[i] - FINDINGS_SHOWN_MAX,
                   names[i]);
    }
    if (is_list_alone)
        printf("  WRONG  every entry stands where list_hash puts it: one was taken out, or put in"
               " where it happens to fit\n");
}

/* ---- what is shown ---- */

static void compare_noted(struct verification *verification, const char *name, const char *flag,
                          const char *when, const struct noted *noted, const uint8_t *hash)
{
    char text[HASH_TEXT + 1];

    if (!noted->is_given) {
        printf("  %-12s not compared with what was published %s: give that by --%s\n", name, when,
               flag);
        return;
    }
    if (memcmp(noted->hash, hash, DRAW_HASH_BYTES) == 0) {
        printf("  %-12s is what you noted\n", name);
        return;
    }
    verification->is_wrong = true;
    printf("  WRONG  %s is not what you noted, but %s\n", name, hex(hash, DRAW_HASH_BYTES, text));
}

static void find_ticket(struct verification *verification)
{
    const struct draw_proof_document *document = &verification->document;
    const char *ticket = verification->options->draw_ticket;
    char text[HASH_TEXT + 1];

    if (ticket[0] == 0)
        return;
    struct draw_entry entry =
        draw_entry_of_ticket(digest_sha256, document->drop, ticket, strlen(ticket));
    uint32_t place = draw_place_of(&document->proof, &entry);
    hex(entry.bytes, DRAW_ENTRY_BYTES, text);
    if (place == 0) {
        verification->is_wrong = true;
        printf("  WRONG  your ticket's entry, %s, has no place in the order\n", text);
        return;
    }
    printf("  %-12s entry %s, place %u of %u", "your ticket", text, place,
           document->proof.order_count);
    if (document->mode == DRAW_MODE_DRAW)
        printf(": %s the first %u, who win", place <= document->winners ? "among" : "not among",
               document->winners);
    printf("\n");
}

static void print_shown(const struct verification *verification)
{
    const struct draw_proof_document *document = &verification->document;
    const struct draw_proof *proof = &document->proof;
    char text[HASH_TEXT + 1];

    printf("  %-12s matches seed_hash %s\n", "seed", hex(proof->seed_hash, DRAW_HASH_BYTES, text));
    printf("  %-12s ascending, none twice, match list_hash %s\n", "entries",
           hex(proof->list_hash, DRAW_HASH_BYTES, text));
    printf("  %-12s every entry once, each where its rank puts it\n", "order");
}

static int report(struct verification *verification, struct draw_check_memory memory)
{
    const struct draw_proof_document *document = &verification->document;
    const struct draw_proof *proof = &document->proof;

    printf("%s: %s of %u entries, closed %s\n", document->drop,
           document->mode == DRAW_MODE_DRAW ? "draw" : "shuffle", proof->count,
           document->closed_at);
    verification->is_wrong = !draw_check(digest_sha256, proof, memory, FINDINGS_SHOWN_MAX,
                                         print_finding, verification, &verification->result);
    if (verification->is_wrong)
        print_rest(verification);
    else
        print_shown(verification);
    if (document->public_source[0] != 0)
        printf("  %-12s \"%s\" of %s: look it up there\n", "public value", document->public_value,
               document->public_source);
    compare_noted(verification, "seed_hash", "seed-hash", "before anybody joined",
                  &verification->seed_hash, proof->seed_hash);
    compare_noted(verification, "list_hash", "list-hash", "when the list closed",
                  &verification->list_hash, proof->list_hash);
    find_ticket(verification);
    printf(verification->is_wrong ? "NOT VERIFIED\n" : "verified\n");
    return verification->is_wrong ? STATUS_FOUND : STATUS_DONE;
}

int command_verify_draw(const struct options *options)
{
    struct verification verification = {.options = options};
    struct draw_check_memory memory = {0};
    int status = STATUS_USAGE;

    if (!read_noted("seed-hash", options->draw_seed_hash, &verification.seed_hash) ||
        !read_noted("list-hash", options->draw_list_hash, &verification.list_hash) ||
        !open_document(&verification))
        return STATUS_USAGE;
    const struct draw_proof *proof = &verification.document.proof;
    size_t longer = (proof->count > proof->order_count ? proof->count : proof->order_count) + 1;
    memory.slots = malloc(longer * DRAW_CHECK_SLOTS * sizeof(*memory.slots));
    memory.numbers = malloc(longer * DRAW_CHECK_NUMBERS * sizeof(*memory.numbers));
    if (memory.slots != NULL && memory.numbers != NULL)
        status = report(&verification, memory);
    else
        complain("out of memory");
    free(memory.slots);
    free(memory.numbers);
    draw_proof_free(&verification.document);
    return status;
}
