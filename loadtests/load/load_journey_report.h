/* SPDX-License-Identifier: Apache-2.0 */
/* What the journeys of a run came to, for people and for programs. */
#ifndef LOAD_JOURNEY_REPORT_H
#define LOAD_JOURNEY_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "load_journey.h"
#include "load_proof.h"

void load_journey_report_print(const struct load_journeys *journeys,
                               const struct load_verdict *verdict, bool is_proved, FILE *output);

/* One JSON object on one line. False when memory is short. */
bool load_journey_report_print_json(const struct load_journeys *journeys,
                                    const struct load_verdict *verdict, bool is_proved,
                                    FILE *output);

/* A line of the last second, which it ends. `confirmed` is what the line before gave; the new count
 * is given back. */
uint64_t load_journey_report_progress(struct load_journeys *journeys, uint64_t confirmed,
                                      FILE *output);

#endif
