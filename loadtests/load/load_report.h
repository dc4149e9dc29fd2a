/* SPDX-License-Identifier: Apache-2.0 */
/* What a run found, for people and for programs. */
#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "load_options.h"
#include "load_proof.h"
#include "load_run.h"

enum {
    LOAD_CPU_BYTES_MAX = 128,
    LOAD_KERNEL_BYTES_MAX = 128,
    LOAD_NUMBER_BYTES_MAX = 32,
};

/* The machine that this tool runs on; on loopback the server's too. */
struct load_machine {
    char cpu[LOAD_CPU_BYTES_MAX];
    char kernel[LOAD_KERNEL_BYTES_MAX];
    long cores;
};

/* What only the sale has. Times since the start of the sale; 0 where it did not happen. */
struct load_sale_result {
    double capacity_per_second;
    int64_t units;
    int64_t sold;
    int64_t oversold;
    bool killed; /* the connection was lost during the sale */
    uint64_t lost_at_ns;
    uint64_t back_at_ns; /* the first 201 after it */
    int64_t units_left_at_loss;
    int64_t acknowledged_before_loss;
    int64_t acknowledged_lost;
    int64_t lapsed;
    int64_t orders; /* paid */
    int64_t revenue_minor;
    uint64_t declined; /* cards; the buyers had others */
    double commits;    /* since the server's last start */
    double commit_records;
};

struct load_report {
    const struct load_options *options;
    const struct load_run *run;
    const struct load_verdict *verdict;
    const struct load_proof_totals *totals; /* NULL: not proved */
    const struct load_sale_result *sale;    /* NULL: another scenario */
    struct load_machine machine;
};

void load_machine_read(struct load_machine *machine_out);

/* "12,345". Gives `target`. */
char *load_number_format(uint64_t value, char target[LOAD_NUMBER_BYTES_MAX]);

/* "0.412 ms", "3.2 s": for people. Gives `target`. */
char *load_latency_format(uint64_t value_ns, char target[LOAD_NUMBER_BYTES_MAX]);

/* Parts of a report, for other reports. The document is yyjson's. */
struct yyjson_mut_doc;
struct yyjson_mut_val;
void load_report_print_checks(const struct load_verdict *verdict, FILE *output);
void load_report_add_latencies(struct yyjson_mut_doc *document, struct yyjson_mut_val *object,
                               const char *name, const struct load_histogram *histogram);
/* The checks, the verdict and the machine. */
void load_report_add_verdict(struct yyjson_mut_doc *document, struct yyjson_mut_val *root,
                             const struct load_verdict *verdict);
/* Prints the document as a line, and frees it. False when memory is short. */
bool load_report_write_json(struct yyjson_mut_doc *document, FILE *output);

void load_report_print(const struct load_report *report, FILE *output);

/* One JSON object on one line. False when memory is short. */
bool load_report_print_json(const struct load_report *report, FILE *output);

/* The counters as they were at the last progress line; zeroed before the first. */
struct load_progress {
    uint64_t arrivals;
    uint64_t settled;
};

/* Prints what has happened since the last line and begins a new interval. */
void load_report_progress(struct load_run *run, struct load_progress *progress, FILE *output);

#endif
