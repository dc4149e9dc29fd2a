/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/captcha.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/json.h"
#include "outbound/form.h"

/* ---- the question ---- */

static void finish(struct engine_outbound *outbound)
{
    struct captcha_check *check = outbound->user;
    struct engine *engine = shard_engine(outbound->completion.shard);
    const char *reason;
    enum captcha_verdict verdict =
        captcha_judge(check->settings, &outbound->job, engine_now(engine).wall_ms, &reason);

    explicit_bzero(check->body, sizeof(check->body)); /* the secret is in it */
    check->done(check, verdict, reason);
}

bool captcha_check_submit(struct shard *shard, struct captcha_check *check, struct slice token,
                          const char *remote_ip, enum captcha_verdict *refusal_out)
{
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded",
                                          "Accept: application/json"};
    const struct captcha_settings *settings = check->settings;
    struct form form = {.target = check->body, .size = sizeof(check->body)};

    *refusal_out = CAPTCHA_FAILED;
    if (token.length == 0 || token.length > CAPTCHA_TOKEN_MAX)
        return false;
    form_put_text(&form, "secret", settings->secret);
    form_put(&form, "response", token.text, token.length);
    if (remote_ip != NULL)
        form_put_text(&form, "remoteip", remote_ip);
    *refusal_out = CAPTCHA_UNAVAILABLE;
    if (!form_is_whole(&form))
        return false;
    check->outbound = (struct engine_outbound){
        .job = {.kind = OUTBOUND_HTTP,
                .timeout_ms = CAPTCHA_TIMEOUT_MS,
                .method = OUTBOUND_POST,
                .url = settings->url,
                .headers = headers,
                .header_count = sizeof(headers) / sizeof(headers[0]),
                .body = check->body,
                .body_length = form.length,
                .answer = check->answer,
                .answer_max = sizeof(check->answer)},
        .done = finish,
        .user = check,
    };
    return engine_outbound_submit(shard, &check->outbound) == OUTCOME_PENDING;
}

/* ---- the answer ---- */

/* Days from 1970-01-01 to a date of the Gregorian calendar. */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
    /* The year begins in March, so that the leap day is its last. */
    int64_t shifted = month <= 2 ? year - 1 : year;
    int64_t month_from_march = (month + 9) % 12;

    return shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 +
           (month_from_march * 153 + 2) / 5 + day - 1 - 719468;
}

/* RFC 3339 date and time, whole seconds; false if it is none. */
static bool read_time(struct slice text, int64_t *wall_ms_out)
{
    char copy[48];
    int year, month, day, hour, minute, second, used = 0;
    int zone_hours = 0, zone_minutes = 0, zone_used = 0;
    const char *rest;
    int64_t zone_s = 0;

    if (text.length >= sizeof(copy))
        return false;
    memcpy(copy, text.text, text.length);
    copy[text.length] = 0;
    if (sscanf(copy, "%4d-%2d-%2dT%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute, &second,
               &used) != 6 ||
        used != 19)
        return false;
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 ||
        minute < 0 || minute > 59 || second < 0 || second > 60)
        return false;
    rest = copy + used;
    if (*rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    if (*rest == '+' || *rest == '-') {
        if (sscanf(rest + 1, "%2d:%2d%n", &zone_hours, &zone_minutes, &zone_used) != 2 ||
            rest[1 + zone_used] != 0 || zone_hours < 0 || zone_minutes < 0)
            return false;
        zone_s = (zone_hours * 60 + zone_minutes) * 60 * (*rest == '-' ? -1 : 1);
    } else if (strcmp(rest, "Z") != 0) {
        return false;
    }
    *wall_ms_out =
        ((((days_from_civil(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) - zone_s) *
        1000;
    return true;
}

static bool member_is(const struct json_value *answer, const char *name, const char *wanted)
{
    const struct json_value *value = json_member(answer, name);
    struct slice text;

    if (value == NULL || json_type(value) != JSON_STRING)
        return false;
    text = json_string(value);
    return text.length == strlen(wanted) && strncasecmp(text.text, wanted, text.length) == 0;
}

/* An answer that does not say yes: our own fault, theirs, or the token's. */
static enum captcha_verdict judge_errors(const struct json_value *answer, const char **reason_out)
{
    static const struct {
        const char *code;
        enum captcha_verdict verdict;
        const char *reason;
    } rows[] = {
        {"missing-input-secret", CAPTCHA_UNAVAILABLE, "secret_refused"},
        {"invalid-input-secret", CAPTCHA_UNAVAILABLE, "secret_refused"},
        {"sitekey-secret-mismatch", CAPTCHA_UNAVAILABLE, "secret_refused"},
        {"internal-error", CAPTCHA_UNAVAILABLE, "service_failed"},
        {"timeout-or-duplicate", CAPTCHA_FAILED, "used_or_expired"},
        {"expired-input-response", CAPTCHA_FAILED, "used_or_expired"},
        {"already-seen-response", CAPTCHA_FAILED, "used_or_expired"},
        {"invalid-or-already-seen-response", CAPTCHA_FAILED, "used_or_expired"},
    };
    const struct json_value *codes = json_member(answer, "error-codes");
    const struct json_value *code;

    *reason_out = "token_refused";
    if (codes == NULL || json_type(codes) != JSON_ARRAY)
        return CAPTCHA_FAILED;
    for (struct json_iterator iterator = json_elements(codes);
         json_next_element(&iterator, &code);) {
        for (size_t i = 0; json_type(code) == JSON_STRING && i < sizeof(rows) / sizeof(rows[0]);
             i++) {
            if (slice_is(json_string(code), rows[i].code)) {
                *reason_out = rows[i].reason;
                return rows[i].verdict;
            }
        }
    }
    return CAPTCHA_FAILED;
}

static enum captcha_verdict judge_answer(const struct captcha_settings *settings,
                                         const struct json_value *answer, int64_t now_wall_ms,
                                         const char **reason_out)
{
    const struct json_value *success = json_member(answer, "success");
    const struct json_value *time = json_member(answer, "challenge_ts");
    int64_t solved_ms;

    if (success == NULL || json_type(success) != JSON_BOOLEAN) {
        *reason_out = "answer_unreadable";
        return CAPTCHA_UNAVAILABLE;
    }
    if (!json_boolean(success))
        return judge_errors(answer, reason_out);
    *reason_out = "other_hostname";
    if (settings->hostname[0] != 0 && !member_is(answer, "hostname", settings->hostname))
        return CAPTCHA_FAILED;
    *reason_out = "other_action";
    if (settings->action[0] != 0 && !member_is(answer, "action", settings->action))
        return CAPTCHA_FAILED;
    *reason_out = "not_fresh";
    if (time == NULL || json_type(time) != JSON_STRING ||
        !read_time(json_string(time), &solved_ms) || solved_ms < now_wall_ms - CAPTCHA_AGE_MS_MAX ||
        solved_ms > now_wall_ms + CAPTCHA_CLOCK_MS_MAX)
        return CAPTCHA_FAILED;
    *reason_out = "passed";
    return CAPTCHA_PASSED;
}

enum captcha_verdict captcha_judge(const struct captcha_settings *settings,
                                   const struct outbound_job *job, int64_t now_wall_ms,
                                   const char **reason_out)
{
    enum captcha_verdict verdict = CAPTCHA_UNAVAILABLE;
    const struct json_value *answer = NULL;
    const char *message;
    size_t position;
    struct json_memory memory = {.size = json_memory_needed(job->answer_length)};

    if (job->result != OUTBOUND_DELIVERED) {
        *reason_out = job->reason;
        return CAPTCHA_UNAVAILABLE;
    }
    /* Some errors come with 400; the answer then says which. */
    *reason_out = "service_failed";
    if (job->status != 200 && job->status != 400)
        return CAPTCHA_UNAVAILABLE;
    memory.bytes = malloc(memory.size);
    if (memory.bytes != NULL)
        answer = json_read(memory, job->answer, job->answer_length, &message, &position);
    *reason_out = "answer_unreadable";
    if (answer != NULL && json_type(answer) == JSON_OBJECT)
        verdict = judge_answer(settings, answer, now_wall_ms, reason_out);
    /* Only 200 says yes. */
    if (verdict == CAPTCHA_PASSED && job->status != 200) {
        *reason_out = "answer_unreadable";
        verdict = CAPTCHA_UNAVAILABLE;
    }
    free(memory.bytes);
    return verdict;
}
