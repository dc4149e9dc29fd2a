/* SPDX-License-Identifier: Apache-2.0 */
#include "api/stock_watch.h"

#include "api/log.h"

void stock_watch_turn(struct api_shard *shard)
{
    static const char *const against[] = {[STOCK_FINDING_GATE] = "gate",
                                          [STOCK_FINDING_HOLDS] = "holds",
                                          [STOCK_FINDING_LEDGER] = "ledger"};
    struct stock_finding finding;
    struct log_line line;

    while (shard_stock_finding(shard->shard, &finding)) {
        const struct sku_entry *sku =
            directory_find_sku_id(shard_directory(shard->shard), finding.sku_id);

        log_begin(&line, LOG_ERROR, "inventory_mismatch", shard->now.wall_ms);
        log_bytes(&line, "sku", sku->sku, sku->sku_length);
        log_text(&line, "against", against[finding.kind]);
        if (finding.kind == STOCK_FINDING_LEDGER) {
            log_number(&line, "stock", finding.found);
            log_number(&line, "ledger_stock", finding.expected);
            log_number(&line, "sold", finding.found_sold);
            log_number(&line, "ledger_sold", finding.expected_sold);
        } else if (finding.kind == STOCK_FINDING_GATE) {
            log_number(&line, "available", finding.expected);
            log_number(&line, "gate", finding.found);
        } else {
            log_number(&line, "reserved", finding.found);
        }
        log_end(&line);
    }
}
