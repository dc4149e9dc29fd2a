/* SPDX-License-Identifier: Apache-2.0 */
/* What a hold and a cart take of memory, and stores of many for `bench/memory` to recover.
 *
 *   memory/hold       a million holds over 10,000 SKUs, `bytes` each
 *   memory/hold/hot   all of them of one SKU
 *   memory/hold/full  the first again, where no more than that million are allowed: the indexes are
 * sized by the bound, so each hold pays for the room that is not used
 *   memory/cart       a million guests' carts of three lines, `bytes` each
 *   memory/cart/full  of as many lines as there can be, and a coupon
 *
 * The engine alone, so that nothing but its holds is counted: the server's own engine with the real
 * environment's memory, one shard, its default bounds, one line a hold, each of another customer,
 * products without a limit; but a journal that keeps nothing, so no RocksDB and none of its caches,
 * and no connections. The resident size is read (smaps_rollup) when all products are there, and
 * again when all holds are; what lies between is theirs: tables, indexes as full as they are then,
 * timers, key filters, and the little that rings and batches touch for the first time. Shard and
 * committer take turns on this thread: who steps them makes no difference to what they keep.
 *
 *   bench_memory --make-store FOLDER --holds N   the same holds, but in a store there
 *   bench_memory --make-store FOLDER --carts N   and carts */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "bench_product.h"
#include "env_real.h"
#include "journal_none.h"
#include "secrets_file.h"
#include "storage.h"

static struct secrets no_secrets; /* all zero */

enum {
    HOLDS = 1000000,
    CARTS = 1000000,
    CART_LINES = 3, /* of most */
    SKUS = 10000,
    PRODUCTS_WINDOW = 64, /* on their way at once */
    WINDOW = 2048,
    TURNS_MAX = 10000000, /* far more than any run needs */
};

struct sale {
    struct engine *engine;
    struct shard *shard;
    uint32_t skus;
    uint32_t products_sent;
    uint32_t products_ready;
    uint32_t holds_sent;
    uint32_t holds_ready; /* or changes of carts, as the next one counts */
    uint32_t cart_lines;  /* of each cart */
    bool cart_has_coupon;
};

/* ---- an environment whose threads are one ---- */

static void wake_nobody(void *self, uint32_t index)
{
    (void)self;
    (void)index;
}

static void wake_no_committer(void *self)
{
    (void)self;
}

/* ---- what is submitted ---- */

static void on_reply(void *user, uint64_t cookie, const struct message *reply)
{
    struct sale *sale = user;

    (void)cookie;
    if (reply->reply.outcome != OUTCOME_OK || reply->reply.replayed)
        bench_fail("refused: %s", outcome_name((enum outcome)reply->reply.outcome));
    if (reply->reply.answers == MESSAGE_PRODUCT_SUBMIT)
        sale->products_ready++;
    else
        sale->holds_ready++;
}

static void send_product(struct sale *sale)
{
    struct command command = {.type = COMMAND_PRODUCT_PUT,
                              .product = bench_product(sale->products_sent)};
    struct refusal refusal;

    sale->products_sent++;
    if (engine_submit(sale->shard, &command, 0, &refusal) != OUTCOME_PENDING)
        bench_fail("a product was refused");
}

static void send_hold(struct sale *sale)
{
    uint32_t number = sale->holds_sent++;
    char name[16];
    char key[24];
    int name_length = snprintf(name, sizeof(name), "sku-%06u", number % sale->skus);
    int key_length = snprintf(key, sizeof(key), "bench-memory-%08x", number);
    struct command_line line = {{name, (size_t)name_length}, 1};
    struct command command = {.type = COMMAND_RESERVE};
    struct refusal refusal;

    command.principal.bytes[0] = 1;
    memcpy(command.principal.bytes + 1, &number, sizeof(number));
    command.reserve.key = (struct slice){key, (size_t)key_length};
    command.reserve.body = (struct slice){"{\"sku\":\"sku-000000\",\"quantity\":1}", 33};
    command.reserve.lines = &line;
    command.reserve.line_count = 1;
    if (engine_submit(sale->shard, &command, 0, &refusal) != OUTCOME_PENDING)
        bench_fail("hold %u was refused at once", number);
}

/* A cart's lines come one after the other, and its coupon last. */
static void send_cart(struct sale *sale)
{
    uint32_t changes = sale->cart_lines + sale->cart_has_coupon;
    uint32_t cart = sale->holds_sent / changes;
    uint32_t line = sale->holds_sent % changes;
    char name[16];
    int name_length = snprintf(name, sizeof(name), "sku-%06u", (cart * 31 + line) % sale->skus);
    struct command command = {
        .type = COMMAND_CART,
        .cart = {.operation = CART_ADD, .sku = {name, (size_t)name_length}, .quantity = 1 + line}};
    struct refusal refusal;

    sale->holds_sent++;
    if (line == sale->cart_lines) {
        command.cart.operation = CART_COUPON_SET;
        command.cart.coupon = (struct slice){"SUMMER-SALE-OF-THE-YEAR", 23};
    }
    command.principal.bytes[0] = (uint8_t)cart; /* spread over the partitions */
    command.principal.bytes[1] = (uint8_t)(cart >> 8);
    memcpy(command.principal.bytes + 2, &cart, sizeof(cart));
    command.principal.bytes[15] = 1;
    if (engine_submit(sale->shard, &command, 0, &refusal) != OUTCOME_PENDING)
        bench_fail("cart %u was refused at once", cart);
}

static void step(struct sale *sale)
{
    shard_step(sale->shard);
    committer_step(sale->engine);
}

static void make_products(struct sale *sale)
{
    for (uint32_t turns = 0; sale->products_ready < sale->skus; turns++) {
        while (sale->products_sent < sale->skus &&
               sale->products_sent - sale->products_ready < PRODUCTS_WINDOW)
            send_product(sale);
        step(sale);
        if (turns > TURNS_MAX)
            bench_fail("the products never came");
    }
}

static void make_all(struct sale *sale, void (*send)(struct sale *), uint32_t count)
{
    for (uint32_t turns = 0; sale->holds_ready < count; turns++) {
        while (sale->holds_sent < count && sale->holds_sent - sale->holds_ready < WINDOW)
            send(sale);
        step(sale);
        if (turns > TURNS_MAX)
            bench_fail("they never came");
    }
    for (uint32_t turns = 0; !engine_is_idle(sale->engine); turns++) {
        step(sale);
        if (turns > TURNS_MAX)
            bench_fail("the engine does not come to rest");
    }
}

static void make_holds(struct sale *sale, uint32_t holds)
{
    make_all(sale, send_hold, holds);
}

static void make_carts(struct sale *sale, uint32_t carts)
{
    make_all(sale, send_cart, carts * (sale->cart_lines + sale->cart_has_coupon));
}

/* ---- a sale ---- */

/* `ports` but for the environment; what the sale has at its end is the caller's to destroy. */
static void sale_open(struct sale *sale, struct env_real *env, struct engine_ports *ports,
                      struct engine_options *options)
{
    char error[STORAGE_ERROR_BYTES] = "";

    ports->env = env_real_port(env);
    ports->env.wake_shard = wake_nobody;
    ports->env.wake_committer = wake_no_committer;
    options->hold_ttl_ms = HOLD_TTL_MS_MAX; /* none ends meanwhile */
    options->hold_cap_ms = HOLD_TTL_MS_MAX;
    sale->engine = engine_create(options, ports);
    if (sale->engine == NULL)
        bench_fail("not enough memory for %u holds", options->holds_max);
    if (engine_recover(sale->engine, error, sizeof(error)) != 0)
        bench_fail("%s", error);
    sale->shard = engine_shard(sale->engine, 0);
    shard_set_reply(sale->shard, on_reply, sale);
    make_products(sale);
}

static uint64_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "re");
    char line[256];
    unsigned long long kilobytes = 0;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "Rss: %llu kB", &kilobytes) == 1)
            break;
    if (file == NULL || kilobytes == 0)
        bench_fail("this system does not tell the resident size (smaps_rollup)");
    fclose(file);
    return kilobytes * 1024;
}

static struct engine_ports memory_ports(void)
{
    return (struct engine_ports){
        .journal = none_port,
        .watermark = {.read = no_watermark_read, .advance = no_watermark_advance},
        .secrets = {.self = &no_secrets,
                    .mac = secrets_mac,
                    .digest = secrets_digest,
                    .id_key = {{1, 2}},
                    .key_key = {{3, 4}}},
    };
}

/* `holds_max` 0: the default. */
static void measure(const char *name, uint32_t skus, uint32_t holds_max)
{
    struct env_real *env = env_real_create(1);
    struct engine_options options = engine_options_default(1);
    struct engine_ports ports = memory_ports();
    struct sale sale = {.skus = skus};
    struct engine_metrics metrics;
    uint64_t before;
    uint64_t after;
    char more[160];

    if (!bench_wants(name))
        return;
    if (env == NULL)
        bench_fail("not enough resources for a shard");
    if (holds_max != 0)
        options.holds_max = holds_max;
    sale_open(&sale, env, &ports, &options);
    before = resident_bytes();
    make_holds(&sale, HOLDS);
    after = resident_bytes();
    engine_metrics(sale.engine, &metrics);
    if (metrics.holds_active != HOLDS)
        bench_fail("%lld holds are active", (long long)metrics.holds_active);
    snprintf(more, sizeof(more), "\"holds\":%d,\"holds_max\":%u,\"skus\":%u,\"shards\":1",
             (int)HOLDS, options.holds_max, skus);
    bench_report_figure(name, "bytes", (double)(after - before) / HOLDS, more);
    engine_destroy(sale.engine);
    env_real_destroy(env);
    malloc_trim(0); /* or the next row's key filters would find this one's pages there */
}

static void measure_carts(const char *name, uint32_t lines, bool has_coupon)
{
    struct env_real *env = env_real_create(1);
    struct engine_options options = engine_options_default(1);
    struct engine_ports ports = memory_ports();
    struct sale sale = {.skus = SKUS, .cart_lines = lines, .cart_has_coupon = has_coupon};
    struct engine_metrics metrics;
    uint64_t before;
    uint64_t after;
    char more[160];

    if (!bench_wants(name))
        return;
    if (env == NULL)
        bench_fail("not enough resources for a shard");
    options.carts_max = CARTS;
    sale_open(&sale, env, &ports, &options);
    before = resident_bytes();
    make_carts(&sale, CARTS);
    after = resident_bytes();
    engine_metrics(sale.engine, &metrics);
    if (metrics.carts_live != CARTS)
        bench_fail("%lld carts are there", (long long)metrics.carts_live);
    snprintf(more, sizeof(more), "\"carts\":%d,\"lines\":%u,\"coupon\":%s,\"shards\":1", (int)CARTS,
             lines, has_coupon ? "true" : "false");
    bench_report_figure(name, "bytes", (double)(after - before) / CARTS, more);
    engine_destroy(sale.engine);
    env_real_destroy(env);
    malloc_trim(0);
}

static void make_store(const char *folder, uint32_t holds, uint32_t carts)
{
    struct env_real *env = env_real_create(1);
    struct engine_options options = engine_options_default(1);
    struct storage_options wanted = storage_options_default(folder);
    struct engine_ports ports = {0};
    struct sale sale = {.skus = SKUS, .cart_lines = CART_LINES, .cart_has_coupon = true};
    struct storage *storage;
    char error[STORAGE_ERROR_BYTES] = "";

    if (env == NULL || storage_open(&wanted, &storage, error, sizeof(error)) != 0)
        bench_fail("no store at %s: %s", folder, error);
    storage_ports_get(storage, &ports.journal, &ports.watermark, &ports.secrets);
    if (holds > options.holds_max)
        options.holds_max = holds;
    sale_open(&sale, env, &ports, &options);
    if (carts > 0)
        make_carts(&sale, carts);
    else
        make_holds(&sale, holds);
    storage_stop_reads(storage);
    engine_destroy(sale.engine);
    storage_close(storage);
    env_real_destroy(env);
}

int main(int argc, char **argv)
{
    const char *folder = NULL;
    unsigned long holds = HOLDS;
    unsigned long carts = 0;

    bench_begin(&argc, argv);
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--make-store") == 0)
            folder = argv[i + 1];
        else if (strcmp(argv[i], "--holds") == 0)
            holds = strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--carts") == 0)
            carts = strtoul(argv[i + 1], NULL, 10);
        else
            argc = 0; /* wrong */
    }
    if (argc % 2 == 0 || holds > UINT32_MAX / 4 || carts > CARTS) {
        fputs("usage: bench_memory [--only ROW] [--make-store FOLDER [--holds N | --carts N]]\n",
              stderr);
        return 2;
    }
    if (folder != NULL) {
        make_store(folder, (uint32_t)holds, (uint32_t)carts);
        return 0;
    }
    measure("memory/hold", SKUS, 0);
    measure("memory/hold/hot", 1, 0);
    measure("memory/hold/full", SKUS, HOLDS);
    measure_carts("memory/cart", CART_LINES, false);
    measure_carts("memory/cart/full", CART_LINES_MAX, true);
    return 0;
}
