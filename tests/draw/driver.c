/* SPDX-License-Identifier: Apache-2.0 */
/* Draws as the shop does, and prints the proof document:
 *
 *     draw-driver DROP MODE WINNERS SEED SOURCE VALUE < TICKETS
 *
 * MODE is shuffle or draw; SEED is 64 hexadecimal digits; SOURCE and VALUE may be empty. TICKETS
 * are read a line each. The processor time goes to standard error. Exit status: 0, or 2 with a
 * line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/digest.h"
#include "api/draw_proof.h"

enum { CLOSED_AT_S = 1795802400 };

/* Of this process: others may be at work. */
static double now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int refuse(const char *what)
{
    fprintf(stderr, "draw-driver: %s\n", what);
    return 2;
}

static uint32_t read_tickets(const char *drop, struct draw_entry *entries)
{
    char line[DRAW_TICKET_LENGTH_MAX + 2];
    uint32_t count = 0;

    while (count < DRAW_ENTRIES_MAX && fgets(line, sizeof(line), stdin) != NULL) {
        size_t length = strcspn(line, "\n");

        if (length > 0)
            entries[count++] = draw_entry_of_ticket(digest_sha256, drop, line, length);
    }
    return count;
}

static void print_document(struct draw_proof_source *source)
{
    char piece[DRAW_PROOF_PIECE_MIN];
    size_t length;

    while ((length = draw_proof_write(source, piece, sizeof(piece))) > 0)
        fwrite(piece, 1, length, stdout);
}

int main(int argc, char *argv[])
{
    struct draw_proof_source source = {.closed_at_ms = CLOSED_AT_S * INT64_C(1000)};
    struct draw_entry *entries = malloc(DRAW_ENTRIES_MAX * sizeof(*entries));
    struct draw_slot *slots = malloc(2 * (size_t)DRAW_ENTRIES_MAX * sizeof(*slots));
    uint32_t *order = malloc(DRAW_ENTRIES_MAX * sizeof(*order));
    uint8_t key[DRAW_HASH_BYTES];

    if (argc != 7 || !draw_hex_read(argv[4], strlen(argv[4]), source.seed, DRAW_SEED_BYTES))
        return refuse("usage: draw-driver DROP MODE WINNERS SEED SOURCE VALUE < TICKETS");
    if (entries == NULL || slots == NULL || order == NULL)
        return refuse("out of memory");
    source.terms = (struct draw_terms){argv[1], argv[5], argv[6]};
    source.mode = strcmp(argv[2], "draw") == 0 ? DRAW_MODE_DRAW : DRAW_MODE_SHUFFLE;
    source.winners = (uint32_t)strtoul(argv[3], NULL, 10);
    if (!draw_terms_are_valid(&source.terms))
        return refuse("the terms are not valid");
    source.count = read_tickets(argv[1], entries);
    source.entries = entries;
    source.order = order;

    double start = now_ms();
    if (!draw_list_sort(entries, source.count, slots))
        return refuse("two tickets are the same");
    draw_list_hash(digest_sha256, entries, source.count, source.list_hash);
    double closed = now_ms();
    draw_seed_hash(digest_sha256, source.seed, source.seed_hash);
    draw_key(digest_sha256, &source.terms, source.seed, source.list_hash, key);
    draw_order(digest_sha256, key, entries, source.count, slots);
    for (uint32_t i = 0; i < source.count; i++)
        order[i] = slots[i].number;
    double drawn = now_ms();
    print_document(&source);
    fprintf(stderr, "%u entries: list closed in %.1f ms, drawn in %.1f ms\n", source.count,
            closed - start, drawn - closed);
    free(entries);
    free(slots);
    free(order);
    return fflush(stdout) == 0 ? 0 : refuse("standard output is closed");
}
