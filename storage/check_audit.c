/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log's chains: every entry's hash follows from the one before it, none is missing, and
 * the newest is the one that the head was made for with the store's secret. Of a broken chain the
 * first entry that is wrong is named; what comes after it proves nothing. */
#include <inttypes.h>
#include <string.h>

#include "check_private.h"
#include "secrets_file.h"

struct chain {
    struct check *check;
    const struct secrets *secrets;
    uint32_t partition;
    uint64_t sequence; /* of the newest entry */
    uint8_t hash[AUDIT_HASH_BYTES];
    bool is_broken;
    bool has_head;
};

static bool visit_entry(void *arg, const struct record *record)
{
    struct chain *chain = arg;
    uint8_t bytes[AUDIT_LINK_BYTES_MAX];
    uint8_t hash[AUDIT_HASH_BYTES];

    chain->check->audit_count++;
    if (chain->is_broken)
        return true;
    if (record->sequence != chain->sequence + 1) {
        check_broken(chain->check,
                     "the audit log of partition %" PRIu32 " lacks entry %" PRIu64 ": %" PRIu64
                     " is next",
                     chain->partition, chain->sequence + 1, record->sequence);
        chain->is_broken = true;
        return true;
    }
    secrets_digest(
        bytes,
        audit_link_pack(&record->audit, chain->partition, record->sequence, chain->hash, bytes),
        hash);
    if (memcmp(hash, record->audit.hash, sizeof(hash)) != 0) {
        check_broken(chain->check,
                     "entry %" PRIu64 " of partition %" PRIu32 "'s audit log is not what was "
                     "entered, or not in its place",
                     record->sequence, chain->partition);
        chain->is_broken = true;
    }
    chain->sequence = record->sequence;
    memcpy(chain->hash, hash, sizeof(hash));
    return true;
}

static void check_head_mac(struct chain *chain, const struct audit_head_record *head)
{
    uint8_t bytes[AUDIT_HEAD_PACKED_BYTES];
    uint8_t mac[AUDIT_MAC_BYTES];

    audit_head_pack(head, chain->partition, bytes);
    secrets_mac((void *)(uintptr_t)chain->secrets, AUDIT_HEAD_PURPOSE, bytes, sizeof(bytes), mac);
    if (memcmp(mac, head->mac, sizeof(mac)) != 0)
        check_broken(chain->check,
                     "the head of partition %" PRIu32
                     "'s audit log was not made with this store's secret",
                     chain->partition);
}

static bool visit_head(void *arg, const struct record *record)
{
    struct chain *chain = arg;
    const struct audit_head_record *head = &record->audit_head;

    chain->has_head = true;
    check_head_mac(chain, head);
    if (chain->is_broken)
        return true;
    if (head->sequence > chain->sequence)
        check_broken(chain->check,
                     "the audit log of partition %" PRIu32 " ends with entry %" PRIu64
                     ", but entry %" PRIu64 " was its newest",
                     chain->partition, chain->sequence, head->sequence);
    else if (head->sequence < chain->sequence)
        check_broken(chain->check,
                     "entry %" PRIu64 " of partition %" PRIu32 "'s audit log was added behind its "
                     "end",
                     head->sequence + 1, chain->partition);
    else if (memcmp(head->hash, chain->hash, sizeof(chain->hash)) != 0)
        check_broken(chain->check,
                     "the audit log of partition %" PRIu32 " was rewritten up to its newest entry, "
                     "%" PRIu64,
                     chain->partition, chain->sequence);
    return true;
}

static void damaged(void *arg, const char *line)
{
    struct chain *chain = arg;

    check_broken(chain->check, "%s", line);
}

static void scan(struct chain *chain, enum record_kind kind, journal_visit visit)
{
    if (!journal_rocksdb_scan(chain->check->journal, kind, chain->partition, visit, damaged, chain))
        check_broken(chain->check, "the audit log of partition %" PRIu32 " cannot be read",
                     chain->partition);
}

/* One digest of all chains: noted elsewhere, it is what a forger with the secret can't make true.
 */
static void add_chain(struct check *check, const struct chain *chain)
{
    uint8_t bytes[AUDIT_HASH_BYTES + AUDIT_HEAD_PACKED_BYTES];
    struct audit_head_record head = {.sequence = chain->sequence};

    memcpy(head.hash, chain->hash, sizeof(head.hash));
    memcpy(bytes, check->audit_digest, AUDIT_HASH_BYTES);
    audit_head_pack(&head, chain->partition, bytes + AUDIT_HASH_BYTES);
    secrets_digest(bytes, sizeof(bytes), check->audit_digest);
}

void check_audit(struct check *check, const struct secrets *secrets)
{
    for (uint32_t i = 0; i < check->partitions; i++) {
        struct chain chain = {.check = check, .secrets = secrets, .partition = i};

        scan(&chain, RECORD_AUDIT, visit_entry);
        scan(&chain, RECORD_AUDIT_HEAD, visit_head);
        if (chain.sequence > 0 && !chain.has_head)
            check_broken(check, "the audit log of partition %" PRIu32 " has lost its head", i);
        if (chain.sequence > 0)
            add_chain(check, &chain);
    }
}
