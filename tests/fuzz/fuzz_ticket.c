/* SPDX-License-Identifier: Apache-2.0 */
/* Queue tickets: any bytes shown as one are good only if they are what was issued, and what was
 * issued is good for its drop and holder and until its end.
 *
 * Input: 8 bytes of how the ring and the ticket are; then the text that is shown, which begins with
 * a byte of how it is made: as it stands, or the issued one with changes (place, byte). */
#include "fuzz.h"

#include <assert.h>
#include <string.h>

#include "hash.h"
#include "ticket.h"

enum { NOW_S = 1000000, LIFE_S = 1000, TEXT_MAX = 200 };

/* SipHash under a key of ours: enough for bytes that nobody chose to collide. */
static void mac(void *self, const char *purpose, const void *bytes, size_t length,
                uint8_t mac_out[TICKET_MAC_BYTES])
{
    const struct hash_key key = {{*(const uint64_t *)self, strlen(purpose)}};
    struct hash128 hash = hash_bytes_128(&key, bytes, length);

    memcpy(mac_out, &hash, TICKET_MAC_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint64_t secret = 42;
    const struct ticket_signer signer = {.self = &secret, .mac = mac};
    struct ticket_ring ring = {.count = 0};
    struct principal holders[2] = {{{1}}, {{2}}};
    char issued[TICKET_TEXT_LENGTH + 1];
    char text[TEXT_MAX];
    size_t length;

    if (size < 9)
        return 0;
    for (unsigned i = 0; i <= data[0] % TICKET_KEYS_MAX; i++) {
        const uint8_t salt[TICKET_SALT_BYTES] = {(uint8_t)i};
        assert(ticket_ring_rotate(&ring, salt, NOW_S, LIFE_S));
    }
    struct ticket ticket = {
        .drop = data[1],
        .number = 1 + data[2],
        .key = ring.keys[data[3] % ring.count].id,
        .holder = ticket_holder_of(&signer, &holders[data[4] % 2], data[1]),
        .issued_s = NOW_S,
        .expires_s = NOW_S + data[5],
    };
    assert(ticket_issue(&signer, &ring, &ticket, NOW_S, issued));

    data += 8;
    size -= 8;
    if (data[0] % 2 == 0) {
        length = size - 1 < TEXT_MAX ? size - 1 : TEXT_MAX;
        memcpy(text, data + 1, length);
    } else {
        length = TICKET_TEXT_LENGTH;
        memcpy(text, issued, length);
        for (size_t i = 1; i + 1 < size; i += 2)
            text[data[i] % length] = (char)data[i + 1];
    }
    bool is_issued = length == TICKET_TEXT_LENGTH && memcmp(text, issued, length) == 0;
    for (unsigned i = 0; i < 3; i++) { /* as the one, as the other, as both */
        struct ticket back = {.number = 0};
        enum ticket_verdict verdict =
            ticket_check(&signer, &ring, text, length, ticket.drop, &holders[i % 2], i == 2 ? 2 : 1,
                         NOW_S + 100, &back);
        bool is_holder = i == 2 || memcmp(ticket.holder.bytes,
                                          ticket_holder_of(&signer, &holders[i], ticket.drop).bytes,
                                          TICKET_HOLDER_BYTES) == 0;

        assert(verdict < TICKET_VERDICT_COUNT);
        if (!is_issued)
            assert(verdict == TICKET_MALFORMED || verdict == TICKET_KEY_OVER ||
                   verdict == TICKET_FORGED);
        else if (!is_holder)
            assert(verdict == TICKET_OTHER_HOLDER);
        else
            assert(verdict == (ticket.expires_s > NOW_S + 100 ? TICKET_GOOD : TICKET_EXPIRED));
        assert((back.number != 0) == is_issued && (!is_issued || back.number == ticket.number));
        verdict =
            ticket_check(&signer, &ring, text, length, ticket.drop + 1, holders, 2, NOW_S, &back);
        assert((verdict == TICKET_OTHER_DROP) == is_issued && verdict != TICKET_GOOD);
    }
    return 0;
}
