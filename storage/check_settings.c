/* SPDX-License-Identifier: Apache-2.0 */
/* The shop's settings: all in partition 0, each number below the one that is given next, no two tax
 * rates of the same place and category, and a key for what is sealed. */
#include <inttypes.h>
#include <string.h>

#include "check_private.h"
#include "settings.h"

struct scanned {
    struct check *check;
    uint32_t partition;
    bool has_head;
    bool has_key;
    bool has_secret;
    bool has_method;
    struct setting_head head;
    struct vector rates; /* struct check_rate */
    uint32_t counts[SETTING_KIND_COUNT];
};

struct check_rate {
    uint32_t number;
    struct setting_tax_rate row;
};

static char folded(char letter)
{
    return letter >= 'A' && letter <= 'Z' ? (char)(letter | 0x20) : letter;
}

static bool label_equal(const struct setting_label *a, const struct setting_label *b)
{
    if (a->length != b->length)
        return false;
    for (unsigned i = 0; i < a->length; i++)
        if (folded(a->text[i]) != folded(b->text[i]))
            return false;
    return true;
}

static void check_rate(struct scanned *scanned, const struct record *record)
{
    const struct setting_tax_rate *row = &record->setting.tax_rate;
    const struct check_rate *before = (const struct check_rate *)(const void *)scanned->rates.items;
    struct check_rate *added;

    for (size_t i = 0; i < scanned->rates.count; i++)
        if (memcmp(before[i].row.country, row->country, 2) == 0 &&
            label_equal(&before[i].row.region, &row->region) &&
            label_equal(&before[i].row.category, &row->category))
            check_broken(scanned->check,
                         "tax rates %" PRIu32 " and %" PRIu64
                         " are of the same country, region and category",
                         before[i].number, record->sequence);
    added = check_vector_add(scanned->check, &scanned->rates, sizeof(*added));
    if (added != NULL)
        *added = (struct check_rate){(uint32_t)record->sequence, *row};
}

static void check_row(struct scanned *scanned, const struct record *record)
{
    static const uint32_t most[SETTING_KIND_COUNT] = {
        [SETTING_TAX_RATE] = TAX_RATES_MAX,
        [SETTING_SHIPPING_METHOD] = SHIPPING_METHODS_MAX,
        [SETTING_WEBHOOK_ENDPOINT] = WEBHOOK_ENDPOINTS_MAX,
    };
    struct check *check = scanned->check;

    if (!scanned->has_head || record->sequence >= scanned->head.next_numbers[record->subject])
        check_broken(check,
                     "setting %" PRIu64 " of kind %" PRIu32 " has a number that was not "
                     "given yet",
                     record->sequence, record->subject);
    if (++scanned->counts[record->subject] == most[record->subject] + 1)
        check_broken(check, "there are more settings of kind %" PRIu32 " than there can be",
                     record->subject);
    if (record->subject == SETTING_TAX_RATE)
        check_rate(scanned, record);
    scanned->has_method = scanned->has_method || record->subject == SETTING_SHIPPING_METHOD;
    scanned->has_secret = scanned->has_secret || record->subject == SETTING_WEBHOOK_ENDPOINT;
}

/* Ascending by kind: the head comes first, then the key. */
static bool visit(void *arg, const struct record *record)
{
    struct scanned *scanned = arg;

    if (scanned->partition != SETTINGS_PARTITION) {
        check_broken(scanned->check, "partition %" PRIu32 " has settings, which are partition %d's",
                     scanned->partition, (int)SETTINGS_PARTITION);
        return true;
    }
    if (record->subject == SETTING_HEAD) {
        scanned->has_head = true;
        scanned->head = record->setting.head;
    } else if (record->subject == SETTING_KEY) {
        scanned->has_key = true;
        check_note_wrapping(scanned->check, record->setting.key.bytes, record->setting.key.length);
    } else {
        check_row(scanned, record);
    }
    return !scanned->check->out_of_memory;
}

static void damaged(void *arg, const char *line)
{
    check_broken(((struct scanned *)arg)->check, "%s", line);
}

void check_settings_partition(struct check *check, uint32_t partition)
{
    struct scanned scanned = {.check = check, .partition = partition};

    if (check->out_of_memory)
        return;
    if (!journal_rocksdb_scan(check->journal, RECORD_SETTING, partition, visit, damaged,
                              &scanned) &&
        !check->out_of_memory)
        check_broken(check, "the settings of partition %" PRIu32 " cannot be read to their end",
                     partition);
    if (scanned.has_method && !scanned.head.has_methods)
        check_broken(check, "shipping methods are stored, and the settings' head says none are");
    if (scanned.has_secret && !scanned.has_key)
        check_broken(check, "webhook endpoints have secrets, and the shop's key is missing");
    check_vector_free(&scanned.rates);
}
