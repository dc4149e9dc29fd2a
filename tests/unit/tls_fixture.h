/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of TLS: one certificate for all tests of a program, and servers that have it. */
#ifndef STAMPEDE_TLS_FIXTURE_H
#define STAMPEDE_TLS_FIXTURE_H

#include "http_harness.h"

#include "http/http_tls.h"
#include "tls_client.h"

static struct pair_files files;
static struct http_tls *tls;

static inline int group_begin(void **state)
{
    (void)state;
    char error[HTTP_TLS_ERROR_MAX];
    pair_make(&files);
    tls = http_tls_create(files.certificate, files.key, error, sizeof error);
    return tls != NULL ? 0 : -1;
}

static inline int group_end(void **state)
{
    (void)state;
    http_tls_destroy(tls);
    pair_remove(&files);
    return 0;
}

static inline struct harness *started(void (*change)(struct http_options *options))
{
    struct harness *harness = harness_new();
    harness->options.tls = tls;
    harness->options.hsts_max_age_s = 31536000;
    if (change != NULL)
        change(&harness->options);
    harness_start(harness);
    return harness;
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

#define EACH_VERSION(i) for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++)

#endif
