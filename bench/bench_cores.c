/* SPDX-License-Identifier: Apache-2.0 */
/* How near the first two cores come to each other (cores.h).
 *
 *   cores/round_trip   of a cache line, in ns: the nearest in ten seconds (quick: two)
 *
 *   bench_cores            prints the row
 *   bench_cores --wait     waits until the cores are near, at most 20 s: exit status 0 if so
 *   bench_cores --near     exit status 0 if they are */
#include <string.h>

#include "bench.h"
#include "cores.h"

enum { SEARCH_MS = 10000 };

int main(int argc, char **argv)
{
    uint64_t budget_ms = CORES_WAIT_MS_MAX;

    bench_begin(&argc, argv);
    if (argc > 1 && strcmp(argv[1], "--wait") == 0) {
        cores_wait(&budget_ms);
        return budget_ms > 0 ? 0 : 1;
    }
    if (argc > 1 && strcmp(argv[1], "--near") == 0)
        return cores_are_near() ? 0 : 1;
    bench_report_figure("cores/round_trip", "ns", (double)cores_nearest_ns(bench_scale(SEARCH_MS)),
                        NULL);
    return 0;
}
