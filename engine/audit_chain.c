/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log's chains (actors/audit.h). An actor leaves entries among its records; here they get
 * number and hash, and the partition's head is written behind them: in the same batch as the act.
 * All entries of a partition are made by its shard, and its batches are committed in their order,
 * so the chain in memory is the chain on disk; when a commit fails, the engine ends. */
#include "engine_private.h"

#include <string.h>

static void head_mac(const struct engine *engine, uint32_t partition,
                     const struct audit_head_record *head, uint8_t mac_out[AUDIT_MAC_BYTES])
{
    const struct secrets_port *secrets = &engine->ports.secrets;
    uint8_t bytes[AUDIT_HEAD_PACKED_BYTES];

    _Static_assert((int)AUDIT_MAC_BYTES == (int)MAC_BYTES, "the port's MAC is stored");
    audit_head_pack(head, partition, bytes);
    secrets->mac(secrets->self, AUDIT_HEAD_PURPOSE, bytes, sizeof(bytes), mac_out);
}

static void seal(const struct engine *engine, struct record *record, const struct record *product,
                 struct audit_head_record *head)
{
    const struct secrets_port *secrets = &engine->ports.secrets;
    struct audit_value *after = &record->audit.after;
    uint8_t bytes[AUDIT_LINK_BYTES_MAX];
    size_t length;

    if (after->kind == AUDIT_VALUE_DIGEST && after->length == 0) {
        assert(product != NULL);
        secrets->digest(record_document(product), product->product.document_length, after->bytes);
        after->length = AUDIT_HASH_BYTES;
    }
    record->sequence = ++head->sequence;
    length =
        audit_link_pack(&record->audit, record->partition, record->sequence, head->hash, bytes);
    secrets->digest(bytes, length, record->audit.hash);
    memcpy(head->hash, record->audit.hash, AUDIT_HASH_BYTES);
}

void audit_chain_seal(struct shard *shard, uint32_t partition, uint32_t records_before)
{
    struct effects *effects = &shard->effects;
    struct audit_head_record *head = &shard->engine->audit_heads[partition];
    const struct record *product = NULL;
    struct record *record;
    uint32_t sealed = 0;

    for (uint32_t at = records_before; at < effects->records->used; at += record->size) {
        record = (struct record *)(void *)(effects->records->bytes + at);
        if (record->kind == RECORD_PRODUCT)
            product = record;
        if (record->kind != RECORD_AUDIT)
            continue;
        assert(record->partition == partition);
        seal(shard->engine, record, product, head);
        sealed++;
    }
    assert(sealed == effects->audit_count);
    effects->audit_count = 0;
    head_mac(shard->engine, partition, head, head->mac);
    effects_record(effects, RECORD_AUDIT_HEAD, partition, 0, 0)->audit_head = *head;
}

bool audit_chain_restore(struct engine *engine, const struct record *record)
{
    uint8_t mac[AUDIT_MAC_BYTES];

    head_mac(engine, record->partition, &record->audit_head, mac);
    if (memcmp(mac, record->audit_head.mac, sizeof(mac)) != 0)
        return false;
    if (!MUTANT(AUDIT_BEGINS_ANEW))
        engine->audit_heads[record->partition] = record->audit_head;
    return true;
}
