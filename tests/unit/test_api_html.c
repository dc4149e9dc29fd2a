/* SPDX-License-Identifier: Apache-2.0 */
/* HTML from elsewhere: what is left of it, and that nothing hostile is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/html.h"
#include "html_judge.h"

#define REL "\" rel=\"nofollow noopener\">"

static char *safe(const char *source, size_t length)
{
    struct writer writer = writer_growing();
    char *text;

    write_safe_html(&writer, source, length);
    assert_false(writer.failed);
    if (!html_is_safe(writer.start, writer_length(&writer)))
        print_error("not safe: %.*s\n  from: %.*s\n", (int)writer_length(&writer), writer.start,
                    (int)length, source);
    assert_true(html_is_safe(writer.start, writer_length(&writer)));
    text = calloc(1, writer_length(&writer) + 1);
    assert_non_null(text);
    if (writer_length(&writer) > 0)
        memcpy(text, writer.start, writer_length(&writer));
    writer_free(&writer);
    return text;
}

struct html_case {
    const char *source;
    const char *wanted;
};

static void check(const struct html_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *text = safe(cases[i].source, strlen(cases[i].source));

        assert_string_equal(text, cases[i].wanted);
        free(text);
    }
}

#define CHECK(cases) check(cases, sizeof(cases) / sizeof((cases)[0]))

static void what_is_allowed_stays(void **state)
{
    static const struct html_case cases[] = {
        {"", ""},
        {"<p>A <strong>bold</strong> claim.</p>", "<p>A <strong>bold</strong> claim.</p>"},
        {"<ul><li>one<li>two</ul>", "<ul><li>one</li><li>two</li></ul>"},
        {"<ul><li>a<ol><li>b</ol><li>c</ul>", "<ul><li>a<ol><li>b</li></ol></li><li>c</li></ul>"},
        {"<P>one<P>two", "<p>one</p><p>two</p>"},
        {"a<br/>b<BR>c", "a<br>b<br>c"},
        {"<h1>t</h1><h6>u</h6>", "<h2>t</h2><h4>u</h4>"},
        {"<table><tbody><tr><th>a<td>b<tr><td>c</table>",
         "<table><tr><th>a</th><td>b</td></tr><tr><td>c</td></tr></table>"},
        {"<a href='https://e.org/?a=1&amp;b=2'>x</a>",
         "<a href=\"https://e.org/?a=1&amp;b=2" REL "x</a>"},
        {"<a href=MAILTO:a@e.org>x</a>", "<a href=\"MAILTO:a@e.org" REL "x</a>"},
        {"<i>&copy; &#169; &#xA9;</i>", "<i>&copy; &#169; &#xA9;</i>"},
        {"<b>\xe2\x82\xac</b>", "<b>\xe2\x82\xac</b>"},
    };

    (void)state;
    CHECK(cases);
}

static void text_is_text(void **state)
{
    static const struct html_case cases[] = {
        {"a < b && c > d", "a &lt; b &amp;&amp; c &gt; d"},
        {"5 <6", "5 &lt;6"},
        {"\"it's\"", "&quot;it&#39;s&quot;"},
        {"AT&T; &nosemicolon &;", "AT&T; &amp;nosemicolon &amp;;"},
        {"one\ntwo", "one<br>\ntwo"},
        {"<b>one</b>\ntwo", "<b>one</b>\ntwo"},
        {"a\001\002b", "ab"},
        {"an <end", "an &lt;end"},
        {"an <end a=\"b>", "an &lt;end a=&quot;b&gt;"},
        {"an <x y <b>z</b>", "an z"},
    };

    (void)state;
    CHECK(cases);
    char *text = safe("a\0<b>b", 6);
    assert_string_equal(text, "a<b>b</b>");
    free(text);
}

static void what_is_not_known_goes(void **state)
{
    static const struct html_case cases[] = {
        {"<span style='color:red' onclick=x>a</span>", "a"},
        {"<div>a</div><div>b</div>", " a b"},
        {"<p onclick=\"alert(1)\" style=x:y class=z>a</p>", "<p>a</p>"},
        {"<img src=x onerror=alert(1)>a", "a"},
        {"<script>alert('</b>')</script>a", "a"},
        {"<script>alert(1)", ""},
        {"<SCRIPT SRC=http://e.org/x.js></SCRIPT >a", "a"},
        {"<style>p{}</style><b>a</b>", "<b>a</b>"},
        {"<svg><a href='http://e.org'><script>x</script></a></svg>a", "a"},
        {"<math><mi>x</mi></math>a", "a"},
        {"<iframe src=javascript:x>y</iframe>a", "a"},
        {"<!-- <b>x</b> -->a", "a"},
        {"<!--><b>x</b>", ""},
        {"<!DOCTYPE html><?php x ?>a", "a"},
        {"<![CDATA[<b>]]>a", "]]&gt;a"},
        {"<noscript><p title=\"</noscript><img src=x onerror=y>\">a", "&quot;&gt;a"},
        {"<template><b>x</b></template>a", "a"},
        {"<a>x</a>", "x"},
    };

    (void)state;
    CHECK(cases);
}

static void links_lead_where_they_say(void **state)
{
    static const char *const refused[] = {
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "java\tscript:alert(1)",
        "java\nscript:alert(1)",
        "&#106;avascript:alert(1)",
        "&#x6A;avascript&colon;alert(1)",
        "javascript&#58;alert(1)",
        "data:text/html,<script>x</script>",
        "vbscript:x",
        "//e.org",
        "/v1/admin",
        "http:e.org",
        "http:\\\\e.org",
        "http://",
        "mailto:",
        "https://e.org/a b",
        "\x01https://e.org\x01/",
        "feed:http://e.org",
        "",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        char source[128];
        char *text;

        snprintf(source, sizeof(source), "<a href=\"%s\">x</a>", refused[i]);
        text = safe(source, strlen(source));
        assert_string_equal(text, "x");
        free(text);
    }
    static const struct html_case cases[] = {
        {"<a href=\" https://e.org/ \">x</a>", "<a href=\"https://e.org/" REL "x</a>"},
        {"<a href=https://e.org/&#34;onclick=x>y</a>",
         "<a href=\"https://e.org/&quot;onclick=x" REL "y</a>"},
        {"<a href=\"https://e.org/'\" href=javascript:x>y</a>",
         "<a href=\"https://e.org/&#39;" REL "y</a>"},
        {"<a href=https://e.org/?x=&lt;b&gt;>y</a>",
         "<a href=\"https://e.org/?x=&lt;b&gt;" REL "y</a>"},
        {"<a href=https://e.org/?x&copy=1&Tab;>y</a>",
         "<a href=\"https://e.org/?x&amp;copy=1&amp;Tab;" REL "y</a>"},
        {"<a href=https://a.org>x<a href=https://b.org>y</a>z</a>",
         "<a href=\"https://a.org" REL "xy</a>z"},
    };
    CHECK(cases);
}

static void every_element_is_closed_in_its_order(void **state)
{
    static const struct html_case cases[] = {
        {"<b><i>x</b>y</i>", "<b><i>x</i></b>y"},
        {"</p></table></b>x", "x"},
        {"<p><table><tr><td>a</p>b</table>c", "<p></p><table><tr><td>ab</td></tr></table>c"},
        {"<td>x</td>", "x"},
        {"<tr>x", "x"},
        {"<li>x</li>", "x"},
        {"<table>x<b>y</b><tr>z<td>t", "<table><tr><td>t</td></tr></table>"},
        {"<table><tr><td><table><tr><td>x</table>y",
         "<table><tr><td><table><tr><td>x</td></tr></table>y</td></tr></table>"},
        {"<p><ul><li>x", "<p></p><ul><li>x</li></ul>"},
        {"<h2>a<p>b", "<h2>a</h2><p>b</p>"},
    };
    char deep[4096] = "";

    (void)state;
    CHECK(cases);
    for (unsigned i = 0; i < 500; i++)
        strcat(deep, "<b><i>");
    strcat(deep, "x");
    free(safe(deep, strlen(deep)));
}

static uint64_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* Pieces of markup in any order. */
static void any_mixture_is_safe(void **state)
{
    static const char *const pieces[] = {
        "<p>",         "</p>",      "<b",    ">",     "<a href=", "\"",    "'",      "https://x",
        "<table>",     "<tr>",      "<td>",  "</td>", "</table>", "<ul>",  "<li>",   "</li>",
        "<script>",    "</script>", "<!--",  "-->",   "&",        "&#",    "&#x3c;", ";",
        "javascript:", " ",         "\n",    "/",     "=",        "<",     "</",     "<svg",
        "onload=x",    "<h1>",      "</h3>", "</a>",  "<br/>",    "<div>", "text",   "\x01",
    };
    uint64_t random = 7;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        char source[512] = "";
        unsigned count = 1 + (unsigned)(next(&random) % 30);

        for (unsigned i = 0; i < count; i++)
            strcat(source, pieces[next(&random) % (sizeof(pieces) / sizeof(pieces[0]))]);
        free(safe(source, strlen(source)));
    }
}

/* What looks like the beginning of a tag again and again is looked at once. */
static void time_is_linear(void **state)
{
    static const char *const units[] = {"<a ",  "<a b=\"",  "<a b='<a b=\"",
                                        "<!--", "<script>", "&#1"};
    size_t size = 4 * 1024 * 1024;
    char *source = malloc(size);

    (void)state;
    assert_non_null(source);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        size_t width = strlen(units[i]);
        struct writer writer = writer_growing();

        for (size_t at = 0; at < size; at++)
            source[at] = units[i][at % width];
        write_safe_html(&writer, source, size); /* minutes, were it not */
        assert_false(writer.failed);
        writer_free(&writer);
    }
    free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_allowed_stays),
        cmocka_unit_test(text_is_text),
        cmocka_unit_test(what_is_not_known_goes),
        cmocka_unit_test(links_lead_where_they_say),
        cmocka_unit_test(every_element_is_closed_in_its_order),
        cmocka_unit_test(any_mixture_is_safe),
        cmocka_unit_test(time_is_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
