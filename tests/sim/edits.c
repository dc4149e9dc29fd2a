/* SPDX-License-Identifier: Apache-2.0 */
#include "edits.h"

#include <stdio.h>
#include <string.h>

#include "inspect.h"
#include "violation.h"
#include "world.h"

static const char product_id[] = "edited";

/* The version that is shown; 0: there is no such product. */
static int64_t present_version(const struct world *world)
{
    const struct product_entry *product = directory_find_product(
        engine_inspect_directory(world->engine), product_id, sizeof(product_id) - 1);
    const struct product_label *label =
        product == NULL ? NULL : atomic_load_explicit(&product->label, memory_order_acquire);

    return label == NULL ? 0 : label->updated_wall_ms;
}

void edits_restart(struct world *world)
{
    world->edits.open = 0;
}

static struct product_envelope *write_edit(const struct edits_model *edits, int64_t base)
{
    char document[64];
    int length =
        snprintf(document, sizeof(document), "{\"edit\":%llu}", (unsigned long long)edits->sent);
    struct product_envelope *envelope = product_envelope_create((uint32_t)length);

    assert(envelope != NULL);
    memcpy(envelope->document, document, (size_t)length);
    memcpy(envelope->id, product_id, sizeof(product_id));
    memcpy(envelope->currency, "EUR", 4);
    envelope->put_mode = base == 0 ? PUT_CREATE : PUT_UPSERT;
    envelope->expected_wall_ms = base;
    envelope->variant_count = 1;
    snprintf(envelope->variants[0].sku, sizeof(envelope->variants[0].sku), "edited-sku");
    return envelope;
}

void edits_act(struct world *world)
{
    struct command command = {.type = COMMAND_PRODUCT_PUT, .authority = AUTHORITY_STAFF};
    struct edits_model *edits = &world->edits;
    uint32_t shard = clients_draw_shard(world);
    int64_t present = present_version(world);
    struct request *request;
    struct refusal refusal;

    if (shard == NONE)
        return;
    request = clients_take_request(world, COMMAND_PRODUCT_PUT, 0);
    if (request == NULL)
        return;
    request->is_edit = true;
    request->edit_base = present;
    if (edits->version_count > 0 && present != 0 && sim_random_chance(&world->random, 300000)) {
        uint32_t kept =
            edits->version_count < SIM_VERSIONS_KEPT ? edits->version_count : SIM_VERSIONS_KEPT;
        request->edit_base = edits->versions[sim_random_below(&world->random, kept)];
    } else if (present != 0) {
        edits->versions[edits->version_count++ % SIM_VERSIONS_KEPT] = present;
    }
    edits->sent++;
    request->edit_is_present = request->edit_base == present;
    request->edit_sent = edits->open == 0 ? edits->sent : 0;
    command.product = write_edit(edits, request->edit_base);
    edits->open++; /* whoever is asked may answer at once */
    if (clients_submit(world, shard, &command, request, &refusal) != OUTCOME_PENDING) {
        edits->open--;
        envelope_free(command.product);
    }
}

static void take_edit(struct world *world, const struct request *request)
{
    struct edits_model *edits = &world->edits;
    uint32_t kept = edits->base_count < SIM_EDITS_KEPT ? edits->base_count : SIM_EDITS_KEPT;

    if (request->edit_base == 0)
        return;
    for (uint32_t i = 0; i < kept; i++)
        if (edits->bases[i] == request->edit_base)
            violation("two edits were made from one version");
    edits->bases[edits->base_count++ % SIM_EDITS_KEPT] = request->edit_base;
    if (present_version(world) <= request->edit_base)
        violation("a new version of a product is not later than the one before");
}

void edits_take(struct world *world, const struct request *request, const struct reply_body *reply)
{
    struct edits_model *edits = &world->edits;
    enum outcome outcome = (enum outcome)reply->outcome;
    bool was_alone = request->edit_sent == edits->sent;

    edits->open--;
    if (outcome == OUTCOME_OK) {
        take_edit(world, request);
    } else if (outcome == OUTCOME_PRECONDITION_FAILED) {
        if (request->edit_is_present && was_alone)
            violation("an edit of the present version was refused as one of another");
        world_mark(world, request->edit_is_present ? MARK_EDIT_OVERTAKEN : MARK_EDIT_REFUSED);
    } else if (outcome != OUTCOME_OVERLOADED && outcome != OUTCOME_OUTCOME_UNKNOWN &&
               (outcome != OUTCOME_PRODUCT_EXISTS || request->edit_base != 0 || was_alone)) {
        violation("an edit was answered %s", outcome_name(outcome));
    }
}
