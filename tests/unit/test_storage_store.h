/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of a store on disk: a store in a folder that goes away, commits of holds, and
 * bodies that run in a process of their own until it is killed. */
#ifndef STAMPEDE_TEST_STORAGE_STORE_H
#define STAMPEDE_TEST_STORAGE_STORE_H

#include "test_sample.h"
#include "test_storage_support.h"

#include <signal.h>
#include <sys/wait.h>

#include "storage.h"
#include "watermark_file.h"

enum { PARTITIONS = 8, WRITE_BUFFER_BYTES = 1 << 20 };

struct fixture {
    struct test_folder folder;
    struct test_batch batch;
    uint64_t write_buffer_bytes; /* 0: WRITE_BUFFER_BYTES */
    struct storage *storage;
    struct storage_info info;
    struct journal_port journal;
    struct watermark_port watermark;
    struct secrets_port secrets;
    struct test_outcome seen;
    char error[STORAGE_ERROR_BYTES];
    char logged[1024];
};

static inline void keep_log(void *arg, const char *line)
{
    struct fixture *fixture = arg;

    snprintf(fixture->logged, sizeof(fixture->logged), "%s", line);
}

static inline struct storage_options options_for(struct fixture *fixture)
{
    struct storage_options options = storage_options_default(fixture->folder.path);

    options.partitions = PARTITIONS;
    options.write_buffer_bytes = fixture->write_buffer_bytes;
    if (options.write_buffer_bytes == 0)
        options.write_buffer_bytes = WRITE_BUFFER_BYTES;
    options.ballast_bytes = 4096;
    options.low_water_bytes = 4096;
    options.log = keep_log;
    options.log_arg = fixture;
    return options;
}

static inline int try_open(struct fixture *fixture)
{
    struct storage_options options = options_for(fixture);

    fixture->error[0] = '\0';
    if (storage_open(&options, &fixture->storage, fixture->error, sizeof(fixture->error)) != 0) {
        assert_null(strchr(fixture->error, '\n'));
        return -1;
    }
    storage_info_get(fixture->storage, &fixture->info);
    storage_ports_get(fixture->storage, &fixture->journal, &fixture->watermark, &fixture->secrets);
    return 0;
}

static inline void reopen(struct fixture *fixture)
{
    if (try_open(fixture) != 0)
        fail_msg("%s", fixture->error);
}

static inline void fixture_make(struct fixture *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    test_folder_make(&fixture->folder);
    test_batch_make(&fixture->batch);
    reopen(fixture);
}

static inline void fixture_free(struct fixture *fixture)
{
    test_batch_free(&fixture->batch);
    test_folder_remove(&fixture->folder);
}

static inline void assert_refused(struct fixture *fixture, const char *text)
{
    assert_int_equal(try_open(fixture), -1);
    if (strstr(fixture->error, text) == NULL)
        fail_msg("the error does not say '%s': %s", text, fixture->error);
}

/* Commit `number`: `count` holds, whose sequences follow from it. */
static inline enum commit_outcome commit_holds(struct fixture *fixture, uint64_t number,
                                               uint32_t count)
{
    test_batch_empty(&fixture->batch);
    for (uint32_t i = 0; i < count; i++)
        test_hold(&fixture->batch, i % PARTITIONS, number * 100000 + i, HOLD_HELD, 7, 1);
    fixture->seen.count = 0;
    fixture->journal.commit(fixture->journal.self, test_batch_close(&fixture->batch, number),
                            test_done, &fixture->seen);
    assert_int_equal(fixture->seen.count, 1);
    if (fixture->seen.outcome == COMMIT_OK)
        fixture->watermark.advance(fixture->watermark.self, number);
    return fixture->seen.outcome;
}

static inline bool count_record(void *arg, const struct record *record)
{
    (void)record;
    ++*(uint64_t *)arg;
    return true;
}

static inline uint64_t load_all(struct fixture *fixture)
{
    uint64_t count = 0;

    for (uint32_t partition = 0; partition < PARTITIONS; partition++)
        assert_true(fixture->journal.load(fixture->journal.self, partition, count_record, &count));
    return count;
}

/* Runs a body, by its name, in a process that then dies without closing anything. A process of
 * its own program: RocksDB's threads do not survive a fork. */
static inline void in_a_killed_process(struct fixture *fixture, const char *body)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        execl("/proc/self/exe", "body", body, fixture->folder.path, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* A new store whose server ran the body and was killed. */
static inline void killed_store(struct fixture *fixture, const char *body)
{
    fixture_make(fixture);
    storage_close(fixture->storage);
    in_a_killed_process(fixture, body);
}

/* What a process to be killed does, by name. */
struct test_body {
    const char *name;
    void (*run)(struct fixture *fixture);
};

/* main() of such a process: runs the body called `name` on the folder `path`, and dies. */
static inline int body_run(const struct test_body *bodies, size_t count, const char *name,
                           const char *path)
{
    static struct fixture fixture;

    alarm(60);
    snprintf(fixture.folder.path, sizeof(fixture.folder.path), "%s", path);
    test_batch_make(&fixture.batch);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(bodies[i].name, name) == 0)
            bodies[i].run(&fixture);
    }
    return kill(getpid(), SIGKILL);
}

#endif
