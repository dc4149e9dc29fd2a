/* SPDX-License-Identifier: Apache-2.0 */
/* Webhooks on their way and past: each is of an event that happened, to an order whose number was
 * given, and goes to an endpoint whose number was given. What is pending for an endpoint that is no
 * more is dropped with the next start: it is unfinished. */
#include <inttypes.h>

#include "check_private.h"
#include "settings.h"

struct scanned {
    struct check *check;
    uint32_t partition;
    uint64_t events_next;
    enum record_kind kind;
};

#define DELIVERY_FORMAT "webhook %" PRIu64 " of partition %" PRIu32 " for endpoint %" PRIu32

static void damaged(void *arg, const char *line)
{
    check_broken(((struct scanned *)arg)->check, "%s", line);
}

static void scan(struct scanned *scanned, enum record_kind kind,
                 bool (*visit)(void *arg, const struct record *record))
{
    struct check *check = scanned->check;

    scanned->kind = kind;
    if (!check->out_of_memory &&
        !journal_rocksdb_scan(check->journal, kind, scanned->partition, visit, damaged, scanned) &&
        !check->out_of_memory)
        check_broken(check, "the webhooks of partition %" PRIu32 " cannot be read to their end",
                     scanned->partition);
}

static bool visit_floor(void *arg, const struct record *record)
{
    struct scanned *scanned = arg;

    if (record->subject == FLOOR_EVENTS)
        scanned->events_next = record->floor.next_sequence;
    return true;
}

/* The settings are the first partition's. */
static bool visit_setting(void *arg, const struct record *record)
{
    struct check *check = ((struct scanned *)arg)->check;
    uint32_t *endpoint;

    if (record->subject == SETTING_HEAD)
        check->endpoints_next = record->setting.head.next_numbers[SETTING_WEBHOOK_ENDPOINT];
    if (record->subject != SETTING_WEBHOOK_ENDPOINT)
        return true;
    endpoint = check_vector_add(check, &check->endpoints, sizeof(*endpoint));
    if (endpoint != NULL)
        *endpoint = (uint32_t)record->sequence;
    return endpoint != NULL;
}

static void check_event(struct scanned *scanned, const struct record *record)
{
    const struct delivery_event *event = &record->delivery.event;
    struct check *check = scanned->check;
    bool is_test = (record->sequence & DELIVERY_TEST_BIT) != 0;

    if (is_test != (event->type == EVENT_ENDPOINT_TEST))
        check_broken(check, DELIVERY_FORMAT " is of an event of another kind than its number says",
                     record->sequence, scanned->partition, record->subject);
    if (is_test)
        return;
    if (record->sequence >= scanned->events_next)
        check_broken(check, DELIVERY_FORMAT " is of an event whose number was not given yet",
                     record->sequence, scanned->partition, record->subject);
    if (event->type == EVENT_INVENTORY_SOLD_OUT) {
        if (sku_id_partition((uint32_t)event->order) != scanned->partition)
            check_broken(check, DELIVERY_FORMAT " is of a SKU of another partition",
                         record->sequence, scanned->partition, record->subject);
        return;
    }
    /* One that came to nothing before it began is not there. */
    if (event->order >= check->order_floors[scanned->partition])
        check_broken(check, DELIVERY_FORMAT " is of an order that never was", record->sequence,
                     scanned->partition, record->subject);
}

static bool visit(void *arg, const struct record *record)
{
    struct scanned *scanned = arg;
    struct check *check = scanned->check;

    check_event(scanned, record);
    if (record->subject >= check->endpoints_next)
        check_broken(check, DELIVERY_FORMAT ", whose number was not given yet", record->sequence,
                     scanned->partition, record->subject);
    else if (scanned->kind == RECORD_DELIVERY &&
             check_vector_find_32(&check->endpoints, record->subject) == NULL)
        check->unfinished++;
    check->webhooks_pending += scanned->kind == RECORD_DELIVERY;
    check->webhooks_dead += scanned->kind == RECORD_DELIVERY_DEAD;
    return true;
}

void check_deliveries_partition(struct check *check, uint32_t partition)
{
    struct scanned scanned = {.check = check, .partition = partition, .events_next = 1};

    if (partition == SETTINGS_PARTITION)
        scan(&scanned, RECORD_SETTING, visit_setting);
    scan(&scanned, RECORD_FLOOR, visit_floor);
    scan(&scanned, RECORD_DELIVERY, visit);
    scan(&scanned, RECORD_DELIVERY_DEAD, visit);
    scan(&scanned, RECORD_DELIVERY_DONE, visit);
}

void check_deliveries_print(const struct check *check)
{
    if (check->webhooks_pending + check->webhooks_dead > 0)
        fprintf(check->out, "check: webhooks: %" PRIu64 " pending, %" PRIu64 " dead letters\n",
                check->webhooks_pending, check->webhooks_dead);
}
