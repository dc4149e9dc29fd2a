/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log for staff: partition by partition (each has a chain of its own), in each the newest
 * entry first. One of what was done to a subject needs only its partition. A call reads a bounded
 * number of pages and then says where to go on, so that a page may have fewer entries than were
 * asked for, or none, though there are more. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/request.h"
#include "api/stored.h"

enum {
    PAGES_MAX = 40, /* of LIST_PAGE_MAX entries, a call */
    SUBJECTS_MAX = 2,
    WHERE_TEXT_MAX = HTTP_PEER_TEXT_MAX + 4,
};

/* What entries to show. */
struct audit_filter {
    struct audit_record subjects[SUBJECTS_MAX]; /* subject and name of any of these */
    uint32_t partitions[SUBJECTS_MAX];
    uint32_t subject_count; /* 0: of everything */
    struct principal who;
    int8_t caller; /* -1: whoever */
    bool has_who;
};

struct audit_walk {
    struct api_shard *shard;
    uint64_t exchange_cookie;
    struct audit_filter filter;
    struct engine_read read;
    struct writer writer;
    uint32_t limit;
    uint32_t found;
    uint32_t pages;
    bool is_of_changes; /* of one product: shown as such, without what proves the chain */
    uint32_t partition;
    uint64_t below; /* entries with smaller numbers are to come; 0: the head is to be read */
};

/* ---- one entry ---- */

static void write_principal(struct writer *writer, const struct audit_walk *walk,
                            const struct principal *principal)
{
    const struct secrets_port *secrets = engine_secrets(walk->shard->api->engine);
    char account[ACCOUNT_ID_LENGTH + 1];
    char guest[PRINCIPAL_TEXT_LENGTH + 1];
    uint32_t partition;
    uint32_t number;

    if (account_principal_parse(principal, &secrets->id_key, &partition, &number)) {
        account_id_format(principal, account);
        write_json_string(writer, account, ACCOUNT_ID_LENGTH);
    } else {
        principal_format(principal, guest);
        write_json_string(writer, guest, PRINCIPAL_TEXT_LENGTH);
    }
}

static uint64_t number_of(const uint8_t *bytes, unsigned width)
{
    uint64_t number = 0;

    for (unsigned i = 0; i < width; i++)
        number = number << 8 | bytes[i];
    return number;
}

static void write_delivery(struct writer *writer, const struct engine *engine,
                           const struct audit_record *entry, uint32_t partition)
{
    struct reservation_id event = {.sequence = number_of(entry->name, 8),
                                   .created_ms = (int64_t)number_of(entry->name + 8, 8),
                                   .partition = partition};
    char id[DELIVERY_ID_LENGTH_MAX + 1];

    delivery_id_format(&event, (uint32_t)number_of(entry->name + 16, 8),
                       &engine_secrets(engine)->id_key, id);
    write_json_string(writer, id, strlen(id));
}

static void write_subject(struct writer *writer, const struct audit_walk *walk,
                          const struct audit_record *entry, uint32_t partition)
{
    const struct engine *engine = walk->shard->api->engine;
    char id[RESERVATION_ID_LENGTH + 1];
    const struct sku_entry *sku;
    struct reservation_id reservation;
    struct principal account;

    switch ((enum audit_subject)entry->subject) {
    case AUDIT_OF_PRODUCT:
    case AUDIT_OF_COUPON:
    case AUDIT_OF_SETTING:
        write_json_string(writer, (const char *)entry->name, entry->name_length);
        break;
    case AUDIT_OF_SKU:
        sku = directory_find_sku_id(shard_directory(walk->shard->shard),
                                    (uint32_t)number_of(entry->name, 4));
        if (sku == NULL)
            write_literal(writer, "null");
        else
            write_json_string(writer, sku->sku, sku->sku_length);
        break;
    case AUDIT_OF_RESERVATION:
        reservation = (struct reservation_id){.sequence = number_of(entry->name, 8),
                                              .created_ms = (int64_t)number_of(entry->name + 8, 8),
                                              .partition = partition};
        engine_reservation_id(engine, &reservation, id);
        write_json_string(writer, id, RESERVATION_ID_LENGTH);
        break;
    case AUDIT_OF_ORDER:
        reservation = (struct reservation_id){.sequence = number_of(entry->name, 8),
                                              .created_ms = (int64_t)number_of(entry->name + 8, 8),
                                              .partition = partition};
        order_id_format(&reservation, &engine_secrets(engine)->id_key, id);
        write_json_string(writer, id, RESERVATION_ID_LENGTH);
        break;
    case AUDIT_OF_DELIVERY:
        write_delivery(writer, engine, entry, partition);
        break;
    case AUDIT_OF_ACCOUNT:
    case AUDIT_SUBJECT_COUNT:
    default:
        memcpy(account.bytes, entry->name, sizeof(account.bytes));
        write_principal(writer, walk, &account);
        break;
    }
}

static void write_hex(struct writer *writer, const uint8_t *bytes, size_t length)
{
    static const char digits[] = "0123456789abcdef";

    write_byte(writer, '"');
    for (size_t i = 0; i < length; i++) {
        write_byte(writer, digits[bytes[i] >> 4]);
        write_byte(writer, digits[bytes[i] & 15]);
    }
    write_byte(writer, '"');
}

static void write_value(struct writer *writer, const struct audit_value *value)
{
    switch ((enum audit_value_kind)value->kind) {
    case AUDIT_VALUE_NUMBER:
        write_signed(writer, audit_number(value));
        break;
    case AUDIT_VALUE_WORD:
        write_json_string(writer, (const char *)value->bytes, value->length);
        break;
    case AUDIT_VALUE_DIGEST:
        write_hex(writer, value->bytes, value->length);
        break;
    case AUDIT_VALUE_NONE:
    case AUDIT_VALUE_COUNT:
    default:
        write_literal(writer, "null");
        break;
    }
}

static void write_network(struct writer *writer, const uint8_t network[AUDIT_NETWORK_BYTES])
{
    struct http_peer peer = {.address = {[10] = 0xff, [11] = 0xff}};
    char text[WHERE_TEXT_MAX];
    size_t length;

    if (network[0] != 4 && network[0] != 6) {
        write_literal(writer, "null");
        return;
    }
    if (network[0] == 6)
        memset(peer.address, 0, sizeof(peer.address));
    memcpy(network[0] == 4 ? peer.address + 12 : peer.address, network + 1,
           network[0] == 4 ? 3 : AUDIT_NETWORK_BYTES - 1);
    length = http_peer_text(&peer, text);
    memcpy(text + length, network[0] == 4 ? "/24" : "/56", 3);
    write_json_string(writer, text, length + 3);
}

/* When, what and by whom: of the log and of a product's changes. */
static void write_act(struct writer *writer, const struct audit_walk *walk,
                      const struct audit_record *entry)
{
    write_literal(writer, "\"at\":");
    write_json_time(writer, entry->wall_ms);
    write_literal(writer, ",\"act\":\"");
    write_text(writer, audit_act_name((enum audit_act)entry->act));
    write_literal(writer, "\",\"caller\":\"");
    write_text(writer, audit_caller_name((enum audit_caller)entry->origin.caller));
    write_literal(writer, "\",\"who\":");
    if (principal_is_nobody(&entry->origin.who))
        write_literal(writer, "null");
    else
        write_principal(writer, walk, &entry->origin.who);
}

static void write_entry(struct audit_walk *walk, const struct record *record)
{
    const struct audit_record *entry = &record->audit;
    struct writer *writer = &walk->writer;

    write_literal(writer, "{\"partition\":");
    write_unsigned(writer, record->partition);
    write_literal(writer, ",\"sequence\":");
    write_unsigned(writer, record->sequence);
    write_byte(writer, ',');
    write_act(writer, walk, entry);
    write_literal(writer, ",\"network\":");
    write_network(writer, entry->origin.network);
    write_literal(writer, ",\"subject\":{\"type\":\"");
    write_text(writer, audit_subject_name((enum audit_subject)entry->subject));
    write_literal(writer, "\",\"id\":");
    write_subject(writer, walk, entry, record->partition);
    write_literal(writer, "},\"before\":");
    write_value(writer, &entry->before);
    write_literal(writer, ",\"after\":");
    write_value(writer, &entry->after);
    write_literal(writer, ",\"hash\":");
    write_hex(writer, entry->hash, AUDIT_HASH_BYTES);
    write_byte(writer, '}');
}

static void write_change(struct audit_walk *walk, const struct record *record)
{
    const struct audit_record *entry = &record->audit;
    struct writer *writer = &walk->writer;

    write_byte(writer, '{');
    write_act(writer, walk, entry);
    write_literal(writer, ",\"digest\":");
    write_value(writer, &entry->after);
    write_byte(writer, '}');
}

/* ---- the walk ---- */

static bool is_asked_for(const struct audit_filter *filter, const struct audit_record *entry)
{
    bool is_subject = filter->subject_count == 0;

    for (uint32_t i = 0; i < filter->subject_count; i++) {
        const struct audit_record *subject = &filter->subjects[i];

        is_subject = is_subject || (subject->subject == entry->subject &&
                                    subject->name_length == entry->name_length &&
                                    memcmp(subject->name, entry->name, entry->name_length) == 0);
    }
    return is_subject && (filter->caller < 0 || filter->caller == entry->origin.caller) &&
           (!filter->has_who || principal_equal(&filter->who, &entry->origin.who));
}

static struct http_exchange *exchange_of(const struct audit_walk *walk)
{
    struct http_server *server = atomic_load_explicit(&walk->shard->server, memory_order_relaxed);

    return server == NULL ? NULL : http_exchange_from_cookie(server, walk->exchange_cookie);
}

static void walk_free(struct audit_walk *walk)
{
    writer_free(&walk->writer);
    free(walk);
}

static void walk_refuse(struct audit_walk *walk, struct http_exchange *exchange,
                        enum outcome outcome)
{
    if (exchange != NULL)
        respond_outcome(exchange, outcome);
    walk_free(walk);
}

/* With a cursor if it was not the last. */
static void walk_respond(struct audit_walk *walk, struct http_exchange *exchange, bool has_more)
{
    if (exchange == NULL) {
        walk_free(walk);
        return;
    }
    write_literal(&walk->writer, "],\"next_cursor\":");
    if (has_more) {
        write_byte(&walk->writer, '"');
        write_unsigned(&walk->writer, walk->partition);
        write_byte(&walk->writer, '.');
        write_unsigned(&walk->writer, walk->below);
        write_literal(&walk->writer, "\"}");
    } else {
        write_literal(&walk->writer, "null}");
    }
    respond_json(exchange, 200, &walk->writer);
    free(walk);
}

/* The next partition to look into; false: there is none. */
static bool walk_on(struct audit_walk *walk)
{
    const struct audit_filter *filter = &walk->filter;
    uint32_t next = walk->partition + 1;

    walk->below = 0;
    if (filter->subject_count == 0) {
        walk->partition = next;
        return next < engine_partition_count(walk->shard->api->engine);
    }
    walk->partition = UINT32_MAX;
    for (uint32_t i = 0; i < filter->subject_count; i++)
        if (filter->partitions[i] >= next && filter->partitions[i] < walk->partition)
            walk->partition = filter->partitions[i];
    return walk->partition != UINT32_MAX;
}

static void take_page(struct engine_read *read);

/* Reads the partition's head, or the page of entries below `below`. */
static enum outcome walk_read(struct audit_walk *walk)
{
    struct journal_read *read = &walk->read.read;
    bool is_head = walk->below == 0;

    *read = (struct journal_read){.kind = is_head ? RECORD_AUDIT_HEAD : RECORD_AUDIT,
                                  .from = {.partition = walk->partition},
                                  .to = {.partition = walk->partition, .sequence = 1},
                                  .limit = is_head ? 1 : LIST_PAGE_MAX};
    if (!is_head) {
        read->from.sequence = walk->below > LIST_PAGE_MAX ? walk->below - LIST_PAGE_MAX : 1;
        read->to.sequence = walk->below;
    }
    walk->read.done = take_page;
    walk->read.user = walk;
    return engine_read_submit(walk->shard->shard, &walk->read);
}

/* Entries of a page, newest first, until the answer is full. */
static void show_page(struct audit_walk *walk)
{
    const struct journal_read *read = &walk->read.read;
    const struct record *records[LIST_PAGE_MAX];
    const uint8_t *at = read->result.bytes;

    for (uint32_t i = 0; i < read->count; i++) {
        records[i] = (const struct record *)(const void *)at;
        at += records[i]->size;
    }
    for (uint32_t i = read->count; i > 0 && walk->found < walk->limit; i--) {
        walk->below = records[i - 1]->sequence;
        if (!is_asked_for(&walk->filter, &records[i - 1]->audit))
            continue;
        if (walk->found++ > 0)
            write_byte(&walk->writer, ',');
        (walk->is_of_changes ? write_change : write_entry)(walk, records[i - 1]);
    }
    if (read->count == 0) /* an entry below the head that is not there: `check` tells */
        walk->below = 1;
}

static void take_page(struct engine_read *read)
{
    struct audit_walk *walk = read->user;
    struct http_exchange *exchange = exchange_of(walk);
    bool failed = read->read.failed;
    bool is_in_chain = true;
    enum outcome outcome;

    if (!failed && read->read.kind == RECORD_AUDIT_HEAD) {
        is_in_chain = read->read.count == 1;
        if (is_in_chain)
            walk->below = ((const struct record *)(const void *)read->read.result.bytes)
                              ->audit_head.sequence +
                          1;
    } else if (!failed) {
        walk->pages++;
        show_page(walk);
    }
    free(read->read.result.bytes);
    if (failed || exchange == NULL) {
        walk_refuse(walk, exchange, OUTCOME_OUTCOME_UNKNOWN);
        return;
    }
    if ((!is_in_chain || walk->below <= 1) && !walk_on(walk)) {
        walk_respond(walk, exchange, false);
        return;
    }
    if (walk->found == walk->limit || walk->pages == PAGES_MAX) {
        walk_respond(walk, exchange, true);
        return;
    }
    outcome = walk_read(walk);
    if (outcome != OUTCOME_PENDING)
        walk_refuse(walk, exchange, outcome);
}

/* ---- the call ---- */

static void add_subject(struct audit_filter *filter, enum audit_subject subject, uint32_t partition,
                        const void *name, size_t length)
{
    struct audit_record *added = &filter->subjects[filter->subject_count];

    filter->partitions[filter->subject_count++] = partition;
    added->subject = (uint8_t)subject;
    added->name_length = (uint8_t)length;
    memcpy(added->name, name, length);
}

/* Also one that was removed. */
static bool setting_is_named(const char *text, size_t length)
{
    return setting_id_parse(SETTING_TAX_RATE, text, length) != 0 ||
           setting_id_parse(SETTING_SHIPPING_METHOD, text, length) != 0 ||
           setting_id_parse(SETTING_WEBHOOK_ENDPOINT, text, length) != 0;
}

/* False: there is nothing of that name. */
static bool find_subject(struct api_call *call, const char *text, size_t length,
                         struct audit_filter *filter)
{
    const struct secrets_port *secrets = engine_secrets(call->shard->api->engine);
    const struct directory *directory = shard_directory(call->shard->shard);
    const struct product_entry *product;
    const struct sku_entry *sku;
    struct reservation_id reservation;
    struct principal account;
    uint8_t name[24];
    uint32_t partition;
    uint32_t number;

    if (delivery_id_parse(text, length, &secrets->id_key, &reservation, &number)) {
        uint64_t parts[3] = {reservation.sequence, (uint64_t)reservation.created_ms, number};

        for (unsigned i = 0; i < sizeof(name); i++)
            name[i] = (uint8_t)(parts[i / 8] >> (56 - 8 * (i % 8)));
        add_subject(filter, AUDIT_OF_DELIVERY, reservation.partition, name, sizeof(name));
        return true;
    }
    if (account_id_parse(text, length, &account)) {
        if (account_principal_parse(&account, &secrets->id_key, &partition, &number))
            add_subject(filter, AUDIT_OF_ACCOUNT, partition, account.bytes, sizeof(account.bytes));
        return filter->subject_count > 0;
    }
    bool is_order = order_id_parse(text, length, &secrets->id_key, &reservation);
    if (is_order || reservation_id_parse(text, length, &secrets->id_key, &reservation)) {
        for (unsigned i = 0; i < 8; i++) {
            name[i] = (uint8_t)(reservation.sequence >> (56 - 8 * i));
            name[8 + i] = (uint8_t)((uint64_t)reservation.created_ms >> (56 - 8 * i));
        }
        add_subject(filter, is_order ? AUDIT_OF_ORDER : AUDIT_OF_RESERVATION, reservation.partition,
                    name, 16);
        return true;
    }
    sku = directory_find_sku_recorded(directory, text, length);
    if (sku != NULL) {
        for (unsigned i = 0; i < 4; i++)
            name[i] = (uint8_t)(sku->sku_id >> (24 - 8 * i));
        add_subject(filter, AUDIT_OF_SKU, sku->product->partition, name, 4);
    }
    product = directory_find_product(directory, text, length);
    if (product != NULL)
        add_subject(filter, AUDIT_OF_PRODUCT, product->partition, text, length);
    if (setting_is_named(text, length))
        add_subject(filter, AUDIT_OF_SETTING, SETTINGS_PARTITION, text, length);
    return filter->subject_count > 0;
}

static void read_who(struct validation *validation, const char *text, size_t length,
                     struct audit_filter *filter)
{
    for (int i = 0; i < AUDIT_CALLER_COUNT; i++)
        if (strcmp(audit_caller_name((enum audit_caller)i), text) == 0)
            filter->caller = (int8_t)i;
    filter->has_who = account_id_parse(text, length, &filter->who);
    if (filter->caller < 0 && !filter->has_who)
        validation_add(validation, FIELD("who"), "must be an account's ID or a kind of caller");
}

/* False: nothing can match. */
static bool read_filter(struct api_call *call, struct validation *validation,
                        struct audit_filter *filter)
{
    char text[PRODUCT_ID_LENGTH_MAX + 1];
    bool is_possible = true;
    int length = http_query_parameter(call->exchange, "subject", 0, text, sizeof(text));

    if (length != HTTP_ABSENT) {
        if (length > 0 && sku_is_valid(text, (size_t)length))
            is_possible = find_subject(call, text, (size_t)length, filter);
        else
            validation_add(validation, FIELD("subject"),
                           "must be the ID of a product, SKU, reservation or account");
    }
    length = http_query_parameter(call->exchange, "who", 0, text, sizeof(text));
    if (length != HTTP_ABSENT)
        read_who(validation, length > 0 ? text : "", length > 0 ? (size_t)length : 0, filter);
    return is_possible;
}

/* A cursor is `<partition>.<entry>`. */
static void read_cursor(struct api_call *call, struct validation *validation,
                        struct audit_walk *walk)
{
    char text[CURSOR_LENGTH_MAX + 1];
    size_t length = request_cursor(call, validation, text);
    const char *dot = length == 0 ? NULL : memchr(text, '.', length);
    uint64_t partition = 0;

    if (length == 0)
        return;
    if (dot == NULL ||
        !text_to_unsigned(text, (size_t)(dot - text),
                          engine_partition_count(walk->shard->api->engine) - 1, &partition) ||
        !text_to_unsigned(dot + 1, length - (size_t)(dot + 1 - text), INT64_MAX, &walk->below))
        request_cursor_invalid(validation);
    walk->partition = (uint32_t)partition;
}

static struct audit_walk *walk_begin(struct api_call *call)
{
    struct audit_walk *walk = calloc(1, sizeof(*walk));

    if (walk == NULL) {
        respond_outcome(call->exchange, OUTCOME_OVERLOADED);
        return NULL;
    }
    walk->shard = call->shard;
    walk->exchange_cookie = http_exchange_cookie(call->exchange);
    walk->partition = UINT32_MAX; /* so that the first is the next */
    walk->filter.caller = -1;
    return walk;
}

static void walk_start(struct audit_walk *walk, struct api_call *call,
                       const struct validation *validation, bool is_possible)
{
    enum outcome outcome;

    walk->writer = writer_growing();
    write_literal(&walk->writer, "{\"data\":[");
    if (validation->count > 0) {
        validation_respond(validation, call->exchange);
        walk_free(walk);
    } else if (!is_possible) {
        walk_respond(walk, call->exchange, false);
    } else {
        outcome = walk_read(walk);
        if (outcome != OUTCOME_PENDING)
            walk_refuse(walk, call->exchange, outcome);
    }
}

void api_audit_list(struct api_call *call)
{
    static const char *const names[] = {"subject", "who", "limit", "cursor", NULL};
    struct audit_walk *walk = walk_begin(call);
    struct validation validation;

    if (walk == NULL)
        return;
    validation_init(&validation);
    request_check_query(call, &validation, names, NULL);
    walk->limit = request_limit(call, &validation);
    bool is_possible = read_filter(call, &validation, &walk->filter);
    walk_on(walk);
    read_cursor(call, &validation, walk);
    walk_start(walk, call, &validation, is_possible);
}

/* What was done to one product, the newest first. */
void api_product_changes(struct api_call *call)
{
    char id[ID_TEXT_LENGTH_MAX + 1];
    struct validation validation;
    struct audit_walk *walk;
    size_t length;

    if (!request_path_id(call, id, &length))
        return;
    const struct product_entry *product =
        directory_find_product(shard_directory(call->shard->shard), id, length);
    if (product == NULL) {
        problem_respond(call->exchange, PROBLEM_NOT_FOUND, "There is no such product.");
        return;
    }
    walk = walk_begin(call);
    if (walk == NULL)
        return;
    walk->is_of_changes = true;
    add_subject(&walk->filter, AUDIT_OF_PRODUCT, product->partition, id, length);
    validation_init(&validation);
    request_check_query(call, &validation, (const char *const[]){"limit", "cursor", NULL}, NULL);
    walk->limit = request_limit(call, &validation);
    walk_on(walk);
    read_cursor(call, &validation, walk);
    if (walk->partition != product->partition) /* a cursor of another list */
        request_cursor_invalid(&validation);
    walk_start(walk, call, &validation, true);
}
