/* SPDX-License-Identifier: Apache-2.0 */
/* What HTML for a page of the shop may look like, judged by reading it: by the unit test and the
 * fuzz target of net/api/html.c. Knows nothing of how it was made. */
#ifndef STAMPEDE_HTML_JUDGE_H
#define STAMPEDE_HTML_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

enum { JUDGE_OPEN_MAX = 64 };

struct html_judge {
    const char *at;
    const char *end;
    const char *open[JUDGE_OPEN_MAX];
    unsigned open_count;
};

static inline bool judge_takes(struct html_judge *judge, const char *literal)
{
    size_t length = strlen(literal);

    if ((size_t)(judge->end - judge->at) < length || memcmp(judge->at, literal, length) != 0)
        return false;
    judge->at += length;
    return true;
}

static inline const char *judge_top(const struct html_judge *judge)
{
    return judge->open_count == 0 ? "" : judge->open[judge->open_count - 1];
}

static inline bool judge_top_is(const struct html_judge *judge, const char *a, const char *b)
{
    return strcmp(judge_top(judge), a) == 0 || strcmp(judge_top(judge), b) == 0;
}

/* Where this element may stand. */
static inline bool judge_place(const struct html_judge *judge, const char *name)
{
    if (strcmp(name, "tr") == 0)
        return judge_top_is(judge, "table", "table");
    if (strcmp(name, "td") == 0 || strcmp(name, "th") == 0)
        return judge_top_is(judge, "tr", "tr");
    if (strcmp(name, "li") == 0)
        return judge_top_is(judge, "ul", "ol");
    for (unsigned i = 0; i < judge->open_count && strcmp(name, "a") == 0; i++)
        if (strcmp(judge->open[i], "a") == 0)
            return false;
    return !judge_top_is(judge, "table", "tr");
}

/* A character reference, from its `&` on. */
static inline bool judge_reference(struct html_judge *judge)
{
    const char *semicolon = memchr(judge->at, ';', (size_t)(judge->end - judge->at));

    if (semicolon == NULL || semicolon - judge->at < 2 || semicolon - judge->at > 32)
        return false;
    for (const char *at = judge->at + 1; at < semicolon; at++) {
        bool is_word = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                       (*at >= '0' && *at <= '9') || (*at == '#' && at == judge->at + 1);

        if (!is_word)
            return false;
    }
    judge->at = semicolon + 1;
    return true;
}

/* What is no markup: references and characters that mean nothing. */
static inline bool judge_character(struct html_judge *judge)
{
    unsigned char byte = (unsigned char)*judge->at;

    if (byte == '&')
        return judge_reference(judge);
    judge->at++;
    return byte != '<' && byte != '>' && byte != '"' && byte != '\'' &&
           (byte >= 0x20 || byte == '\n' || byte == '\r' || byte == '\t' || byte == '\f');
}

/* The rest of `<a href="`. */
static inline bool judge_link(struct html_judge *judge)
{
    static const char *const schemes[] = {"http://", "https://", "mailto:"};
    bool is_known = false;

    for (unsigned i = 0; i < 3; i++)
        is_known = is_known || ((size_t)(judge->end - judge->at) > strlen(schemes[i]) &&
                                strncasecmp(judge->at, schemes[i], strlen(schemes[i])) == 0);
    while (is_known && judge->at < judge->end && *judge->at != '"')
        if ((unsigned char)*judge->at <= 0x20 || !judge_character(judge))
            return false;
    return is_known && judge_takes(judge, "\" rel=\"nofollow noopener\">");
}

static inline bool judge_tag(struct html_judge *judge)
{
    static const char *const names[] = {"p",  "ul", "ol", "li", "strong", "em", "b",  "i",
                                        "h2", "h3", "h4", "td", "table",  "tr", "th", "a"};
    bool is_end = judge_takes(judge, "</");

    if (!is_end && judge_takes(judge, "<br>"))
        return !judge_top_is(judge, "table", "tr");
    if (!is_end && judge_takes(judge, "<a href=\"")) {
        if (judge->open_count == JUDGE_OPEN_MAX || !judge_place(judge, "a"))
            return false;
        judge->open[judge->open_count++] = "a";
        return judge_link(judge);
    }
    if (!is_end && !judge_takes(judge, "<"))
        return false;
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t length = strlen(names[i]);

        if ((size_t)(judge->end - judge->at) <= length ||
            memcmp(judge->at, names[i], length) != 0 || judge->at[length] != '>')
            continue;
        judge->at += length + 1;
        if (is_end)
            return strcmp(judge_top(judge), names[i]) == 0 && judge->open_count-- > 0;
        if (judge->open_count == JUDGE_OPEN_MAX || strcmp(names[i], "a") == 0 ||
            !judge_place(judge, names[i]))
            return false;
        judge->open[judge->open_count++] = names[i];
        return true;
    }
    return false;
}

static inline bool html_is_safe(const char *text, size_t length)
{
    struct html_judge judge = {.at = text, .end = length == 0 ? text : text + length};

    while (judge.at < judge.end) {
        bool is_text = *judge.at != '<';

        if (is_text && judge_top_is(&judge, "table", "tr"))
            return false;
        if (!(is_text ? judge_character(&judge) : judge_tag(&judge)))
            return false;
    }
    return judge.open_count == 0;
}

#endif
