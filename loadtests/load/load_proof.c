/* SPDX-License-Identifier: Apache-2.0 */
/* The proof, from answers and books. */
#include "load_proof.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TROUBLE_PASSES_NS UINT64_C(1000000000)

enum {
    ROUNDS_MAX = 3, /* tries, for holds that lapse while the books are read */
    ROUND_PAUSE_MS = 300,
};

/* What the books say of one SKU. */
struct load_proof_row {
    struct load_inventory now;
    int64_t live;           /* units of held entries, earlier ones too */
    int64_t converted;      /* units converted since the run began */
    int64_t ended;          /* units released or expired since then */
    int64_t unacknowledged; /* new entries that no answer names */
};

/* ---- the verdict ---- */

void load_verdict_clear(struct load_verdict *verdict)
{
    *verdict = (struct load_verdict){.ok = true};
}

bool load_verdict_check(struct load_verdict *verdict, bool ok, const char *name, const char *format,
                        ...)
{
    assert(verdict->checks_count < LOAD_CHECKS_MAX);
    struct load_check *check = &verdict->checks[verdict->checks_count++];
    va_list arguments;
    va_start(arguments, format);
    check->ok = ok;
    snprintf(check->name, sizeof check->name, "%s", name);
    vsnprintf(check->detail, sizeof check->detail, format, arguments);
    va_end(arguments);
    verdict->ok = verdict->ok && ok;
    return ok;
}

void load_verdict_problem(struct load_verdict *verdict, const char *format, ...)
{
    if (verdict->problems_count < LOAD_PROBLEMS_MAX) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(verdict->problems[verdict->problems_count], LOAD_PROBLEM_BYTES_MAX, format,
                  arguments);
        va_end(arguments);
    }
    verdict->problems_count++;
}

/* ---- before the run ---- */

static bool earlier_keep(void *context, const struct load_book_entry *entry)
{
    struct load_proof *proof = context;
    if (proof->earlier_count == proof->earlier_capacity) {
        uint32_t capacity = proof->earlier_capacity == 0 ? 256 : proof->earlier_capacity * 2;
        char **larger = realloc(proof->earlier_ids, capacity * sizeof *larger);
        if (larger == NULL) {
            return false;
        }
        proof->earlier_ids = larger;
        proof->earlier_capacity = capacity;
    }
    char *id = strndup(entry->id.data, entry->id.length);
    if (id == NULL) {
        return false;
    }
    proof->earlier_ids[proof->earlier_count++] = id;
    return load_index_add(&proof->earlier, id, entry->id.length,
                          entry->status == LOAD_BOOK_CONVERTED) != LOAD_INDEX_NO_MEMORY;
}

/* Lists the reservations that can touch our SKUs; the callback still has to look. */
static bool books_list(struct load_proof *proof, load_admin_entry_callback callback, void *context)
{
    const struct load_skus *skus = proof->skus;
    return load_admin_reservations_each(proof->admin, skus->count == 1 ? skus->rows[0].name : NULL,
                                        callback, context);
}

bool load_proof_begin(struct load_proof *proof, struct load_admin *admin, struct load_skus *skus)
{
    *proof = (struct load_proof){.admin = admin, .skus = skus};
    proof->rows = calloc(skus->count, sizeof *proof->rows);
    admin->error[0] = '\0';
    if (proof->rows == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < skus->count; i++) {
        struct load_sku *sku = &skus->rows[i];
        if (load_index_add(&proof->sku_rows, sku->name, strlen(sku->name), i) ==
                LOAD_INDEX_NO_MEMORY ||
            !load_admin_inventory(admin, sku->name, &sku->before)) {
            return false;
        }
    }
    return books_list(proof, earlier_keep, proof);
}

void load_proof_close(struct load_proof *proof)
{
    for (uint32_t i = 0; i < proof->earlier_count; i++) {
        free(proof->earlier_ids[i]);
    }
    free(proof->earlier_ids);
    free(proof->rows);
    load_index_close(&proof->sku_rows);
    load_index_close(&proof->earlier);
    *proof = (struct load_proof){0};
}

/* ---- after the run ---- */

struct comparison {
    struct load_proof *proof;
    struct load_answers *answers;
    struct load_verdict *verdict;
    struct load_index holds; /* ID -> row of the hold */
    uint64_t twice;          /* reservations acknowledged to two attempts */
    uint64_t wrong;          /* entries whose lines are not what was asked for */
};

static bool holds_index(struct comparison *comparison)
{
    struct load_answers *answers = comparison->answers;
    comparison->twice = 0;
    for (uint32_t i = 0; i < answers->holds_count; i++) {
        struct load_hold *hold = &answers->holds[i];
        hold->in_books = false;
        enum load_index_result result =
            load_index_add(&comparison->holds, hold->id, strlen(hold->id), i);
        if (result == LOAD_INDEX_NO_MEMORY) {
            return false;
        }
        if (result == LOAD_INDEX_PRESENT) {
            comparison->twice++;
            hold->in_books = true; /* it is there, as another's; counted as twice instead */
            load_verdict_problem(comparison->verdict, "%s was acknowledged to two attempts",
                                 hold->id);
        }
    }
    return true;
}

/* Is the entry what this attempt asked for? */
static void entry_match(struct comparison *comparison, struct load_hold *hold,
                        const struct load_book_entry *entry)
{
    const struct load_skus *skus = comparison->proof->skus;
    const struct load_attempt *attempt = &comparison->answers->attempts[hold->attempt];
    const char *sku = skus->rows[attempt->sku].name;
    const struct load_book_line *line = &entry->lines[0];
    bool same = entry->lines_count == 1 && line->sku.length == strlen(sku) &&
                memcmp(line->sku.data, sku, line->sku.length) == 0 &&
                line->quantity == (int64_t)skus->quantity;
    hold->in_books = true;
    hold->book_status = (uint8_t)entry->status;
    if (!same) {
        comparison->wrong++;
        load_verdict_problem(comparison->verdict, "%s: the books have other lines than %u of %s",
                             hold->id, (unsigned)skus->quantity, sku);
    }
}

static bool entry_compare(void *context, const struct load_book_entry *entry)
{
    struct comparison *comparison = context;
    struct load_proof *proof = comparison->proof;
    uint32_t hold = 0;
    uint32_t was_converted = 0;
    bool earlier =
        load_index_find(&proof->earlier, entry->id.data, entry->id.length, &was_converted);
    bool ours = load_index_find(&comparison->holds, entry->id.data, entry->id.length, &hold);
    if (ours) {
        entry_match(comparison, &comparison->answers->holds[hold], entry);
    }
    for (uint32_t i = 0; i < entry->lines_count; i++) {
        const struct load_book_line *line = &entry->lines[i];
        uint32_t row_index = 0;
        if (!load_index_find(&proof->sku_rows, line->sku.data, line->sku.length, &row_index)) {
            continue;
        }
        struct load_proof_row *row = &proof->rows[row_index];
        if (entry->status == LOAD_BOOK_CONVERTED) {
            row->converted += was_converted != 0 ? 0 : line->quantity;
        } else if (entry->status == LOAD_BOOK_RELEASED || entry->status == LOAD_BOOK_EXPIRED) {
            row->ended += earlier ? 0 : line->quantity;
        } else {
            row->live += line->quantity; /* states to come, such as `capturing`, hold units too */
        }
        if (!earlier && !ours) {
            row->unacknowledged++;
            proof->totals.unacknowledged++;
        }
    }
    return true;
}

/* The checks of one SKU; each problem found is told and counted. */
struct sku_findings {
    uint64_t unbalanced;
    uint64_t disagree;
    uint64_t unexplained;
    uint64_t undersold;
};

static void sku_compare(struct comparison *comparison, uint32_t index, uint64_t trouble_ns,
                        struct sku_findings *findings)
{
    struct load_proof *proof = comparison->proof;
    struct load_verdict *verdict = comparison->verdict;
    const struct load_sku *sku = &proof->skus->rows[index];
    const struct load_proof_row *row = &proof->rows[index];
    const struct load_inventory *now = &row->now;
    if (now->stock != now->available + now->reserved + now->sold || now->stock < 0 ||
        now->available < 0 || now->reserved < 0 || now->sold < 0) {
        findings->unbalanced++;
        load_verdict_problem(verdict,
                             "%s: stock %" PRId64 " is not available %" PRId64
                             " + reserved %" PRId64 " + sold %" PRId64,
                             sku->name, now->stock, now->available, now->reserved, now->sold);
    }
    if (now->reserved != row->live || now->sold != sku->before.sold + row->converted) {
        findings->disagree++;
        load_verdict_problem(verdict,
                             "%s: reserved %" PRId64 ", sold %" PRId64 "; its reservations say "
                             "%" PRId64 " and %" PRId64,
                             sku->name, now->reserved, now->sold, row->live,
                             sku->before.sold + row->converted);
    }
    if (row->unacknowledged > (int64_t)sku->unknown) {
        findings->unexplained++;
        load_verdict_problem(verdict,
                             "%s: %" PRId64 " reservations in the books that no buyer was told "
                             "of, and only %" PRIu64 " answers lost",
                             sku->name, row->unacknowledged, sku->unknown);
    }
    /* A claim that a shed or lost request gives back comes too late for who was refused before. */
    bool refused = sku->sold_out > 0 &&
                   (trouble_ns == 0 || sku->last_sold_out_ns > trouble_ns + TROUBLE_PASSES_NS);
    if (refused && row->ended == 0 && now->available >= (int64_t)proof->skus->quantity) {
        findings->undersold++;
        load_verdict_problem(verdict,
                             "%s: %" PRIu64 " buyers were refused, but %" PRId64 " units are left",
                             sku->name, sku->sold_out, now->available);
    }
    int64_t over = row->live + sku->before.sold + row->converted - now->stock;
    struct load_proof_totals *totals = &proof->totals;
    totals->oversold_units += over > 0 ? over : 0;
    totals->live_units += row->live;
    totals->converted_units += row->converted;
    totals->ended_units += row->ended;
    totals->books.stock += now->stock;
    totals->books.available += now->available;
    totals->books.reserved += now->reserved;
    totals->books.sold += now->sold;
}

/* Reads the books and notes what each SKU has. */
static bool books_read(struct comparison *comparison)
{
    struct load_proof *proof = comparison->proof;
    proof->totals = (struct load_proof_totals){0};
    comparison->wrong = 0;
    memset(proof->rows, 0, proof->skus->count * sizeof *proof->rows);
    for (uint32_t i = 0; i < proof->skus->count; i++) {
        if (!load_admin_inventory(proof->admin, proof->skus->rows[i].name, &proof->rows[i].now)) {
            return false;
        }
    }
    return holds_index(comparison) && books_list(proof, entry_compare, comparison);
}

static void round_judge(struct comparison *comparison, const struct load_run *run)
{
    struct load_proof *proof = comparison->proof;
    struct load_verdict *verdict = comparison->verdict;
    struct load_proof_totals *totals = &proof->totals;
    struct sku_findings findings = {0};
    for (uint32_t i = 0; i < comparison->answers->holds_count; i++) {
        const struct load_hold *hold = &comparison->answers->holds[i];
        if (!hold->in_books) {
            totals->lost++;
            load_verdict_problem(verdict, "%s was acknowledged and is not in the books", hold->id);
        }
    }
    for (uint32_t i = 0; i < proof->skus->count; i++) {
        sku_compare(comparison, i, run->last_trouble_ns, &findings);
    }
    totals->acknowledged = comparison->answers->holds_count;
    totals->acknowledged_units = totals->acknowledged * (int64_t)proof->skus->quantity;
    load_verdict_check(verdict, totals->lost == 0 && comparison->wrong == 0,
                       "every acknowledged reservation is in the books",
                       "%" PRId64 " of %" PRId64 ", %" PRIu64 " with other lines",
                       totals->acknowledged - totals->lost, totals->acknowledged,
                       comparison->wrong);
    load_verdict_check(verdict, comparison->twice == 0 && findings.unexplained == 0,
                       "every reservation in the books has one buyer",
                       "%" PRId64 " with a lost answer, %" PRIu64 " acknowledged twice, "
                       "%" PRIu64 " SKUs with unknown buyers",
                       totals->unacknowledged, comparison->twice, findings.unexplained);
    load_verdict_check(verdict, findings.unbalanced == 0, "stock = available + reserved + sold",
                       "%" PRId64 " = %" PRId64 " + %" PRId64 " + %" PRId64 ", %u SKUs",
                       totals->books.stock, totals->books.available, totals->books.reserved,
                       totals->books.sold, (unsigned)proof->skus->count);
    load_verdict_check(verdict, findings.disagree == 0, "books and reservations agree",
                       "in %" PRIu64 " of %u SKUs; %" PRId64 " units held, %" PRId64
                       " converted, %" PRId64 " came back",
                       proof->skus->count - findings.disagree, (unsigned)proof->skus->count,
                       totals->live_units, totals->converted_units, totals->ended_units);
    load_verdict_check(verdict, totals->oversold_units == 0, "nothing oversold",
                       "oversold %" PRId64, totals->oversold_units);
    load_verdict_check(verdict, findings.undersold == 0, "no one refused while units are left",
                       "%" PRIu64 " SKUs", findings.undersold);
}

bool load_proof_finish(struct load_proof *proof, struct load_run *run, struct load_verdict *verdict)
{
    struct load_verdict before = *verdict;
    struct timespec pause = {.tv_nsec = ROUND_PAUSE_MS * 1000000L};
    bool readable = true;
    for (int round = 0; round < ROUNDS_MAX && readable; round++) {
        struct comparison comparison = {
            .proof = proof, .answers = &run->answers, .verdict = verdict};
        if (round > 0) {
            nanosleep(&pause, NULL);
        }
        *verdict = before;
        verdict->ok = true;
        readable = books_read(&comparison);
        if (readable) {
            round_judge(&comparison, run);
        }
        load_index_close(&comparison.holds);
        if (verdict->ok) {
            break;
        }
    }
    verdict->ok = verdict->ok && before.ok;
    return readable;
}

void load_proof_check_answers(const struct load_run *run, struct load_verdict *verdict)
{
    const struct load_counters *counters = &run->counters;
    uint64_t strange = counters->malformed;
    for (int status = 0; status < LOAD_STATUS_MAX; status++) {
        bool expected = status == 201 || status == 409 || status == 429 || status == 503;
        if (!expected && counters->by_status[status] > 0) {
            strange += counters->by_status[status];
            load_verdict_problem(verdict, "%" PRIu64 " answers of status %d",
                                 counters->by_status[status], status);
        }
    }
    load_verdict_check(verdict, strange == 0 && counters->holds_overflow == 0,
                       "every answer is one that a buyer can expect",
                       "%" PRIu64 " answers, %" PRIu64 " strange, %" PRIu64 " not kept",
                       counters->answers, strange, counters->holds_overflow);
}
