/* SPDX-License-Identifier: Apache-2.0 */
#include "settings.h"

#include <string.h>

#include "mutants.h"
#include "settings_private.h"

const char *setting_field_name(enum setting_field field)
{
    static const char *const names[SETTING_FIELD_COUNT] = {
#define X(name, text) [SETTING_FIELD_##name] = text,
        SETTING_FIELDS(X)
#undef X
    };

    assert((unsigned)field < SETTING_FIELD_COUNT);
    return names[field];
}

struct principal settings_key_owner(void)
{
    struct principal owner = {"stampede's shop"};

    return owner;
}

void settings_init(struct settings *settings)
{
    struct setting_record method = {.method = {.common = {.number = 1, .version = 1},
                                               .name = {.length = 8, .text = "Standard"},
                                               .kind = SHIPPING_FLAT}};

    for (unsigned i = SETTING_TAX_RATE; i < SETTING_KIND_COUNT; i++)
        settings->head.next_numbers[i] = 1;
    settings->head.version = 1;
    settings->view.version = 1;
    settings_put_row(&settings->view, SETTING_SHIPPING_METHOD, &method);
    settings->head.next_numbers[SETTING_SHIPPING_METHOD] = 2;
}

static bool restore_row(struct settings *settings, enum setting_kind kind,
                        const struct setting_record *row)
{
    struct settings_table table = settings_table_of(&settings->view, kind);
    bool is_known = settings_row(&table, row->common.number) != NULL;

    if (*table.count == table.rows_max || is_known ||
        row->common.number >= settings->head.next_numbers[kind] ||
        (kind == SETTING_SHIPPING_METHOD && !settings->head.has_methods))
        return false;
    settings_put_row(&settings->view, kind, row);
    return true;
}

bool settings_restore(struct settings *settings, const struct record *record)
{
    assert(record->kind == RECORD_SETTING);
    if (record->partition != SETTINGS_PARTITION)
        return false;
    switch (record->subject) {
    case SETTING_HEAD:
        settings->head = record->setting.head;
        settings->view.version = settings->head.version;
        if (settings->head.has_methods)
            settings->view.method_count = 0; /* what there is follows */
        return true;
    case SETTING_KEY:
        settings->view.key = record->setting.key;
        return true;
    case SETTING_TAX_RATE:
    case SETTING_SHIPPING_METHOD:
    case SETTING_WEBHOOK_ENDPOINT:
        return restore_row(settings, (enum setting_kind)record->subject, &record->setting);
    default:
        return false;
    }
}

/* ---- calls ---- */

/* In the audit log. */
static const char key_name[] = "shop_key";

struct step {
    struct settings *settings;
    const struct moment *moment;
    struct settings_envelope *envelope;
    struct effects *effects;
};

static struct record *add_record(const struct step *step, enum setting_kind kind, uint32_t number)
{
    struct record *record = effects_record(step->effects, RECORD_SETTING, SETTINGS_PARTITION, 0, 0);

    record->subject = (uint32_t)kind;
    record->sequence = number;
    return record;
}

static void persist_row(const struct step *step, enum setting_kind kind,
                        const struct setting_record *row)
{
    add_record(step, kind, row->common.number)->setting = *row;
}

/* With each change, after all of it is decided: the numbers, and the method of a fresh store. */
static void begin_change(const struct step *step)
{
    struct settings *settings = step->settings;

    settings->view.version = ++settings->head.version;
    if (step->envelope->kind == SETTING_SHIPPING_METHOD && !settings->head.has_methods) {
        struct setting_record first = {.method = settings->view.methods[0]};

        settings->head.has_methods = true;
        if (!MUTANT(DEFAULT_METHOD_LOST))
            persist_row(step, SETTING_SHIPPING_METHOD, &first);
    }
}

static void end_change(const struct step *step)
{
    add_record(step, SETTING_HEAD, 0)->setting.head = step->settings->head;
}

static int64_t shown_value(enum setting_kind kind, const struct setting_record *row)
{
    return kind == SETTING_TAX_RATE ? (int64_t)row->tax_rate.rate_bp : (int64_t)row->common.version;
}

static void enter(const struct step *step, enum audit_act act, const struct setting_record *before,
                  const struct setting_record *after)
{
    enum setting_kind kind = (enum setting_kind)step->envelope->kind;
    char id[SETTING_ID_LENGTH_MAX + 1];
    struct audit_record *entry;

    setting_id_format(kind, step->envelope->number, id);
    entry = audit_add(step->effects, SETTINGS_PARTITION, step->moment, &step->envelope->origin, act,
                      AUDIT_OF_SETTING, id, strlen(id));
    if (before != NULL)
        audit_set_number(&entry->before, shown_value(kind, before));
    if (after != NULL)
        audit_set_number(&entry->after, shown_value(kind, after));
}

static enum outcome invalid(const struct step *step, enum setting_field field, const char *message)
{
    step->envelope->problem = (struct setting_problem){.field = (uint8_t)field, .message = message};
    return OUTCOME_SETTING_INVALID;
}

/* By itself, and beside the others. */
static enum outcome check_row(const struct step *step, const struct setting_record *row)
{
    enum setting_kind kind = (enum setting_kind)step->envelope->kind;
    const struct settings_view *view = &step->settings->view;
    struct setting_problem problem = setting_row_problem(kind, row);
    struct pricing_tax_rate rate;

    if (problem.message != NULL)
        return invalid(step, (enum setting_field)problem.field, problem.message);
    if (kind != SETTING_TAX_RATE)
        return OUTCOME_OK;
    rate = settings_rate_of(&row->tax_rate);
    for (uint32_t i = 0; i < view->tax_rate_count; i++) {
        if (view->rates[i].country == rate.country && view->rates[i].region == rate.region &&
            view->rates[i].category == rate.category &&
            view->tax_rates[i].common.number != row->common.number)
            return invalid(step, SETTING_FIELD_COUNTRY,
                           "has a rate for this region and category already");
    }
    return OUTCOME_OK;
}

/* The secret was sealed under the key that is kept, or there is none yet and this is the one. */
static bool take_key(const struct step *step)
{
    struct setting_key *kept = &step->settings->view.key;
    const struct setting_key *brought = &step->envelope->key;

    if (kept->length != 0)
        return kept->length == brought->length &&
               memcmp(kept->bytes, brought->bytes, kept->length) == 0;
    if (brought->length == 0 || brought->length > WRAPPED_KEY_MAX)
        return false;
    *kept = *brought;
    add_record(step, SETTING_KEY, 0)->setting.key = *kept;
    return true;
}

static enum outcome create(const struct step *step)
{
    enum setting_kind kind = (enum setting_kind)step->envelope->kind;
    struct settings *settings = step->settings;
    struct setting_record *row = &step->envelope->row;
    struct settings_table table = settings_table_of(&settings->view, kind);
    enum outcome outcome;

    row->common = (struct setting_common){.number = settings->head.next_numbers[kind],
                                          .version = 1,
                                          .created_wall_ms = step->moment->wall_ms,
                                          .updated_wall_ms = step->moment->wall_ms};
    outcome = check_row(step, row);
    if (outcome != OUTCOME_OK)
        return outcome;
    if (*table.count == table.rows_max || row->common.number == UINT32_MAX)
        return invalid(step, SETTING_FIELD_BODY, "would be one more than there can be: remove one");
    if (kind == SETTING_WEBHOOK_ENDPOINT) {
        if (!take_key(step))
            return OUTCOME_STALE;
        row->endpoint.rotated_wall_ms = step->moment->wall_ms;
    }
    begin_change(step);
    settings->head.next_numbers[kind]++;
    settings_put_row(&settings->view, kind, row);
    persist_row(step, kind, row);
    end_change(step);
    step->envelope->number = row->common.number;
    enter(step, AUDIT_SETTING_CREATED, NULL, row);
    return OUTCOME_OK;
}

static void merge_tax_rate(uint32_t fields, const struct setting_tax_rate *source,
                           struct setting_tax_rate *target)
{
    if (fields & 1u << SETTING_FIELD_COUNTRY)
        memcpy(target->country, source->country, sizeof(target->country));
    if (fields & 1u << SETTING_FIELD_REGION)
        target->region = source->region;
    if (fields & 1u << SETTING_FIELD_CATEGORY)
        target->category = source->category;
    if (fields & 1u << SETTING_FIELD_RATE_BP)
        target->rate_bp = source->rate_bp;
    if (fields & 1u << SETTING_FIELD_INCLUSIVE)
        target->inclusive = source->inclusive;
}

static void merge_method(uint32_t fields, const struct setting_shipping_method *source,
                         struct setting_shipping_method *target)
{
    if (fields & 1u << SETTING_FIELD_NAME)
        target->name = source->name;
    if (fields & 1u << SETTING_FIELD_COUNTRIES) {
        target->country_count = source->country_count;
        memcpy(target->countries, source->countries, sizeof(target->countries));
    }
    if (fields & 1u << SETTING_FIELD_TABLE) {
        target->kind = source->kind;
        target->flat_minor = source->flat_minor;
        target->row_count = source->row_count;
        memcpy(target->rows, source->rows, sizeof(target->rows));
    }
    if (fields & 1u << SETTING_FIELD_FREE_OVER)
        target->free_over_minor = source->free_over_minor;
    if (fields & 1u << SETTING_FIELD_CURRENCY)
        memcpy(target->currency, source->currency, sizeof(target->currency));
}

static void merge_endpoint(uint32_t fields, const struct setting_endpoint *source,
                           struct setting_endpoint *target)
{
    if (fields & 1u << SETTING_FIELD_URL) {
        target->url_length = source->url_length;
        memcpy(target->url, source->url, sizeof(target->url));
    }
    if (fields & 1u << SETTING_FIELD_EVENTS)
        target->events = source->events;
    if (fields & 1u << SETTING_FIELD_DESCRIPTION)
        target->description = source->description;
    if (fields & 1u << SETTING_FIELD_ENABLED)
        target->enabled = source->enabled;
}

/* The row of the call's number as a record; false if there is none. */
static bool read_row(const struct step *step, struct setting_record *row_out)
{
    struct settings_table table =
        settings_table_of(&step->settings->view, (enum setting_kind)step->envelope->kind);
    const struct setting_common *found = settings_row(&table, step->envelope->number);

    memset(row_out, 0, sizeof(*row_out));
    if (found != NULL)
        memcpy(row_out, found, table.row_bytes);
    return found != NULL;
}

static void write_row(const struct step *step, struct setting_record *row)
{
    enum setting_kind kind = (enum setting_kind)step->envelope->kind;

    begin_change(step);
    row->common.version++;
    row->common.updated_wall_ms = step->moment->wall_ms;
    if (row->common.created_wall_ms == 0)
        row->common.created_wall_ms = step->moment->wall_ms;
    settings_put_row(&step->settings->view, kind, row);
    persist_row(step, kind, row);
    end_change(step);
    step->envelope->row = *row;
}

static enum outcome change(const struct step *step)
{
    struct setting_record before;
    struct setting_record row;
    enum outcome outcome;

    if (!read_row(step, &before))
        return OUTCOME_NOT_FOUND;
    row = before;
    if (step->envelope->kind == SETTING_TAX_RATE)
        merge_tax_rate(step->envelope->fields, &step->envelope->row.tax_rate, &row.tax_rate);
    else if (step->envelope->kind == SETTING_SHIPPING_METHOD)
        merge_method(step->envelope->fields, &step->envelope->row.method, &row.method);
    else
        merge_endpoint(step->envelope->fields, &step->envelope->row.endpoint, &row.endpoint);
    outcome = check_row(step, &row);
    if (outcome != OUTCOME_OK)
        return outcome;
    write_row(step, &row);
    enter(step, AUDIT_SETTING_CHANGED, &before, &row);
    return OUTCOME_OK;
}

static enum outcome remove_one(const struct step *step)
{
    enum setting_kind kind = (enum setting_kind)step->envelope->kind;

    if (!read_row(step, &step->envelope->row))
        return OUTCOME_NOT_FOUND;
    begin_change(step);
    settings_remove_row(&step->settings->view, kind, step->envelope->number);
    add_record(step, kind, step->envelope->number)->operation = RECORD_DELETE;
    end_change(step);
    enter(step, AUDIT_SETTING_REMOVED, &step->envelope->row, NULL);
    return OUTCOME_OK;
}

/* The secret before stays good for a while; the one before that is dropped. */
static enum outcome rotate(const struct step *step)
{
    struct setting_record row;
    struct setting_secret secret = step->envelope->row.endpoint.secrets[0];
    struct setting_secret *secrets = row.endpoint.secrets;

    assert(step->envelope->kind == SETTING_WEBHOOK_ENDPOINT);
    if (!read_row(step, &row))
        return OUTCOME_NOT_FOUND;
    if (!take_key(step))
        return OUTCOME_STALE;
    secrets[1] = secrets[0];
    secrets[1].expires_wall_ms = step->moment->wall_ms + ENDPOINT_SECRET_OVERLAP_MS;
    secrets[0] = secret;
    secrets[0].expires_wall_ms = 0;
    row.endpoint.rotated_wall_ms = step->moment->wall_ms;
    write_row(step, &row);
    enter(step, AUDIT_SECRET_ROTATED, NULL, NULL);
    return OUTCOME_OK;
}

static enum outcome rewrap_key(const struct step *step)
{
    struct setting_key *kept = &step->settings->view.key;
    const struct setting_key *old = &step->envelope->old_key;

    if (kept->length == 0 || kept->length != old->length ||
        memcmp(kept->bytes, old->bytes, kept->length) != 0)
        return OUTCOME_STALE;
    *kept = step->envelope->key;
    begin_change(step);
    add_record(step, SETTING_KEY, 0)->setting.key = *kept;
    end_change(step);
    audit_add(step->effects, SETTINGS_PARTITION, step->moment, &step->envelope->origin,
              AUDIT_KEY_ROTATED, AUDIT_OF_SETTING, key_name, sizeof(key_name) - 1);
    return OUTCOME_OK;
}

enum outcome settings_receive(struct settings *settings, const struct moment *moment,
                              struct settings_envelope *envelope, struct effects *effects)
{
    struct step step = {settings, moment, envelope, effects};

    switch ((enum settings_call)envelope->call) {
    case SETTINGS_CALL_CREATE:
        return create(&step);
    case SETTINGS_CALL_CHANGE:
        return change(&step);
    case SETTINGS_CALL_REMOVE:
        return remove_one(&step);
    case SETTINGS_CALL_ROTATE:
        return rotate(&step);
    case SETTINGS_CALL_KEY_REWRAP:
        return rewrap_key(&step);
    case SETTINGS_CALL_COUNT:
        break;
    }
    assert(false && "unknown call");
    return OUTCOME_NOT_FOUND;
}
