/* SPDX-License-Identifier: Apache-2.0 */
#include "shop.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "violation.h"
#include "world.h"

enum { FIRST_METHOD = SIM_TAX_RATES }; /* the one of a fresh store */

static enum setting_kind kind_of(uint32_t setting)
{
    return setting < SIM_TAX_RATES ? SETTING_TAX_RATE : SETTING_SHIPPING_METHOD;
}

/* A row's name: the region of a tax rate, the name of a method. */
static void set_name(uint32_t setting, struct setting_label *label)
{
    char name[16];

    snprintf(name, sizeof(name), setting == FIRST_METHOD ? "Standard" : "row-%u", setting);
    label->length = (uint16_t)strlen(name);
    memcpy(label->text, name, label->length);
}

static bool label_equal(const struct setting_label *a, const struct setting_label *b)
{
    return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

/* ---- what shards see ---- */

static struct setting_content seen_rate(const struct settings_view *view,
                                        const struct setting_label *name)
{
    struct setting_content content = {0};

    for (uint32_t i = 0; i < view->tax_rate_count; i++) {
        if (!label_equal(&view->tax_rates[i].region, name))
            continue;
        if (content.number != 0)
            violation("two tax rates of one region are shown");
        if (view->rates[i].rate_bp != view->tax_rates[i].rate_bp)
            violation("pricing sees another rate than the row's");
        content =
            (struct setting_content){view->tax_rates[i].common.number, view->tax_rates[i].rate_bp};
    }
    return content;
}

static struct setting_content seen(const struct settings_view *view, uint32_t setting)
{
    struct setting_content content = {0};
    struct setting_label name = {0};

    set_name(setting, &name);
    if (kind_of(setting) == SETTING_TAX_RATE)
        return seen_rate(view, &name);
    for (uint32_t i = 0; i < view->method_count; i++)
        if (label_equal(&view->methods[i].name, &name))
            content = (struct setting_content){view->methods[i].common.number,
                                               (uint32_t)view->methods[i].flat_minor};
    return content;
}

static bool content_equal(const struct setting_content *a, const struct setting_content *b)
{
    return a->number == b->number && a->value == b->value;
}

/* A row that was just made has a number that nobody was told yet. */
static bool fits_pending(const struct setting_model *model, const struct setting_content *content)
{
    return content_equal(&model->may_be, content) ||
           (model->may_be.number == UINT32_MAX && content->number != 0 &&
            content->value == model->may_be.value);
}

static const struct settings_view *view_of(struct world *world)
{
    uint32_t shard = sim_random_below(&world->random, world->profile.engine.shards);
    const struct settings_view *view = shard_settings(engine_shard(world->engine, shard));

    if (view->version < world->shop.version_seen)
        violation("I2: settings that shard %u saw are gone: version %" PRIu64 " after %" PRIu64,
                  shard, view->version, world->shop.version_seen);
    world->shop.version_seen = view->version;
    return view;
}

static void check_setting(struct world *world, const struct settings_view *view, uint32_t setting)
{
    const struct setting_model *model = &world->shop.settings[setting];
    struct setting_content content = seen(view, setting);

    if (content_equal(&model->is, &content))
        return;
    if (!(model->is_open || model->is_unsure) || !fits_pending(model, &content))
        violation("setting %u is shown as number %u with %u, acknowledged are %u and %u", setting,
                  content.number, content.value, model->is.number, model->is.value);
}

void shop_step(struct world *world)
{
    const struct settings_view *view = view_of(world);

    check_setting(world, view, (uint32_t)(world->step % SIM_SETTINGS));
}

void shop_check(struct world *world)
{
    const struct settings_view *view = view_of(world);
    uint32_t shown = 0;

    for (uint32_t i = 0; i < SIM_SETTINGS; i++) {
        struct setting_content content = seen(view, i);

        check_setting(world, view, i);
        shown += content.number != 0;
    }
    if (shown != view->tax_rate_count + view->method_count)
        violation("%u settings are shown that nobody made",
                  view->tax_rate_count + view->method_count - shown);
}

void shop_restarted(struct world *world)
{
    const struct settings_view *view = view_of(world);

    for (uint32_t i = 0; i < SIM_SETTINGS; i++) {
        struct setting_model *model = &world->shop.settings[i];
        struct setting_content content = seen(view, i);

        check_setting(world, view, i);
        if (model->is_open || model->is_unsure)
            world_mark(world, content_equal(&model->is, &content) ? MARK_SETTING_UNDONE
                                                                  : MARK_SETTING_KEPT);
        *model = (struct setting_model){.is = content};
    }
    shop_check(world);
}

void shop_start(struct world *world)
{
    world->shop.settings[FIRST_METHOD].is.number = 1;
    world->shop.numbers[SETTING_SHIPPING_METHOD] = 1;
}

/* ---- changes ---- */

static void fill_row(struct settings_envelope *envelope, uint32_t setting, uint32_t value)
{
    if (envelope->kind == SETTING_TAX_RATE) {
        memcpy(envelope->row.tax_rate.country, "DE", 2);
        set_name(setting, &envelope->row.tax_rate.region);
        envelope->row.tax_rate.rate_bp = value;
        envelope->fields = 1u << SETTING_FIELD_RATE_BP;
    } else {
        set_name(setting, &envelope->row.method.name);
        memcpy(envelope->row.method.currency, "EUR", 4);
        envelope->row.method.flat_minor = value;
        envelope->fields = 1u << SETTING_FIELD_TABLE | 1u << SETTING_FIELD_CURRENCY;
    }
}

/* A row that is gone is made again, the first method never. */
static enum settings_call draw_call(struct world *world, const struct setting_model *model)
{
    if (model->is.number == 0)
        return SETTINGS_CALL_CREATE;
    return sim_random_below(&world->random, 4) == 0 ? SETTINGS_CALL_REMOVE : SETTINGS_CALL_CHANGE;
}

void shop_act(struct world *world)
{
    uint32_t setting = sim_random_below(&world->random, SIM_SETTINGS);
    struct setting_model *model = &world->shop.settings[setting];
    uint32_t value = sim_random_below(&world->random, 10000);
    enum settings_call call = draw_call(world, model);
    uint32_t shard = clients_draw_shard(world);
    struct request *request;
    struct refusal refusal;
    struct command command = {.type = COMMAND_SETTINGS,
                              .authority = AUTHORITY_STAFF,
                              .origin = {.caller = AUDIT_BY_ADMIN_KEY}};

    if (model->is_open || model->is_unsure || shard == NONE ||
        (setting == FIRST_METHOD && model->is.number == 0) ||
        (request = clients_take_request(world, COMMAND_SETTINGS, 0)) == NULL)
        return;
    command.settings = settings_envelope_create(call, kind_of(setting));
    assert(command.settings != NULL);
    command.settings->number = model->is.number;
    fill_row(command.settings, setting, value);
    request->setting = setting;
    request->setting_number = world->shop.numbers[kind_of(setting)];
    model->may_be = (struct setting_content){model->is.number, value};
    if (call == SETTINGS_CALL_CREATE)
        model->may_be.number = UINT32_MAX;
    if (call == SETTINGS_CALL_REMOVE)
        model->may_be = (struct setting_content){0};
    model->is_open = true;
    world->shop.changes_sent++;
    if (clients_submit(world, shard, &command, request, &refusal) != OUTCOME_PENDING)
        envelope_free(command.settings);
}

void shop_refused(struct world *world, const struct request *request)
{
    world->shop.settings[request->setting].is_open = false;
    world->shop.changes_sent--;
}

static void acknowledged(struct world *world, const struct request *request,
                         const struct settings_envelope *answer)
{
    uint32_t setting = request->setting;
    struct setting_model *model = &world->shop.settings[setting];
    uint32_t *newest = &world->shop.numbers[answer->kind];

    if (answer->call == SETTINGS_CALL_CREATE) {
        if (answer->number <= request->setting_number)
            violation("number %u of a setting was given after %u", answer->number,
                      request->setting_number);
        if (answer->number > *newest)
            *newest = answer->number;
        model->may_be.number = answer->number;
    }
    model->is = model->may_be;
    model->is_open = false;
    world->shop.changes++;
    world_mark(world,
               answer->call == SETTINGS_CALL_REMOVE ? MARK_SETTING_REMOVED : MARK_SETTING_CHANGED);
    for (uint32_t i = 0; i < world->profile.engine.shards; i++)
        check_setting(world, shard_settings(engine_shard(world->engine, i)), setting);
}

void shop_answer(struct world *world, const struct request *request, const struct reply_body *reply)
{
    struct setting_model *model = &world->shop.settings[request->setting];

    if (reply->outcome == OUTCOME_OK) {
        acknowledged(world, request, reply->settings);
    } else if (reply->outcome == OUTCOME_OVERLOADED) {
        shop_refused(world, request);
        world_mark(world, MARK_REPLY_OVERLOADED);
    } else if (reply->outcome == OUTCOME_OUTCOME_UNKNOWN) {
        model->is_open = false;
        model->is_unsure = true;
    } else {
        violation("a change of setting %u was answered %s", request->setting,
                  outcome_name((enum outcome)reply->outcome));
    }
    envelope_free(reply->settings);
}
