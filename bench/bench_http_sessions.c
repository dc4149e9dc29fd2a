/* SPDX-License-Identifier: Apache-2.0 */
/* What finding out who calls costs: the shard's memory of sessions, the comparison of tokens, and
 * the principal's mark, over as many people as the memory holds (no cache of the machine's does).
 *
 *   session/check/person   an account's session that the shard remembers
 *   session/check/guest    a guest's that it remembers
 *   session/forged         a token that is not this store's: refused by its MAC */
#include <stdlib.h>
#include <string.h>

#include "api/account_token.h"
#include "bench.h"
#include "env_real.h"
#include "secrets_file.h"
#include "session_cache.h"

/* As api_shard.h has it. */
enum { PEOPLE = 1 << 15, GUESTS = 1 << 16, OPERATIONS = 1 << 20 };

static struct secrets store = {.secret = {1, 2, 3}};
static struct secrets_port secrets;

struct people {
    struct session_cache cache;
    char (*tokens)[SESSION_TOKEN_LENGTH + 1];
    char (*guests)[SESSION_TOKEN_LENGTH + 1];
};

static void add_person(struct people *people, uint32_t number, uint64_t *random)
{
    struct account_envelope *answer = account_envelope_create(ACCOUNT_CALL_SESSION_CHECK);
    uint8_t bytes[ACCOUNT_TOKEN_RANDOM_BYTES] = {0};
    uint64_t word = bench_random(random);

    if (answer == NULL)
        bench_fail("no memory");
    memcpy(bytes, &word, sizeof(word));
    answer->account = account_principal(number % 256, number + 1, &secrets.id_key);
    answer->view.principal = answer->account;
    answer->view.session_count = 1;
    answer->view.sessions[0].expires_wall_ms = INT64_MAX;
    account_token_make(&secrets, ACCOUNT_TOKEN_CUSTOMER, &answer->account, bytes,
                       people->tokens[number]);
    session_cache_take_person(&people->cache, people->tokens[number], OUTCOME_OK, answer);
    envelope_free(answer);
}

static void add_guest(struct people *people, uint32_t number, uint64_t *random)
{
    struct session session = {.issued_s = 1795802400};
    uint8_t claim[SESSION_CLAIM_BYTES];
    uint8_t mac[SESSION_MAC_BYTES];
    uint64_t word = bench_random(random);

    memcpy(session.principal.bytes, &word, sizeof(word));
    session_claim(&session, claim);
    secrets.mac(secrets.self, SESSION_MAC_PURPOSE, claim, sizeof(claim), mac);
    session_token_format(claim, mac, people->guests[number]);
    session_cache_put_guest(&people->cache, people->guests[number], &session);
}

static struct people *make_people(void)
{
    struct people *people = calloc(1, sizeof(*people));
    struct engine_options options = engine_options_default(1);
    struct engine_ports ports = {.secrets = secrets};
    struct env_real *env = env_real_create(1);
    uint64_t random = 88172645463325252u;

    if (people == NULL || env == NULL)
        bench_fail("no memory");
    ports.env = env_real_port(env);
    options.holds_max = 64;
    options.coupons_max = 64;
    options.coupon_rows_max = 64;
    options.carts_max = 64;
    options.deliveries_pending_max = 64;
    options.skus_max = 16;
    options.limit_rows_max = 16;
    struct engine *engine = engine_create(&options, &ports); /* for its marks */
    people->tokens = calloc(PEOPLE, sizeof(*people->tokens));
    people->guests = calloc(GUESTS, sizeof(*people->guests));
    if (engine == NULL || !session_cache_init(&people->cache, engine, GUESTS, PEOPLE) ||
        people->tokens == NULL || people->guests == NULL)
        bench_fail("no memory");
    for (uint32_t i = 0; i < PEOPLE; i++)
        add_person(people, i, &random);
    for (uint32_t i = 0; i < GUESTS; i++)
        add_guest(people, i, &random);
    return people;
}

/* Some are not known: another has their place. That is found out all the same. */
static uint64_t check_people(void *arg, uint64_t operations)
{
    struct people *people = arg;
    uint64_t random = 2463534242u;
    const struct person *person;
    uint64_t found = 0;
    uint64_t start = bench_now_ns();

    for (uint64_t i = 0; i < operations; i++) {
        const char *token = people->tokens[bench_random(&random) % PEOPLE];
        found += session_cache_get_person(&people->cache, token, 1, &person) == SESSION_GOOD;
    }
    if (found < operations / 2)
        bench_fail("sessions are not remembered");
    return bench_now_ns() - start;
}

static uint64_t check_guests(void *arg, uint64_t operations)
{
    struct people *people = arg;
    uint64_t random = 2463534242u;
    struct session session;
    uint64_t found = 0;
    uint64_t start = bench_now_ns();

    for (uint64_t i = 0; i < operations; i++) {
        const char *token = people->guests[bench_random(&random) % GUESTS];
        found += session_cache_get_guest(&people->cache, token, &session) == SESSION_GOOD &&
                 session_is_current(&session, 1795802401);
    }
    if (found < operations / 2)
        bench_fail("sessions are not remembered");
    return bench_now_ns() - start;
}

static uint64_t refuse_forged(void *arg, uint64_t operations)
{
    struct people *people = arg;
    char token[ACCOUNT_TOKEN_LENGTH + 1];
    enum account_token_kind kind;
    struct principal account;
    uint64_t refused = 0;
    uint64_t start;

    memcpy(token, people->tokens[1], sizeof(token));
    token[40] = token[40] == 'A' ? 'B' : 'A';
    start = bench_now_ns();
    for (uint64_t i = 0; i < operations; i++)
        refused += !account_token_read(&secrets, token, ACCOUNT_TOKEN_LENGTH, &kind, &account);
    uint64_t took = bench_now_ns() - start;
    if (refused != operations)
        bench_fail("a forged token was taken");
    return took;
}

int main(int argc, char **argv)
{
    bench_begin(&argc, argv);
    secrets = secrets_port_of(&store);
    struct people *people = make_people();
    struct bench_entry entries[] = {
        {.name = "session/check/person", .body = check_people, .arg = people},
        {.name = "session/check/guest", .body = check_guests, .arg = people},
        {.name = "session/forged", .body = refuse_forged, .arg = people},
    };

    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        entries[i].operations = bench_scale(OPERATIONS);
        if (bench_wants(entries[i].name))
            bench_contest(&entries[i], 1, BENCH_ROUNDS);
    }
    return 0;
}
