/* SPDX-License-Identifier: Apache-2.0 */
/* Which passwords are refused, and hashes that another implementation of argon2id understands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "api/common_passwords.h"
#include "api/password.h"

static void passwords_are_judged(void **state)
{
    static const struct {
        const char *password;
        enum password_verdict verdict;
    } cases[] = {
        {"", PASSWORD_TOO_SHORT},
        {"x7#kQ2p", PASSWORD_TOO_SHORT},
        {"x7#kQ2pz", PASSWORD_GOOD},
        {"correct horse battery staple", PASSWORD_GOOD},
        {" x7#kQ2 ", PASSWORD_GOOD}, /* nothing is trimmed */
        /* Characters are counted, not bytes. */
        {"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", PASSWORD_TOO_SHORT},
        {"\xc3\xa9\xc3\xa8\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", PASSWORD_GOOD},
        {"\xf0\x9f\x90\x8e\xf0\x9f\x90\x8e\xf0\x9f\x90\x8e", PASSWORD_TOO_SHORT},
        {"stamp\xf0\x9f\x90\x8e\xe2\x82\xac\xc3\xbc", PASSWORD_GOOD},
        {"12345678\x80", PASSWORD_NOT_UTF8},
        {"12345678\xc0\xaf", PASSWORD_NOT_UTF8},         /* overlong */
        {"12345678\xe0\x80\xaf", PASSWORD_NOT_UTF8},     /* overlong */
        {"12345678\xed\xa0\x80", PASSWORD_NOT_UTF8},     /* a surrogate */
        {"12345678\xf4\x90\x80\x80", PASSWORD_NOT_UTF8}, /* beyond Unicode */
        {"12345678\xe2\x82", PASSWORD_NOT_UTF8},
        {"1234567\t8", PASSWORD_NOT_UTF8},
        {"password", PASSWORD_COMMON},
        {"PassWord", PASSWORD_COMMON},
        {"12345678", PASSWORD_COMMON},
        {"iloveyou", PASSWORD_COMMON},
        {"trustno1", PASSWORD_COMMON},
        {"trustno12#", PASSWORD_GOOD},
        {"AdaLovelace", PASSWORD_OWN_NAME},
        {"ada.lovelace", PASSWORD_OWN_NAME},
        {"ada_lovelace1815!", PASSWORD_OWN_NAME},
        {"ada.lovelace@example.com", PASSWORD_OWN_NAME},
        {"adalovelace rides", PASSWORD_GOOD},
        {"Horse&Hound", PASSWORD_OWN_NAME},
        {"2026horsehound", PASSWORD_OWN_NAME},
        {"1815-1852-0000", PASSWORD_GOOD}, /* no letters, as no name has */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum password_verdict verdict = password_judge(cases[i].password, strlen(cases[i].password),
                                                       "ada.lovelace@example.com", "Horse & Hound");
        if (verdict != cases[i].verdict)
            fail_msg("%s: %d", cases[i].password, (int)verdict);
        assert_true((password_refusal_text(verdict)[0] == '\0') == (verdict == PASSWORD_GOOD));
    }
    assert_int_equal(password_judge("AdaLovelace", 11, NULL, NULL), PASSWORD_GOOD);
    assert_int_equal(password_judge("1234\0abcd", 9, NULL, NULL), PASSWORD_NOT_UTF8);
}

static void long_passwords_are_taken_whole(void **state)
{
    char text[PASSWORD_BYTES_MAX + 1];
    char hash[PASSWORD_HASH_LENGTH + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)('a' + i % 26);
    assert_int_equal(password_judge(text, PASSWORD_BYTES_MAX, NULL, NULL), PASSWORD_GOOD);
    assert_int_equal(password_judge(text, PASSWORD_BYTES_MAX + 1, NULL, NULL), PASSWORD_TOO_LONG);
    assert_true(password_hash(text, PASSWORD_BYTES_MAX, hash));
    assert_true(password_verify(text, PASSWORD_BYTES_MAX, hash));
    assert_false(password_verify(text, PASSWORD_BYTES_MAX + 1, hash));
    text[PASSWORD_BYTES_MAX - 1] ^= 1;
    assert_false(password_verify(text, PASSWORD_BYTES_MAX, hash));
}

static void the_list_is_sorted_and_every_line_is_found(void **state)
{
    size_t left;
    const char *line = common_passwords_text(&left);
    char previous[128] = "";
    char text[128];
    size_t lines = 0;

    (void)state;
    while (left > 0) {
        const char *end = memchr(line, '\n', left);

        assert_non_null(end);
        size_t length = (size_t)(end - line);
        assert_in_range(length, 8, sizeof(text) - 2);
        memcpy(text, line, length);
        text[length] = '\0';
        assert_true(strcmp(previous, text) < 0);
        assert_true(common_passwords_have(text, length));
        strcpy(previous, text);
        text[length] = '\x01'; /* right behind it in the order, and no line */
        assert_false(common_passwords_have(text, length + 1));
        text[length - 1]--; /* before it */
        text[length] = '\x7f';
        assert_false(common_passwords_have(text, length + 1));
        left -= length + 1;
        line = end + 1;
        lines++;
    }
    assert_true(lines >= 3000);
    assert_false(common_passwords_have("", 0));
    assert_false(common_passwords_have("\x01", 1));
    assert_false(common_passwords_have("\xff\xff", 2));
}

/* Made with other implementations (libargon2's, and OpenSSL's), with the parameters of today, of
 * yesterday, and with weaker ones. */
static const char foreign_hash[] = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$"
                                   "AdweBLwcflnNX2HVW8i1Mtu7frrn4Ki7h/rYSGuU7Is";
static const char earlier_hash[] = "$argon2id$v=19$m=47104,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$"
                                   "waYWZoy3KT35/TYFGeiYGjVWSfmWohCKHIYSxq1aVlI";
static const char weaker_hash[] = "$argon2id$v=19$m=8192,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$"
                                  "wbFO6HMaSfz+q+xidHa4AkHi2VSDtWjesFSFre9OcLA";

static void hashes_are_verified(void **state)
{
    char hash[PASSWORD_HASH_LENGTH + 1];
    char again[PASSWORD_HASH_LENGTH + 1];

    (void)state;
    assert_true(password_hash("x7#kQ2pz", 8, hash));
    assert_ptr_equal(strstr(hash, "$argon2id$v=19$m=19456,t=2,p=1$"), hash);
    assert_true(password_hash("x7#kQ2pz", 8, again));
    assert_string_not_equal(hash, again);
    assert_true(password_verify("x7#kQ2pz", 8, hash));
    assert_false(password_verify("x7#kQ2pZ", 8, hash));
    assert_false(password_verify("x7#kQ2p", 7, hash));
    assert_false(password_needs_rehash(hash));
    assert_true(password_verify("correct horse", 13, foreign_hash));
    assert_false(password_needs_rehash(foreign_hash));
    assert_true(password_verify("correct horse", 13, earlier_hash));
    assert_true(password_needs_rehash(earlier_hash));
    assert_true(password_verify("correct horse", 13, weaker_hash));
    assert_false(password_verify("correct horsf", 13, weaker_hash));
    assert_true(password_needs_rehash(weaker_hash));
    assert_true(password_needs_rehash("nonsense"));
}

static uint64_t cpu_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t verify_ns(const char *hash)
{
    uint64_t least = UINT64_MAX;

    for (int i = 0; i < 5; i++) {
        uint64_t started = cpu_ns();
        bool is_good = password_verify("wrong password", 14, hash);
        uint64_t taken = cpu_ns() - started;

        assert_false(is_good);
        if (taken < least)
            least = taken;
    }
    return least;
}

static void an_unknown_account_takes_as_long_and_is_refused(void **state)
{
    char hash[PASSWORD_HASH_LENGTH + 1];

    (void)state;
    assert_true(password_hash("x7#kQ2pz", 8, hash));
    uint64_t known = verify_ns(hash);
    uint64_t unknown = verify_ns(NULL);
    uint64_t malformed = verify_ns("*");
    /* Of CPU, the least of five: what else the machine does hardly shows. */
    assert_true(unknown > known / 2 && unknown < known * 2);
    assert_true(malformed > known / 2 && malformed < known * 2);
    /* What the dummy was made to look like: not what a zeroed or known password gives. */
    assert_false(password_verify("", 0, NULL));
    assert_false(password_verify("an unknown login", 16, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passwords_are_judged),
        cmocka_unit_test(long_passwords_are_taken_whole),
        cmocka_unit_test(the_list_is_sorted_and_every_line_is_found),
        cmocka_unit_test(hashes_are_verified),
        cmocka_unit_test(an_unknown_account_takes_as_long_and_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
