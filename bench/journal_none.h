/* SPDX-License-Identifier: Apache-2.0 */
/* The journal that keeps nothing, and a watermark that never moves: what the engine costs alone. */
#ifndef STAMPEDE_JOURNAL_NONE_H
#define STAMPEDE_JOURNAL_NONE_H

#include "ports.h"

static void none_commit(void *self, const struct journal_commit *commit, journal_commit_done done,
                        void *arg)
{
    (void)self;
    (void)commit;
    done(arg, COMMIT_OK);
}

static uint64_t none_last_commit(void *self)
{
    (void)self;
    return 0;
}

static bool none_load(void *self, uint32_t partition, journal_visit visit, void *arg)
{
    (void)self;
    (void)partition;
    (void)visit;
    (void)arg;
    return true;
}

static bool none_read(void *self, struct journal_read *read)
{
    (void)self;
    (void)read;
    return false;
}

static bool none_is_full(void *self)
{
    (void)self;
    return false;
}

static const struct journal_port none_port = {.commit = none_commit,
                                              .last_commit = none_last_commit,
                                              .load = none_load,
                                              .read = none_read,
                                              .is_full = none_is_full};

static uint64_t no_watermark_read(void *self)
{
    (void)self;
    return 0;
}

static void no_watermark_advance(void *self, uint64_t number)
{
    (void)self;
    (void)number;
}

#endif
