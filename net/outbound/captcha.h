/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a person solved the captcha: one adapter for Turnstile and hCaptcha, whose `siteverify`
 * calls are alike: a form (secret, response, remoteip), answered by JSON with `success`,
 * `hostname`, `challenge_ts`, `error-codes`, and from Turnstile `action`. Fails closed: only an
 * answer that says yes to our very question passes.
 *
 * Turnstile: developers.cloudflare.com/turnstile/get-started/server-side-validation
 * hCaptcha:  docs.hcaptcha.com, "Verify the User Response Server Side" */
#ifndef STAMPEDE_CAPTCHA_H
#define STAMPEDE_CAPTCHA_H

#include "engine.h"

enum {
    CAPTCHA_TIMEOUT_MS = 5000,
    CAPTCHA_TOKEN_MAX = 8192, /* hCaptcha's may be some KiB; Turnstile's is at most 2048 */
    CAPTCHA_SECRET_MAX = 200,
    CAPTCHA_BODY_MAX = 3 * (CAPTCHA_TOKEN_MAX + CAPTCHA_SECRET_MAX) + 200,
    CAPTCHA_ANSWER_MAX = 8192,
    CAPTCHA_AGE_MS_MAX = 5 * 60 * 1000, /* both services' own bound of a token */
    CAPTCHA_CLOCK_MS_MAX = 60 * 1000,   /* so far ahead may the service's clock be */
};

/* Constant while serving. */
struct captcha_settings {
    const char *url; /* of siteverify */
    const char *secret;
    const char *hostname; /* that the page with the widget was on; "": any */
    const char *action;   /* that the widget was made for (Turnstile); "": any */
};

enum captcha_verdict {
    CAPTCHA_PASSED,
    CAPTCHA_FAILED,      /* the service, or our own look at its answer, says no */
    CAPTCHA_UNAVAILABLE, /* no answer, or none that can be read: also no, but not the client's doing
                          */
};

struct captcha_check;
typedef void (*captcha_done)(struct captcha_check *check, enum captcha_verdict verdict,
                             const char *reason);

struct captcha_check {
    struct engine_outbound outbound;
    const struct captcha_settings *settings;
    captcha_done done;
    void *user;
    char body[CAPTCHA_BODY_MAX];
    char answer[CAPTCHA_ANSWER_MAX];
};

/* Asks. True: `done` is called on the shard's thread, with a static reason (no private data),
 * within CAPTCHA_TIMEOUT_MS and a turn. The caller owns `check` until then, and sets `settings`,
 * `done` and `user` before. False: not asked, and `refusal_out` is FAILED (the token is none) or
 * UNAVAILABLE (too much is waiting). `remote_ip` is the client's address as text, or NULL. */
bool captcha_check_submit(struct shard *shard, struct captcha_check *check, struct slice token,
                          const char *remote_ip, enum captcha_verdict *refusal_out);

/* Judges an answer: the pure part. `now_wall_ms` is the time now. */
enum captcha_verdict captcha_judge(const struct captcha_settings *settings,
                                   const struct outbound_job *job, int64_t now_wall_ms,
                                   const char **reason_out);

#endif
