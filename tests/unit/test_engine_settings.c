/* SPDX-License-Identifier: Apache-2.0 */
/* Settings from a command to every shard's eyes: durable first, then seen, then answered. */
#include "vault_fixture.h"

static const struct settings_view *view_of(struct fixture *fixture, uint32_t shard)
{
    return shard_settings(engine_shard(fixture->engine, shard));
}

static uint64_t submit(struct fixture *fixture, const struct settings_envelope *question,
                       enum outcome *outcome_out)
{
    struct settings_envelope *envelope = settings_envelope_create(
        (enum settings_call)question->call, (enum setting_kind)question->kind);
    struct command command = {.type = COMMAND_SETTINGS,
                              .authority = AUTHORITY_STAFF,
                              .origin = {.caller = AUDIT_BY_ADMIN_KEY},
                              .settings = envelope};
    uint64_t cookie;

    *envelope = *question;
    cookie = fixture_submit(fixture, 1, &command, outcome_out);
    if (cookie == 0)
        envelope_free(envelope);
    return cookie;
}

static enum outcome ask(struct fixture *fixture, struct settings_envelope *question)
{
    enum outcome outcome;
    uint64_t cookie = submit(fixture, question, &outcome);
    const struct message *reply = &fixture->replies[cookie];

    if (cookie == 0)
        return outcome;
    fixture_run(fixture);
    assert_int_equal(fixture->reply_counts[cookie], 1);
    *question = *reply->reply.settings;
    envelope_free(reply->reply.settings);
    return (enum outcome)reply->reply.outcome;
}

static void set_label(struct setting_label *label, const char *name)
{
    label->length = (uint16_t)strlen(name);
    memcpy(label->text, name, label->length);
}

static struct settings_envelope tax_rate(const char *country, const char *region, uint32_t rate_bp)
{
    struct settings_envelope envelope = {.call = SETTINGS_CALL_CREATE, .kind = SETTING_TAX_RATE};

    memcpy(envelope.row.tax_rate.country, country, 2);
    set_label(&envelope.row.tax_rate.region, region);
    envelope.row.tax_rate.rate_bp = rate_bp;
    return envelope;
}

static struct settings_envelope shipping_method(const char *name, int64_t price_minor)
{
    struct settings_envelope envelope = {.call = SETTINGS_CALL_CREATE,
                                         .kind = SETTING_SHIPPING_METHOD};

    set_label(&envelope.row.method.name, name);
    envelope.row.method.flat_minor = price_minor;
    memcpy(envelope.row.method.currency, "EUR", 4);
    return envelope;
}

static struct settings_envelope endpoint(uint8_t secret)
{
    struct settings_envelope envelope = {.call = SETTINGS_CALL_CREATE,
                                         .kind = SETTING_WEBHOOK_ENDPOINT};
    struct setting_endpoint *row = &envelope.row.endpoint;

    row->url_length = (uint16_t)strlen("https://shop.example/hook");
    memcpy(row->url, "https://shop.example/hook", row->url_length);
    row->events = 1u << EVENT_ORDER_SHIPPED;
    row->secrets[0].length = 1;
    row->secrets[0].sealed[0] = secret;
    envelope.key.length = 1;
    envelope.key.bytes[0] = 42;
    return envelope;
}

static struct settings_envelope of_row(enum settings_call call, enum setting_kind kind,
                                       uint32_t number)
{
    return (struct settings_envelope){
        .call = (uint8_t)call, .kind = (uint8_t)kind, .number = number};
}

static void a_fresh_store_ships_everywhere_for_nothing(void **state)
{
    struct fixture *fixture = *state;
    const struct settings_view *view = view_of(fixture, 1);
    struct journal_port journal = journal_memory_port(fixture->journal);
    struct pricing_shipping_method price;
    int64_t list_minor = -1;

    fixture_run(fixture);
    assert_int_equal(journal.last_commit(journal.self), 0);
    assert_int_equal(view->tax_rate_count, 0);
    assert_int_equal(view->endpoint_count, 0);
    assert_int_equal(view->method_count, 1);
    assert_true(settings_method_serves(&view->methods[0], pricing_country("FR", 2)));
    price = settings_method_price(&view->methods[0], "JPY");
    assert_true(pricing_shipping_is_valid(&price));
    assert_int_equal(
        pricing_shipping_quote(&price, "JPY", pricing_country("FR", 2), 5, 5, &list_minor),
        SHIPPING_VERDICT_CHARGED);
    assert_int_equal(list_minor, 0);
}

static void a_change_is_seen_once_it_is_durable_and_before_its_answer(void **state)
{
    struct fixture *fixture = *state;
    struct settings_envelope question = tax_rate("DE", "", 1900);
    enum outcome outcome;
    uint64_t cookie = submit(fixture, &question, &outcome);

    fixture_step(fixture, false);
    assert_int_equal(fixture->reply_counts[cookie], 0);
    assert_int_equal(view_of(fixture, 0)->tax_rate_count, 0);
    fixture_run(fixture);
    assert_int_equal(fixture->reply_counts[cookie], 1);
    envelope_free(fixture->replies[cookie].reply.settings);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(view_of(fixture, i)->tax_rate_count, 1);
        assert_int_equal(view_of(fixture, i)->rates[0].rate_bp, 1900);
        assert_int_equal(view_of(fixture, i)->rates[0].country, pricing_country("DE", 2));
    }
    assert_int_equal(fixture_crash(fixture), 0);
    assert_int_equal(view_of(fixture, 1)->tax_rate_count, 1);
    assert_int_equal(view_of(fixture, 1)->rates[0].rate_bp, 1900);
}

static void what_a_crash_undoes_nobody_has_seen(void **state)
{
    struct fixture *fixture = *state;
    struct settings_envelope question = tax_rate("DE", "", 1900);
    enum outcome outcome;

    submit(fixture, &question, &outcome);
    fixture_step(fixture, false);
    assert_int_equal(fixture_crash(fixture), 0);
    assert_int_equal(view_of(fixture, 0)->tax_rate_count, 0);
}

static void a_failed_commit_is_not_shown(void **state)
{
    struct fixture *fixture = *state;
    struct settings_envelope question = tax_rate("DE", "", 1900);
    enum outcome outcome;
    uint64_t cookie = submit(fixture, &question, &outcome);

    fixture_step(fixture, false);
    journal_memory_complete(fixture->journal, COMMIT_FAILED, false);
    fixture_run(fixture);
    assert_int_equal(fixture->replies[cookie].reply.outcome, OUTCOME_OUTCOME_UNKNOWN);
    envelope_free(fixture->replies[cookie].reply.settings);
    assert_int_equal(view_of(fixture, 0)->tax_rate_count, 0);
}

static void no_two_rates_are_of_the_same_place_and_category(void **state)
{
    struct fixture *fixture = *state;
    struct settings_envelope question = tax_rate("US", "CA", 725);

    assert_int_equal(ask(fixture, &question), OUTCOME_OK);
    assert_int_equal(question.number, 1);
    question = tax_rate("US", "ca", 800);
    assert_int_equal(ask(fixture, &question), OUTCOME_SETTING_INVALID);
    assert_int_equal(question.problem.field, SETTING_FIELD_COUNTRY);
    question = tax_rate("US", "", 0);
    assert_int_equal(ask(fixture, &question), OUTCOME_OK);
    question = of_row(SETTINGS_CALL_CHANGE, SETTING_TAX_RATE, 2);
    question.fields = 1u << SETTING_FIELD_REGION;
    set_label(&question.row.tax_rate.region, "Ca");
    assert_int_equal(ask(fixture, &question), OUTCOME_SETTING_INVALID);
    assert_int_equal(view_of(fixture, 0)->rates[1].region, 0);
    question.fields = 1u << SETTING_FIELD_RATE_BP;
    question.row.tax_rate.rate_bp = 5;
    assert_int_equal(ask(fixture, &question), OUTCOME_OK);
    assert_int_equal(question.row.tax_rate.common.version, 2);
    assert_int_equal(view_of(fixture, 0)->rates[1].rate_bp, 5);
}

static void rows_out_of_bounds_are_refused_by_field(void **state)
{
    struct fixture *fixture = *state;
    struct settings_envelope question = tax_rate("QQ", "", 1);

    assert_int_equal(ask(fixture, &question), OUTCOME_SETTING_INVALID);
    assert_string_equal(setting_field_name((enum setting_field)question.problem.field), "country");
    question = tax_rate("DE", "", TAX_RATE_BP_MAX + 1);
    assert_int_equal(ask(fixture, &question), OUTCOME_SETTING_INVALID);
    assert_int_equal(question.problem.field, SETTING_FIELD_RATE_BP);
    question = shipping_method("", 1);
    assert_int_equal(ask(fixture, &question), OUTCOME_SETTING_INVALID);
    assert_int_equal(question.problem.field, SETTING_FIELD_NAME);
    question = shipping_method("Post", -1);
    assert_int_equal(ask(fixture, &question), OUTCOME_SETTING_INVALID);
    assert_int_equal(question.problem.field, SETTING_FIELD_TABLE);
    question = shipping_method("Post", 1);
    memset(question.row.method.currency, 0, 4);
    assert_int_equal(ask(fixture, &question), OUTCOME_SETTING_INVALID);
    assert_int_equal(question.problem.field, SETTING_FIELD_CURRENCY);
    question = shipping_method("Post", 0);
    question.row.method.kind = SHIPPING_WEIGHT;
    question.row.method.row_count = 2;
    question.row.method.rows[0].up_to = 10;
    question.row.method.rows[1].up_to = 10;
    assert_int_equal(ask(fixture, &question), OUTCOME_SETTING_INVALID);
    assert_int_equal(question.problem.field, SETTING_FIELD_TABLE);
    question = of_row(SETTINGS_CALL_REMOVE, SETTING_TAX_RATE, 1);
    assert_int_equal(ask(fixture, &question), OUTCOME_NOT_FOUND);
    assert_int_equal(view_of(fixture, 0)->version, 1);
}

static void a_number_is_never_given_again(void **state)
{
    struct fixture *fixture = *state;
    struct settings_envelope question = tax_rate("DE", "", 1);

    assert_int_equal(ask(fixture, &question), OUTCOME_OK);
    question = of_row(SETTINGS_CALL_REMOVE, SETTING_TAX_RATE, 1);
    assert_int_equal(ask(fixture, &question), OUTCOME_OK);
    assert_int_equal(fixture_crash(fixture), 0);
    assert_int_equal(view_of(fixture, 0)->tax_rate_count, 0);
    question = tax_rate("DE", "", 1);
    assert_int_equal(ask(fixture, &question), OUTCOME_OK);
    assert_int_equal(question.number, 2);
}

static void the_first_method_stays_until_it_is_removed(void **state)
{
    struct fixture *fixture = *state;
    struct settings_envelope question = shipping_method("Post", 490);

    assert_int_equal(ask(fixture, &question), OUTCOME_OK);
    assert_int_equal(question.number, 2);
    assert_int_equal(view_of(fixture, 0)->method_count, 2);
    assert_int_equal(fixture_crash(fixture), 0);
    assert_int_equal(view_of(fixture, 0)->method_count, 2);
    assert_memory_equal(settings_find_method(view_of(fixture, 0), 1)->name.text, "Standard", 8);
    question = of_row(SETTINGS_CALL_REMOVE, SETTING_SHIPPING_METHOD, 1);
    assert_int_equal(ask(fixture, &question), OUTCOME_OK);
    question = of_row(SETTINGS_CALL_REMOVE, SETTING_SHIPPING_METHOD, 2);
    assert_int_equal(ask(fixture, &question), OUTCOME_OK);
    assert_int_equal(fixture_crash(fixture), 0);
    assert_int_equal(view_of(fixture, 0)->method_count, 0);
}

static void the_first_method_can_be_changed_before_it_is_stored(void **state)
{
    struct fixture *fixture = *state;
    struct settings_envelope question = of_row(SETTINGS_CALL_CHANGE, SETTING_SHIPPING_METHOD, 1);

    question.fields = 1u << SETTING_FIELD_TABLE;
    question.row.method.flat_minor = 300;
    assert_int_equal(ask(fixture, &question), OUTCOME_SETTING_INVALID);
    assert_int_equal(question.problem.field, SETTING_FIELD_CURRENCY);
    question.fields |= 1u << SETTING_FIELD_CURRENCY;
    memcpy(question.row.method.currency, "EUR", 4);
    assert_int_equal(ask(fixture, &question), OUTCOME_OK);
    assert_int_equal(fixture_crash(fixture), 0);
    assert_int_equal(view_of(fixture, 0)->method_count, 1);
    assert_int_equal(view_of(fixture, 0)->methods[0].flat_minor, 300);
}

static void there_are_only_so_many(void **state)
{
    struct fixture *fixture = *state;
    struct settings_envelope question;
    char region[16];

    for (unsigned i = 0; i < TAX_RATES_MAX; i++) {
        snprintf(region, sizeof(region), "r%u", i);
        question = tax_rate("DE", region, 1);
        assert_int_equal(ask(fixture, &question), OUTCOME_OK);
    }
    question = tax_rate("DE", "", 1);
    assert_int_equal(ask(fixture, &question), OUTCOME_SETTING_INVALID);
    assert_int_equal(question.problem.field, SETTING_FIELD_BODY);
    question = of_row(SETTINGS_CALL_REMOVE, SETTING_TAX_RATE, 500);
    assert_int_equal(ask(fixture, &question), OUTCOME_OK);
    assert_int_equal(fixture_crash(fixture), 0);
    question = tax_rate("DE", "", 77);
    assert_int_equal(ask(fixture, &question), OUTCOME_OK);
    assert_int_equal(view_of(fixture, 1)->tax_rate_count, TAX_RATES_MAX);
    for (unsigned i = 1; i < TAX_RATES_MAX; i++)
        assert_true(view_of(fixture, 1)->tax_rates[i - 1].common.number <
                    view_of(fixture, 1)->tax_rates[i].common.number);
    assert_int_equal(view_of(fixture, 1)->rates[TAX_RATES_MAX - 1].rate_bp, 77);
}

/* A shard that stands still may still see the copy that it had: it is not freed, and no more are
 * made than may be. */
static void copies_wait_for_a_shard_that_stands_still(void **state)
{
    struct fixture *fixture = *state;
    const struct settings_view *seen = view_of(fixture, 1);
    unsigned refused = 0;
    enum outcome outcome;

    for (unsigned i = 0; i < 40; i++) {
        struct settings_envelope question =
            of_row(SETTINGS_CALL_CHANGE, SETTING_SHIPPING_METHOD, 1);
        struct settings_envelope *envelope =
            settings_envelope_create(SETTINGS_CALL_CHANGE, SETTING_SHIPPING_METHOD);
        struct command command = {.type = COMMAND_SETTINGS, .settings = envelope};
        uint64_t cookie;

        *envelope = question;
        envelope->fields = 1u << SETTING_FIELD_NAME;
        set_label(&envelope->row.method.name, "Post");
        cookie = fixture_submit(fixture, 0, &command, &outcome);
        for (unsigned n = 0; n < 4; n++) {
            shard_step(engine_shard(fixture->engine, 0));
            committer_step(fixture->engine);
            if (journal_memory_pending(fixture->journal) != 0)
                journal_memory_complete(fixture->journal, COMMIT_OK, true);
        }
        assert_int_equal(fixture->reply_counts[cookie], 1);
        refused += fixture->replies[cookie].reply.outcome == OUTCOME_OVERLOADED;
        envelope_free(fixture->replies[cookie].reply.settings);
    }
    assert_memory_equal(seen->methods[0].name.text, "Standard", 8);
    assert_int_equal(refused, 40 - 16);
    fixture_run(fixture);
    struct settings_envelope question = tax_rate("DE", "", 1);
    assert_int_equal(ask(fixture, &question), OUTCOME_OK);
}

static void of_two_secrets_the_older_is_good_for_a_day(void **state)
{
    struct fixture *fixture = *state;
    struct settings_envelope question = endpoint(1);
    const struct setting_endpoint *row;

    assert_int_equal(ask(fixture, &question), OUTCOME_OK);
    for (uint8_t secret = 2; secret <= 3; secret++) {
        question = endpoint(secret);
        question.call = SETTINGS_CALL_ROTATE;
        question.number = 1;
        assert_int_equal(ask(fixture, &question), OUTCOME_OK);
    }
    assert_int_equal(fixture_crash(fixture), 0);
    row = settings_find_endpoint(view_of(fixture, 0), 1);
    assert_int_equal(row->secrets[0].sealed[0], 3);
    assert_int_equal(row->secrets[0].expires_wall_ms, 0);
    assert_int_equal(row->secrets[1].sealed[0], 2);
    assert_int_equal(row->secrets[1].expires_wall_ms,
                     fixture->now.wall_ms + ENDPOINT_SECRET_OVERLAP_MS);
}

static void a_secret_under_another_key_is_not_taken(void **state)
{
    struct fixture *fixture = *state;
    struct settings_envelope question = endpoint(1);

    assert_int_equal(ask(fixture, &question), OUTCOME_OK);
    question = endpoint(2);
    question.key.bytes[0] = 43;
    assert_int_equal(ask(fixture, &question), OUTCOME_STALE);
    question = endpoint(2);
    question.call = SETTINGS_CALL_ROTATE;
    question.number = 1;
    question.key.length = 0;
    assert_int_equal(ask(fixture, &question), OUTCOME_STALE);
    assert_int_equal(view_of(fixture, 0)->endpoint_count, 1);
    assert_int_equal(view_of(fixture, 0)->endpoints[0].secrets[0].sealed[0], 1);
    assert_int_equal(view_of(fixture, 0)->key.bytes[0], 42);
}

/* ---- the shop's own key ---- */

static void the_shops_key_is_wrapped_anew_with_the_others(void **state)
{
    struct fixture *fixture = *state;
    struct settings_envelope question = endpoint(1);
    struct principal owner = settings_key_owner();
    struct engine_vault_keys counted;
    struct vault_wrapped_key wrapped;

    serve_with(fixture, &old_keys);
    fixture->vault.new_key(fixture->vault.self, &owner, &wrapped);
    question.key.length = VAULT_WRAPPED_KEY_BYTES;
    memcpy(question.key.bytes, wrapped.bytes, VAULT_WRAPPED_KEY_BYTES);
    assert_int_equal(ask(fixture, &question), OUTCOME_OK);
    serve_with(fixture, &both_keys);
    for (unsigned i = 0; i < 2000; i++)
        fixture_advance(fixture, 5);
    engine_vault_keys(fixture->engine, &counted);
    assert_int_equal(counted.previous, 0);
    assert_int_equal(counted.unreadable, 0);
    assert_int_equal(fixture_crash(fixture), 0);
    memcpy(wrapped.bytes, view_of(fixture, 0)->key.bytes, VAULT_WRAPPED_KEY_BYTES);
    assert_int_equal(fixture->vault.wrapped_by(fixture->vault.self, &wrapped),
                     VAULT_WRAPPED_BY_CURRENT);
}

static void it_is_counted_while_the_previous_key_wraps_it(void **state)
{
    struct fixture *fixture = *state;
    struct settings_envelope question = endpoint(1);
    struct principal owner = settings_key_owner();
    struct engine_vault_keys counted = {.previous = -1};
    struct vault_wrapped_key wrapped;

    serve_with(fixture, &old_keys);
    fixture->vault.new_key(fixture->vault.self, &owner, &wrapped);
    question.key.length = VAULT_WRAPPED_KEY_BYTES;
    memcpy(question.key.bytes, wrapped.bytes, VAULT_WRAPPED_KEY_BYTES);
    assert_int_equal(ask(fixture, &question), OUTCOME_OK);
    serve_with(fixture, &both_keys);
    for (unsigned i = 0; i < 2000 && counted.previous < 0; i++) {
        fixture_advance(fixture, 5);
        engine_vault_keys(fixture->engine, &counted);
    }
    assert_int_equal(counted.previous, 1);
}

static int set_up(void **state)
{
    return fixture_set_up(state);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, vault_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_fresh_store_ships_everywhere_for_nothing),
        TEST(a_change_is_seen_once_it_is_durable_and_before_its_answer),
        TEST(what_a_crash_undoes_nobody_has_seen),
        TEST(a_failed_commit_is_not_shown),
        TEST(no_two_rates_are_of_the_same_place_and_category),
        TEST(rows_out_of_bounds_are_refused_by_field),
        TEST(a_number_is_never_given_again),
        TEST(the_first_method_stays_until_it_is_removed),
        TEST(the_first_method_can_be_changed_before_it_is_stored),
        TEST(there_are_only_so_many),
        TEST(copies_wait_for_a_shard_that_stands_still),
        TEST(of_two_secrets_the_older_is_good_for_a_day),
        TEST(a_secret_under_another_key_is_not_taken),
        TEST(the_shops_key_is_wrapped_anew_with_the_others),
        TEST(it_is_counted_while_the_previous_key_wraps_it),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
