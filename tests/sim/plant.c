/* SPDX-License-Identifier: Apache-2.0 */
/* The last question of a run: does the online audit see? A record that its ledger does not bear
 * out, and a gate that its record does not, are planted and must be reported; put right, they must
 * be reported no more. */
#include "engine_private.h"
#include "inventory_private.h"
#include "violation.h"
#include "world.h"

enum {
    PLANT_STEP_MS = 50,
    PLANT_PATIENCE_MS = 30 * 1000, /* and some rounds */
};

static void expect_mismatches(struct world *world, void (*settle)(struct world *), int64_t count,
                              const char *what)
{
    int64_t patience_ms =
        world_now(world) + PLANT_PATIENCE_MS + 4 * (int64_t)world->profile.engine.audit_period_ms;
    struct engine_metrics metrics;

    for (;;) {
        settle(world);
        engine_metrics(world->engine, &metrics);
        if (metrics.inventory_mismatch_skus == count)
            return;
        if (world_now(world) > patience_ms)
            violation("the online audit reports %lld SKUs, not %lld: %s",
                      (long long)metrics.inventory_mismatch_skus, (long long)count, what);
        world_advance_clock(world, PLANT_STEP_MS);
    }
}

static void change_record(struct world *world, struct sku_entry *entry, bool is_more)
{
    struct engine *engine = world->engine;
    struct sku *sku =
        pool_find_sku(engine->inventories[sku_id_partition(entry->sku_id)].pool, entry->sku_id);

    if (is_more) {
        sku->stock++;
        gate_credit(&entry->gate, 1);
    } else {
        sku->stock--;
        if (!gate_claim(&entry->gate, 1))
            violation("a planted unit is gone");
        gate_resolve(&entry->gate, 1);
    }
}

void world_plant(struct world *world, void (*settle)(struct world *))
{
    uint32_t index = sim_random_below(&world->random, world->books.sku_count);
    struct sku_entry *entry = NULL;

    for (uint32_t i = 0; i < world->books.sku_count && entry == NULL; i++)
        entry = (struct sku_entry *)(uintptr_t)world_sku_entry(world, (index + i) %
                                                                          world->books.sku_count);
    if (entry == NULL)
        return;
    expect_mismatches(world, settle, 0, "everything is right");
    world->is_planted = true;
    change_record(world, entry, true);
    expect_mismatches(world, settle, 1, "a record differs from its ledger");
    change_record(world, entry, false);
    expect_mismatches(world, settle, 0, "the record was put right");
    gate_credit(&entry->gate, 1);
    expect_mismatches(world, settle, 1, "a gate differs from its record");
    if (!gate_claim(&entry->gate, 1))
        violation("a planted unit is gone");
    gate_resolve(&entry->gate, 1);
    expect_mismatches(world, settle, 0, "the gate was put right");
    world->is_planted = false;
}
