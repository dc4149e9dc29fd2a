/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: one table gives names, bounds, defaults and the help. */
#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "load_schedule.h"

enum {
    LOAD_HOST_BYTES_MAX = 256,
    LOAD_SKU_BYTES_MAX = 64, /* the contract's bound */
    LOAD_ADMIN_KEY_BYTES_MAX = 512,
    LOAD_BUYERS_MAX = 1000000,
};

enum load_exit {
    LOAD_EXIT_OK = 0,
    LOAD_EXIT_VERDICT = 1,     /* the run ended, and something is wrong */
    LOAD_EXIT_USAGE = 2,       /* the command line */
    LOAD_EXIT_UNREACHABLE = 3, /* no connection to the target, or none any more */
    LOAD_EXIT_SETUP = 4,       /* the target answers, but the run cannot be set up on it */
};

enum load_scenario {
    LOAD_SCENARIO_RESERVE,
    LOAD_SCENARIO_SPREAD,
    LOAD_SCENARIO_SOLDOUT,
    LOAD_SCENARIO_SALE,
    LOAD_SCENARIO_JOURNEY,
    LOAD_SCENARIO_AVAILABILITY,
};

struct load_options {
    enum load_scenario scenario;
    bool help;
    bool version;

    const char *target;
    char host[LOAD_HOST_BYTES_MAX]; /* of the target, without brackets */
    char port[6];
    char authority[LOAD_HOST_BYTES_MAX + 8]; /* as the Host header wants it */
    const char *admin_key_text;
    const char *admin_key_file;
    char admin_key[LOAD_ADMIN_KEY_BYTES_MAX]; /* empty: none was given */
    bool no_proof;

    uint32_t connections;
    uint32_t pipeline;
    uint32_t timeout_ms;
    uint32_t retries;
    uint32_t repeats;
    uint32_t backlog;
    uint32_t drain_seconds;

    bool closed;
    double rate;      /* 0: not given */
    const char *ramp; /* FROM:TO:SECONDS, NULL: not given */
    const char *ramp_shape;
    const char *arrivals;
    struct load_schedule_plan plan; /* what the five above say; not for closed loop or sale */
    double duration_seconds;        /* 0: none was given */
    uint64_t requests;              /* 0: no bound */

    uint32_t subscribers; /* availability: readers of a stream */
    uint32_t buyers;
    uint32_t quantity;
    const char *sku;
    uint32_t units;
    const char *skus_file;
    uint32_t products;
    uint32_t hold_ttl_ms;
    const char *shipping_method;
    const char *until; /* NULL: journeys are whole */
    const char *at_40_percent;
    const char *acknowledged_file; /* NULL: none is kept */

    uint64_t seed;
    bool json;
    bool progress;
};

/*
 * Reads the command line and what it names (the admin key's file, STAMPEDE_ADMIN_KEY). The texts
 * stay in argv. On a mistake prints one line to `errors` that says what is wrong and how to mend
 * it, and gives false.
 */
bool load_options_read(struct load_options *options, int argc, char **argv, FILE *errors);

void load_options_print_help(FILE *output);

const char *load_scenario_name(enum load_scenario scenario);

/* 1 to 64 of letters, digits, . _ - / : as the contract has it. */
bool load_sku_is_valid(const char *sku, size_t length);

#endif
