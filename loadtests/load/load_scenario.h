/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scenarios: set up what a run needs on the target, drive it, judge it, report it. To add one:
 * a name in load_options, its SKUs in skus_choose (load_scenario.c), and what it expects beyond
 * the proof in scenario_check there; or, when it drives the loop itself, a file beside load_sale.c.
 */
#ifndef LOAD_SCENARIO_H
#define LOAD_SCENARIO_H

#include <signal.h>
#include <stdbool.h>

#include "load_admin.h"
#include "load_answers.h"
#include "load_client.h"
#include "load_options.h"

/* What every scenario stands on. */
struct load_scene {
    const struct load_options *options;
    struct load_address address;
    struct load_admin admin;
    struct load_buyers buyers;
    const volatile sig_atomic_t *stop;
};

/* Each gives an enum load_exit; on a failure one line has been printed to standard error. */
int load_scene_open(struct load_scene *scene, const struct load_options *options,
                    const volatile sig_atomic_t *stop);
void load_scene_close(struct load_scene *scene);

/* reserve, spread, soldout */
int load_scenario_run(struct load_scene *scene);

/* sale */
int load_sale_run(struct load_scene *scene);

/* journey */
int load_journey_run(struct load_scene *scene);

/* availability */
int load_streams_run(struct load_scene *scene);

/* Prints the admin connection's error: LOAD_EXIT_UNREACHABLE, or `otherwise` where the target did
 * answer (before the run LOAD_EXIT_SETUP, after it LOAD_EXIT_VERDICT). */
int load_scene_admin_failed(const struct load_scene *scene, enum load_exit otherwise);

/* Prints that the connections or the memory of a run are not to be had. */
int load_scene_no_memory(void);

/* Prints that the target cannot be connected to. */
int load_scene_unreachable(const struct load_scene *scene, int error);

#endif
