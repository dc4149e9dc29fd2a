/* SPDX-License-Identifier: Apache-2.0 */
/* The engine and its actors: bytes become commands, turns of shards, commits and crashes, on one
 * thread over the in-memory journal with a clock of the test's. What answers said is kept, and must
 * be so at the end, whatever happened: gates, records and holds agree after every step; an answered
 * hold is there until its deadline and then lapses; a sale stays a sale; a key has one effect; no
 * customer has more than the limit; in the end units are back or sold, exactly.
 *
 * Input: sizes, then operations of three bytes. STAMPEDE_MUTANT=N plants a bug (actors/mutants.h),
 * to see that it is found. */
#include "fuzz.h"

#include "engine_fixture.h"
#include "mutants.h"

#include <sys/mman.h>

#undef assert /* cmocka's harness is not running here */
#include <assert.h>

enum {
    PRODUCTS = 3,
    STOCK = 4,
    LIMIT = 2, /* of the last product */
    BUYERS = 3,
    KEYS = 4,
    OPERATIONS_MAX = 300,
    BOOKS_MAX = OPERATIONS_MAX,
    REQUESTS_MAX_OPEN = OPERATIONS_MAX + 8,
    SETTLE_STEP_MS = 60,
    SETTLE_MS = 3000, /* sagas are over by then */
};

enum mutant mutant_active;

/* What answers said of a hold. */
struct book {
    struct reservation_id id;
    uint64_t deadline_wall_ms;
    uint32_t quantities[PRODUCTS];
    uint8_t buyer;
    bool extension_asked; /* one was submitted: it may have happened */
    bool end_asked;       /* a release or sale was submitted: it may have happened */
    bool released;
    bool sold;
};

struct request {
    enum command_type type;
    uint8_t buyer;
    uint8_t key;
    uint8_t body;
    uint32_t book; /* of the hold; unused by a reservation */
    bool known;    /* a reservation whose key has had its effect: stock is not asked for */
    bool late;     /* of a hold that lapsed before this was submitted */
    uint64_t deadline_wall_ms; /* of the hold, as known then: answers may overtake each other */
    bool open;
};

static const char *const skus[PRODUCTS] = {"red", "green", "blue"};
static struct fixture fixture;
static struct request requests[FIXTURE_COOKIES]; /* by cookie */
static struct book books[BOOKS_MAX];
static uint32_t book_count;
static uint32_t key_books[BUYERS][KEYS][256]; /* a key's hold, by body; plus one */

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *number = getenv("STAMPEDE_MUTANT");

    (void)argc;
    (void)argv;
    if (number != NULL)
        mutant_active = (enum mutant)atoi(number);
    return 0;
}

/* Zeroed, and costs nothing until touched: the fixture's own is written whole. */
static void *reserve_memory(void *self, size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    (void)self;
    assert(memory != MAP_FAILED);
    return memory;
}

static void unreserve_memory(void *self, void *memory, size_t bytes)
{
    (void)self;
    munmap(memory, bytes);
}

static void open_engine(void)
{
    struct engine_ports ports = {
        .env = {.self = &fixture,
                .now = fixture_now,
                .ticks_ns = fixture_ticks,
                .random = fixture_random,
                .wake_shard = fixture_wake,
                .wake_committer = fixture_wake_committer,
                .reserve = reserve_memory,
                .unreserve = unreserve_memory,
                .failed = fixture_failed},
        .journal = journal_memory_port(fixture.journal),
        .watermark = {.self = &fixture,
                      .read = fixture_watermark_read,
                      .advance = fixture_watermark_advance},
        .secrets = {.self = &no_secrets,
                    .mac = secrets_mac,
                    .digest = secrets_digest,
                    .id_key = {{1, 2}},
                    .key_key = {{3, 4}}},
    };
    char error[256] = "";

    fixture.engine = engine_create(&fixture.options, &ports);
    assert(fixture.engine != NULL);
    for (uint32_t i = 0; i < fixture.options.shards; i++)
        shard_set_reply(engine_shard(fixture.engine, i), fixture_reply, &fixture);
    if (engine_recover(fixture.engine, error, sizeof(error)) != 0) {
        fprintf(stderr, "recovery: %s\n", error);
        abort(); /* what the journal acknowledged must be taken back */
    }
}

static void start(const uint8_t sizes[2])
{
    memset(fixture.reply_counts, 0, sizeof(fixture.reply_counts));
    memset(requests, 0, sizeof(requests));
    memset(key_books, 0, sizeof(key_books));
    book_count = 0;
    fixture.options = engine_options_default(2);
    fixture.options.partitions = 4;
    fixture.options.hold_ttl_ms = 1000;
    fixture.options.hold_cap_ms = 1500;
    fixture.options.holds_max = 64;
    fixture.options.coupons_max = 64;
    fixture.options.coupon_rows_max = 64;
    fixture.options.carts_max = 16;
    fixture.options.deliveries_pending_max = 16;
    fixture.options.skus_max = 64;
    fixture.options.limit_rows_max = 16;
    fixture.options.requests_max = 16;
    fixture.options.batches = 2 + sizes[0] % 3;
    fixture.options.batch_messages = 1 + sizes[0] / 3 % 4;
    fixture.options.mailbox_max = 2 + sizes[1] % 4;
    fixture.options.timers_per_step = 1 + sizes[1] / 4 % 3;
    fixture.now = (struct moment){.boot_ms = 1000000, .wall_ms = 1700000000000};
    fixture.random = 1;
    fixture.watermark = 0;
    fixture.failed = false;
    fixture.next_cookie = 1;
    fixture.journal = journal_memory_create(
        &(struct journal_memory_options){.partitions = fixture.options.partitions});
    open_engine();
    for (uint32_t i = 0; i < PRODUCTS; i++) {
        char id[8];

        snprintf(id, sizeof(id), "p%u", i);
        enum outcome outcome =
            fixture_product(&fixture, id, skus[i], STOCK, i + 1 == PRODUCTS ? LIMIT : 0);
        assert(outcome == OUTCOME_OK);
    }
}

/* ---- answers ---- */

static void note_held(const struct request *request, const struct message *reply)
{
    uint32_t *known = &key_books[request->buyer][request->key][request->body];
    const struct hold_view *view = &reply->reply.hold;

    if (*known != 0) { /* a key has one effect, and one answer */
        const struct reservation_id *id = &books[*known - 1].id;

        assert(id->partition == view->id.partition && id->sequence == view->id.sequence &&
               id->created_ms == view->id.created_ms);
        return;
    }
    struct book *book = &books[book_count++];
    *known = book_count;
    *book = (struct book){.id = view->id,
                          .buyer = request->buyer,
                          .deadline_wall_ms = (uint64_t)view->deadline_wall_ms};
    for (uint32_t i = 0; i < PRODUCTS; i++)
        book->quantities[i] = (request->body >> 2 * i) & 3;
}

static bool is_out_of_stock(enum outcome outcome)
{
    return outcome == OUTCOME_SOLD_OUT || outcome == OUTCOME_INSUFFICIENT_STOCK;
}

static void note_answer(const struct request *request, const struct message *reply)
{
    struct book *book = &books[request->book];

    if (reply->reply.outcome != OUTCOME_OK) {
        assert(!request->known || !is_out_of_stock((enum outcome)reply->reply.outcome));
        return;
    }
    assert(!request->late);
    switch ((int)request->type) {
    case COMMAND_RESERVE:
        note_held(request, reply);
        break;
    case COMMAND_HOLD_EXTEND:
        assert((uint64_t)reply->reply.hold.deadline_wall_ms >= request->deadline_wall_ms);
        if ((uint64_t)reply->reply.hold.deadline_wall_ms > book->deadline_wall_ms)
            book->deadline_wall_ms = (uint64_t)reply->reply.hold.deadline_wall_ms;
        break;
    case COMMAND_HOLD_RELEASE:
        assert(!book->sold);
        book->released = true;
        break;
    case COMMAND_HOLD_CONVERT:
        assert(!book->released);
        book->sold = true;
        break;
    default:
        break;
    }
}

static void note_answers(void)
{
    for (uint64_t cookie = 1; cookie < fixture.next_cookie; cookie++) {
        assert(fixture.reply_counts[cookie] <= 1);
        if (!requests[cookie].open || fixture.reply_counts[cookie] == 0)
            continue;
        requests[cookie].open = false;
        note_answer(&requests[cookie], &fixture.replies[cookie]);
    }
}

/* ---- operations ---- */

static void submit(uint32_t shard, const struct command *command, struct request request)
{
    enum outcome outcome;
    uint64_t cookie = fixture_submit(&fixture, shard, command, &outcome);

    if (cookie == 0) {
        assert(!request.known || !is_out_of_stock(outcome));
        return;
    }
    requests[cookie] = request;
    requests[cookie].open = true;
}

/* Two bits a product say how many units; the first line's product owns the reservation. */
static void reserve(uint8_t who, uint8_t what)
{
    struct command_line lines[PRODUCTS];
    char key[8];
    char body[8];
    struct request request = {.type = COMMAND_RESERVE,
                              .buyer = (who >> 1) % BUYERS,
                              .key = (who >> 3) % KEYS,
                              .body = what & 0x3f};
    uint32_t count = 0;

    for (uint32_t i = 0; i < PRODUCTS; i++)
        if (((request.body >> 2 * i) & 3) != 0)
            lines[count++] = (struct command_line){text(skus[i]), (request.body >> 2 * i) & 3};
    if (count == 0)
        return;
    snprintf(key, sizeof(key), "k%u", request.key);
    snprintf(body, sizeof(body), "%u", request.body);
    struct command command = reserve_command(lines, count, request.buyer, key);
    command.reserve.body = text(body);
    request.known = key_books[request.buyer][request.key][request.body] != 0;
    submit(who & 1, &command, request);
}

static void hold_command(enum command_type type, uint8_t which, uint8_t key)
{
    char name[RESERVATION_ID_LENGTH + 1];
    char key_text[8];

    if (book_count == 0)
        return;
    struct book *book = &books[which % book_count];
    struct command command = {.type = type,
                              .principal = buyer(book->buyer),
                              .authority = type == COMMAND_HOLD_CONVERT ? AUTHORITY_STAFF
                                                                        : AUTHORITY_PRINCIPAL};
    engine_reservation_id(fixture.engine, &book->id, name);
    command.reservation_id = text(name);
    if (type == COMMAND_HOLD_EXTEND && key != 0) {
        snprintf(key_text, sizeof(key_text), "e%u", key);
        command.key = text(key_text);
    }
    struct request request = {
        .type = type, .book = which % book_count, .deadline_wall_ms = book->deadline_wall_ms};
    /* A repeat may be answered again; a release of what lapsed is answered well. */
    request.late = type != COMMAND_HOLD_RELEASE && !book->end_asked && !book->extension_asked &&
                   (uint64_t)fixture.now.wall_ms >= book->deadline_wall_ms;
    book->end_asked |= type != COMMAND_HOLD_EXTEND;
    book->extension_asked |= type == COMMAND_HOLD_EXTEND;
    submit(key & 1, &command, request);
}

static void crash(bool keep_pending)
{
    journal_memory_crash(fixture.journal, keep_pending);
    engine_destroy(fixture.engine);
    fixture.failed = false;
    for (uint64_t cookie = 1; cookie < fixture.next_cookie; cookie++)
        requests[cookie].open = false;
    open_engine();
}

static void commit_fails(uint8_t how)
{
    if (journal_memory_pending(fixture.journal) == 0)
        return;
    journal_memory_complete(fixture.journal, (how & 1) != 0 ? COMMIT_FAILED : COMMIT_UNKNOWN,
                            (how & 2) != 0);
    assert(fixture.failed);
    for (uint32_t i = 0; i < (how >> 2) % 4u; i++) /* nothing is acknowledged any more */
        (void)shard_step(engine_shard(fixture.engine, i & 1));
    note_answers();
    crash(false);
}

static void operate(const uint8_t bytes[3])
{
    switch (bytes[0] % 12) {
    case 0:
    case 1:
        reserve(bytes[1], bytes[2]);
        break;
    case 2:
        hold_command(COMMAND_HOLD_EXTEND, bytes[1], bytes[2]);
        break;
    case 3:
        hold_command(COMMAND_HOLD_RELEASE, bytes[1], bytes[2]);
        break;
    case 4:
        hold_command(COMMAND_HOLD_CONVERT, bytes[1], bytes[2]);
        break;
    case 5:
    case 6:
        (void)shard_step(engine_shard(fixture.engine, bytes[1] & 1));
        break;
    case 7:
        (void)committer_step(fixture.engine);
        break;
    case 8:
        if (journal_memory_pending(fixture.journal) != 0)
            journal_memory_complete(fixture.journal, COMMIT_OK, true);
        break;
    case 9:
        fixture.now.boot_ms += bytes[1] * 4;
        fixture.now.wall_ms += bytes[1] * 4;
        break;
    case 10:
        fixture_run(&fixture);
        break;
    default:
        if ((bytes[1] & 0xc0) == 0)
            crash((bytes[1] & 1) != 0);
        else if ((bytes[1] & 0xc0) == 0x40)
            commit_fails(bytes[1] & 0x3f);
        break;
    }
}

/* ---- the end ---- */

static void settle(int64_t for_ms)
{
    for (int64_t passed_ms = 0; passed_ms < for_ms; passed_ms += SETTLE_STEP_MS)
        fixture_advance(&fixture, SETTLE_STEP_MS);
    note_answers();
}

static enum hold_state state_of(const struct book *book)
{
    struct message reply;
    enum outcome outcome = fixture_hold(&fixture, COMMAND_HOLD_GET, AUTHORITY_PRINCIPAL,
                                        book->buyer, &book->id, &reply);

    assert(outcome == OUTCOME_OK); /* what was answered is there */
    return (enum hold_state)reply.reply.hold.state;
}

static void check_books(void)
{
    for (uint32_t i = 0; i < book_count; i++) {
        const struct book *book = &books[i];
        enum hold_state state = state_of(book);

        assert(!book->sold || state == HOLD_CONVERTED);
        assert(!book->released || state == HOLD_RELEASED || state == HOLD_EXPIRED);
        if (!book->end_asked && (uint64_t)fixture.now.wall_ms < book->deadline_wall_ms)
            assert(state == HOLD_HELD);
        if (!book->end_asked)
            assert(state == HOLD_HELD || state == HOLD_EXPIRED);
    }
}

/* All that is left is sold: units are counted by hold. */
static void check_units(void)
{
    uint32_t sold[PRODUCTS] = {0};
    uint32_t limited[BUYERS] = {0};

    for (uint32_t i = 0; i < book_count; i++) {
        enum hold_state state = state_of(&books[i]);

        assert(state != HOLD_HELD);
        if (state != HOLD_CONVERTED)
            continue;
        for (uint32_t product = 0; product < PRODUCTS; product++)
            sold[product] += books[i].quantities[product];
        limited[books[i].buyer] += books[i].quantities[PRODUCTS - 1];
    }
    for (uint32_t i = 0; i < PRODUCTS; i++) {
        struct stock_view view = fixture_stock(&fixture, skus[i]);

        assert(view.stock == STOCK && view.reserved == 0 && view.sold == sold[i]);
        assert(view.available == STOCK - sold[i]);
        const struct sku_entry *entry =
            directory_find_sku(engine_inspect_directory(fixture.engine), skus[i], strlen(skus[i]));
        assert(gate_claimed(&entry->gate) == 0 && gate_available(&entry->gate) == view.available);
    }
    for (uint32_t i = 0; i < BUYERS; i++)
        assert(limited[i] <= LIMIT);
    assert(engine_inspect_audit(fixture.engine) == 0);
    assert(engine_inspect_limits(fixture.engine) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    start(data);
    for (size_t i = 0; i < OPERATIONS_MAX && 2 + 3 * i + 3 <= size; i++) {
        operate(data + 2 + 3 * i);
        note_answers();
        assert(engine_inspect_audit(fixture.engine) == 0);
        assert(engine_inspect_limits(fixture.engine) == 0);
    }
    fixture_run(&fixture);
    note_answers();
    check_books();
    settle(SETTLE_MS);
    check_units();
    fixture_close(&fixture);
    return 0;
}
