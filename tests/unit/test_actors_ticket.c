/* SPDX-License-Identifier: Apache-2.0 */
/* Queue tickets: there and back, for one drop and one holder, until their time or their key's is
 * over; and nothing else gets in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base64url.h"
#include "secrets_file.h"
#include "ticket.h"

enum { NOW_S = 1795802400, LIFE_S = 6 * 3600, DROP = 77 };

static struct secrets secrets = {.secret = {1, 2, 3}};
static const struct ticket_signer signer = {.self = &secrets, .mac = secrets_mac};
static const struct principal ann = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
static const struct principal bob = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17}};

static struct ticket_ring ring_of(unsigned keys)
{
    struct ticket_ring ring = {.count = 0};

    for (unsigned i = 0; i < keys; i++) {
        const uint8_t salt[TICKET_SALT_BYTES] = {(uint8_t)i, 9};

        assert_true(ticket_ring_rotate(&ring, salt, NOW_S, LIFE_S));
    }
    return ring;
}

static struct ticket ticket_for(const struct principal *holder, uint8_t key)
{
    return (struct ticket){
        .drop = DROP,
        .number = 4711,
        .key = key,
        .holder = ticket_holder_of(&signer, holder, DROP),
        .issued_s = NOW_S,
        .expires_s = NOW_S + LIFE_S,
    };
}

static void issue(const struct ticket_ring *ring, const struct ticket *ticket,
                  char text_out[TICKET_TEXT_LENGTH + 1])
{
    assert_true(ticket_issue(&signer, ring, ticket, NOW_S, text_out));
    assert_int_equal(strlen(text_out), TICKET_TEXT_LENGTH);
}

/* Shown by `holder` for DROP. */
static enum ticket_verdict show(const struct ticket_ring *ring, const char *text,
                                const struct principal *holder, int64_t now_s)
{
    struct ticket ticket;

    return ticket_check(&signer, ring, text, strlen(text), DROP, holder, 1, now_s, &ticket);
}

static void tickets_come_back(void **state)
{
    static const struct ticket tickets[] = {
        {.drop = DROP, .number = 1},
        {.drop = DROP,
         .number = UINT32_MAX,
         .issued_s = (1LL << 48) - 2,
         .expires_s = (1LL << 48) - 1},
        {.drop = UINT64_MAX, .number = 4711, .issued_s = NOW_S, .expires_s = NOW_S + 1},
    };
    struct ticket_ring ring = ring_of(1);

    (void)state;
    for (unsigned i = 0; i < sizeof(tickets) / sizeof(tickets[0]); i++) {
        struct ticket ticket = tickets[i];
        struct ticket back;
        char text[TICKET_TEXT_LENGTH + 1];
        char again[TICKET_TEXT_LENGTH + 1];

        ticket.key = 1;
        ticket.holder = ticket_holder_of(&signer, &ann, ticket.drop);
        issue(&ring, &ticket, text);
        assert_int_equal(ticket_check(&signer, &ring, text, TICKET_TEXT_LENGTH, ticket.drop, &ann,
                                      1, ticket.expires_s - 1, &back),
                         TICKET_GOOD);
        assert_true(back.drop == ticket.drop && back.number == ticket.number && back.key == 1 &&
                    back.issued_s == ticket.issued_s && back.expires_s == ticket.expires_s);
        issue(&ring, &back, again);
        assert_string_equal(again, text);
    }
}

static void the_layout_is_fixed(void **state)
{
    struct ticket_ring ring = ring_of(1);
    struct ticket ticket = ticket_for(&ann, 1);
    char text[TICKET_TEXT_LENGTH + 1];

    (void)state;
    issue(&ring, &ticket, text);
    assert_memory_equal(text, "qt_AQEAAAAAAAAATQAAEm", 21); /* 01 01 …4d 00001267 */
}

static void one_text_is_one_ticket(void **state)
{
    struct ticket_ring ring = ring_of(3);
    struct ticket ticket = ticket_for(&ann, 3);
    char text[TICKET_TEXT_LENGTH + 2] = {0};
    unsigned seen[TICKET_VERDICT_COUNT] = {0};

    (void)state;
    issue(&ring, &ticket, text);
    for (unsigned at = 0; at < TICKET_TEXT_LENGTH; at++) {
        char kept = text[at];

        for (unsigned byte = 1; byte < 256; byte++) {
            text[at] = (char)byte;
            if (text[at] != kept)
                seen[show(&ring, text, &ann, NOW_S)]++;
        }
        text[at] = kept;
    }
    assert_int_equal(seen[TICKET_GOOD], 0);
    assert_true(seen[TICKET_MALFORMED] > 0 && seen[TICKET_KEY_OVER] > 0 && seen[TICKET_FORGED] > 0);
    assert_int_equal(seen[TICKET_OTHER_DROP] + seen[TICKET_OTHER_HOLDER] + seen[TICKET_EXPIRED],
                     0); /* the signature comes first */
    assert_int_equal(show(&ring, text, &ann, NOW_S), TICKET_GOOD);
    text[TICKET_TEXT_LENGTH] = 'A';
    assert_int_equal(show(&ring, text, &ann, NOW_S), TICKET_MALFORMED);
    text[TICKET_TEXT_LENGTH - 1] = 0;
    assert_int_equal(show(&ring, text, &ann, NOW_S), TICKET_MALFORMED);
    assert_int_equal(show(&ring, "", &ann, NOW_S), TICKET_MALFORMED);
}

static void tickets_are_their_drops_and_holders(void **state)
{
    struct ticket_ring ring = ring_of(1);
    struct ticket ticket = ticket_for(&ann, 1);
    const struct principal both[3] = {bob, ann, bob};
    struct ticket back = {.number = 0};
    char text[TICKET_TEXT_LENGTH + 1];

    (void)state;
    issue(&ring, &ticket, text);
    assert_int_equal(show(&ring, text, &bob, NOW_S), TICKET_OTHER_HOLDER);
    assert_int_equal(
        ticket_check(&signer, &ring, text, TICKET_TEXT_LENGTH, DROP, both, 3, NOW_S, &back),
        TICKET_GOOD); /* Bob, who was Ann as a guest */
    assert_int_equal(
        ticket_check(&signer, &ring, text, TICKET_TEXT_LENGTH, DROP, NULL, 0, NOW_S, &back),
        TICKET_OTHER_HOLDER);
    memset(&back, 0, sizeof(back));
    assert_int_equal(
        ticket_check(&signer, &ring, text, TICKET_TEXT_LENGTH, DROP + 1, &ann, 1, NOW_S, &back),
        TICKET_OTHER_DROP);
    assert_int_equal(back.number, 4711);
}

/* One whose hash is Ann's but for one bit. */
static void all_of_the_holders_hash_counts(void **state)
{
    struct ticket_ring ring = ring_of(1);
    char text[TICKET_TEXT_LENGTH + 1];

    (void)state;
    for (unsigned bit = 0; bit < 8 * TICKET_HOLDER_BYTES; bit++) {
        struct ticket ticket = ticket_for(&ann, 1);

        ticket.holder.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        issue(&ring, &ticket, text);
        assert_int_equal(show(&ring, text, &ann, NOW_S), TICKET_OTHER_HOLDER);
    }
}

/* Even one that is signed. */
static void another_version_is_no_ticket(void **state)
{
    enum { BYTES = TICKET_CLAIM_BYTES + TICKET_MAC_BYTES };
    struct ticket_ring ring = ring_of(1);
    struct ticket ticket = ticket_for(&ann, 1);
    uint8_t bytes[TICKET_SALT_BYTES + BYTES];
    char text[TICKET_TEXT_LENGTH + 1];

    (void)state;
    issue(&ring, &ticket, text);
    for (uint8_t version = 0; version < 3; version++) {
        memcpy(bytes, ring.keys[0].salt, TICKET_SALT_BYTES);
        assert_true(base64url_decode(text + 3, BYTES, bytes + TICKET_SALT_BYTES));
        bytes[TICKET_SALT_BYTES] = version;
        secrets_mac(&secrets, "queue-ticket", bytes, TICKET_SALT_BYTES + TICKET_CLAIM_BYTES,
                    bytes + TICKET_SALT_BYTES + TICKET_CLAIM_BYTES);
        base64url_encode(bytes + TICKET_SALT_BYTES, BYTES, text + 3);
        assert_int_equal(show(&ring, text, &ann, NOW_S),
                         version == TICKET_VERSION ? TICKET_GOOD : TICKET_MALFORMED);
    }
}

static void holders_are_not_to_be_recognised(void **state)
{
    struct ticket_holder here = ticket_holder_of(&signer, &ann, DROP);
    struct ticket_holder there = ticket_holder_of(&signer, &ann, DROP + 1);

    (void)state;
    assert_memory_not_equal(here.bytes, there.bytes, TICKET_HOLDER_BYTES);
    assert_memory_not_equal(here.bytes, ann.bytes, TICKET_HOLDER_BYTES);
}

static void another_stores_tickets_are_forged(void **state)
{
    static struct secrets other_secrets = {.secret = {1, 2, 4}};
    const struct ticket_signer other = {.self = &other_secrets, .mac = secrets_mac};
    struct ticket_ring ring = ring_of(1);
    struct ticket_ring other_ring = ring_of(1);
    struct ticket ticket = ticket_for(&ann, 1);
    char text[TICKET_TEXT_LENGTH + 1];

    (void)state;
    assert_true(ticket_issue(&other, &ring, &ticket, NOW_S, text));
    assert_int_equal(show(&ring, text, &ann, NOW_S), TICKET_FORGED);
    other_ring.keys[0].salt[TICKET_SALT_BYTES - 1] ^= 1;
    issue(&other_ring, &ticket, text);
    assert_int_equal(show(&ring, text, &ann, NOW_S), TICKET_FORGED);
}

static void tickets_end(void **state)
{
    struct ticket_ring ring = ring_of(1);
    struct ticket ticket = ticket_for(&ann, 1);
    char text[TICKET_TEXT_LENGTH + 1];

    (void)state;
    issue(&ring, &ticket, text);
    assert_int_equal(show(&ring, text, &ann, NOW_S + LIFE_S - 1), TICKET_GOOD);
    assert_int_equal(show(&ring, text, &ann, NOW_S + LIFE_S), TICKET_EXPIRED);
    /* A clock that was set back by an hour voids nothing. */
    assert_int_equal(show(&ring, text, &ann, NOW_S - 3600), TICKET_GOOD);
}

static void old_keys_count_as_long_as_their_tickets(void **state)
{
    struct ticket_ring ring = ring_of(1);
    struct ticket ticket = ticket_for(&ann, 1);
    const uint8_t salt[TICKET_SALT_BYTES] = {42};
    char text[TICKET_TEXT_LENGTH + 1];
    char again[TICKET_TEXT_LENGTH + 1];

    (void)state;
    issue(&ring, &ticket, text);
    assert_true(ticket_ring_rotate(&ring, salt, NOW_S + 100, LIFE_S));
    assert_int_equal(ticket_ring_current(&ring)->id, 2);
    assert_int_equal(show(&ring, text, &ann, NOW_S + LIFE_S - 1), TICKET_GOOD);
    issue(&ring, &ticket, again); /* who asks again gets what they had */
    assert_string_equal(again, text);
    assert_int_equal(show(&ring, text, &ann, NOW_S + LIFE_S + 99), TICKET_EXPIRED);
    assert_int_equal(show(&ring, text, &ann, NOW_S + LIFE_S + 100), TICKET_KEY_OVER);
    assert_false(ticket_issue(&signer, &ring, &ticket, NOW_S + LIFE_S + 100, again));
    ticket.key = 3;
    assert_false(ticket_issue(&signer, &ring, &ticket, NOW_S, again));
}

static void a_revoked_key_ends_its_tickets_at_once(void **state)
{
    struct ticket_ring ring = ring_of(3);
    struct ticket tickets[2] = {ticket_for(&ann, 2), ticket_for(&ann, 3)};
    char texts[2][TICKET_TEXT_LENGTH + 1];

    (void)state;
    issue(&ring, &tickets[0], texts[0]);
    issue(&ring, &tickets[1], texts[1]);
    assert_false(ticket_ring_revoke(&ring, 3)); /* it signs */
    assert_false(ticket_ring_revoke(&ring, 9));
    assert_true(ticket_ring_revoke(&ring, 2));
    assert_false(ticket_ring_revoke(&ring, 2));
    assert_int_equal(show(&ring, texts[0], &ann, NOW_S), TICKET_KEY_OVER);
    assert_int_equal(show(&ring, texts[1], &ann, NOW_S), TICKET_GOOD);
    assert_int_equal(ring.count, 2);
}

static void the_ring_is_bounded(void **state)
{
    struct ticket_ring ring = ring_of(TICKET_KEYS_MAX);
    struct ticket_ring before = ring;
    const uint8_t salt[TICKET_SALT_BYTES] = {7};

    (void)state;
    assert_false(ticket_ring_rotate(&ring, salt, NOW_S, LIFE_S));
    assert_memory_equal(&ring, &before, sizeof(ring));
    assert_true(ticket_ring_rotate(&ring, salt, NOW_S + LIFE_S, LIFE_S));
    assert_int_equal(ring.count, 2); /* the one before, and the new one */
    assert_null(ticket_ring_current(&(struct ticket_ring){.count = 0}));
}

/* IDs begin again behind 255, and never is one there twice. */
static void a_key_that_is_long_gone_does_not_come_back(void **state)
{
    struct ticket_ring ring = ring_of(1);
    struct ticket ticket = ticket_for(&ann, 1);
    char text[TICKET_TEXT_LENGTH + 1];
    int64_t now_s = NOW_S;
    unsigned ones = 0;

    (void)state;
    ticket.expires_s = (1LL << 48) - 1;
    issue(&ring, &ticket, text);
    for (unsigned i = 1; i < 600; i++) {
        const uint8_t salt[TICKET_SALT_BYTES] = {(uint8_t)i, (uint8_t)(i >> 8)};

        now_s += LIFE_S / 4;
        assert_true(ticket_ring_rotate(&ring, salt, now_s, LIFE_S));
        for (unsigned j = 0; j < ring.count; j++) {
            assert_int_not_equal(ring.keys[j].id, 0);
            for (unsigned k = 0; k < j; k++)
                assert_int_not_equal(ring.keys[j].id, ring.keys[k].id);
        }
        if (ticket_ring_find(&ring, 1, now_s) != NULL && i > 10) {
            ones++;
            assert_int_equal(show(&ring, text, &ann, now_s), TICKET_FORGED);
        }
    }
    assert_true(ones > 0);
}

/* The first key is kept while all IDs are used up behind it, each revoked at once. */
static void no_two_keys_have_one_id(void **state)
{
    struct ticket_ring ring = ring_of(1);

    (void)state;
    for (unsigned i = 0; i < 600; i++) {
        const uint8_t salt[TICKET_SALT_BYTES] = {(uint8_t)i, (uint8_t)(i >> 8)};

        assert_true(ticket_ring_rotate(&ring, salt, NOW_S, LIFE_S));
        assert_int_equal(ring.count, i == 0 ? 2 : 3);
        assert_int_not_equal(ticket_ring_current(&ring)->id, 1);
        if (i > 0)
            assert_true(ticket_ring_revoke(&ring, ring.keys[1].id));
    }
    assert_int_equal(ring.keys[0].id, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tickets_come_back),
        cmocka_unit_test(the_layout_is_fixed),
        cmocka_unit_test(one_text_is_one_ticket),
        cmocka_unit_test(tickets_are_their_drops_and_holders),
        cmocka_unit_test(all_of_the_holders_hash_counts),
        cmocka_unit_test(another_version_is_no_ticket),
        cmocka_unit_test(holders_are_not_to_be_recognised),
        cmocka_unit_test(another_stores_tickets_are_forged),
        cmocka_unit_test(tickets_end),
        cmocka_unit_test(old_keys_count_as_long_as_their_tickets),
        cmocka_unit_test(a_revoked_key_ends_its_tickets_at_once),
        cmocka_unit_test(the_ring_is_bounded),
        cmocka_unit_test(no_two_keys_have_one_id),
        cmocka_unit_test(a_key_that_is_long_gone_does_not_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
