/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger's file: lines that are only ever added. What was appended is kept in memory until
 * psp_ledger_flush has written and synced it; no answer leaves before that. One process at a time
 * (a lock on the file); one thread. */
#ifndef STAMPEDE_PSP_LEDGER_H
#define STAMPEDE_PSP_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct psp_ledger;

/* Called with every whole line of the file, without its end. False: stop, the ledger is damaged. */
typedef bool (*psp_ledger_line)(void *user, const char *line, size_t length, uint64_t offset);

enum psp_ledger_result {
    PSP_LEDGER_OPENED,
    PSP_LEDGER_REFUSED, /* no such folder, locked, no permission */
    PSP_LEDGER_DAMAGED, /* `on_line` said so */
    PSP_LEDGER_NO_DISK,
};

/* Opens or makes the file, gives its lines, and cuts off a last line without its end: nobody was
 * answered by it. `error` gets a line for people; for DAMAGED only if it is still empty. */
enum psp_ledger_result psp_ledger_open(const char *path, psp_ledger_line on_line, void *user,
                                       struct psp_ledger **ledger_out, char *error,
                                       size_t error_size);

/* Adds a line (with its end); where it begins. */
uint64_t psp_ledger_append(struct psp_ledger *ledger, const char *line, size_t length);

/* Whether anything waits to be flushed. */
bool psp_ledger_is_dirty(const struct psp_ledger *ledger);

/* Writes and syncs. False: it failed, and nothing that depends on it may be told; errno says why.
 */
bool psp_ledger_flush(struct psp_ledger *ledger);

/* The line at this offset, flushed or not, without its end; valid until the next call of any
 * function here. NULL: it cannot be read. */
const char *psp_ledger_read(struct psp_ledger *ledger, uint64_t offset, size_t *length_out);

void psp_ledger_close(struct psp_ledger *ledger);

#endif
