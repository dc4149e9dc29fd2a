/* SPDX-License-Identifier: Apache-2.0 */
/* What operators ask: health, readiness, documents. /metrics is metrics_page.c. */
#include <stdio.h>
#include <string.h>

#include "api/api_shard.h"
#include "api/page.h"
#include "api/problems.h"

static void respond_status(struct http_exchange *exchange, const char *body)
{
    http_exchange_cache(exchange, HTTP_CACHE_NO_STORE);
    http_respond(exchange, 200, "application/json", body, strlen(body));
}

void api_health(struct api_call *call)
{
    respond_status(call->exchange, "{\"status\":\"ok\"}");
}

void api_readiness(struct api_call *call)
{
    switch (engine_mode(call->shard->api->engine)) {
    case ENGINE_SERVING:
        respond_status(call->exchange, "{\"status\":\"ready\"}");
        return;
    case ENGINE_DRAINING:
        problem_respond(call->exchange, PROBLEM_OVERLOADED, "The server is about to stop.");
        return;
    case ENGINE_STORAGE_FULL:
        problem_respond(call->exchange, PROBLEM_STORAGE_FULL, "The disk is nearly full.");
        return;
    case ENGINE_FAILED:
        break;
    }
    problem_respond(call->exchange, PROBLEM_OUTCOME_UNKNOWN, "The store has failed.");
}

void api_openapi(struct api_call *call)
{
    cached_page_respond(call->shard->api->openapi, call->exchange);
}

void api_docs(struct api_call *call)
{
    page_protect(call->exchange);
    cached_page_respond(call->shard->api->docs, call->exchange);
}

/* Text in which `…` marks code. */
static void write_marked(struct writer *writer, const char *text)
{
    bool is_code = false;

    for (const char *mark; (mark = strchr(text, '`')) != NULL; text = mark + 1) {
        write_html(writer, text, (size_t)(mark - text));
        write_text(writer, is_code ? "</code>" : "<code>");
        is_code = !is_code;
    }
    write_html(writer, text, strlen(text));
}

void api_problem_page(struct api_call *call)
{
    char name[64];
    int length = http_path_parameter(call->exchange, 0, name, sizeof(name));
    enum problem problem = length > 0 ? problem_find(name, (size_t)length, true) : PROBLEM_COUNT;
    struct writer writer = writer_growing();

    if (problem == PROBLEM_COUNT) {
        problem_respond(call->exchange, PROBLEM_NOT_FOUND, "There is no such problem.");
        return;
    }
    const struct problem_entry *entry = problem_entry(problem);
    write_literal(&writer, PAGE_HEAD "<title>");
    write_text(&writer, entry->title);
    write_literal(&writer, "</title>\n<h1>");
    write_text(&writer, entry->title);
    write_literal(&writer, "</h1>\n<p>Status <code>");
    write_unsigned(&writer, (uint64_t)entry->status);
    write_literal(&writer, "</code>, code <code>");
    write_text(&writer, entry->code);
    write_literal(&writer, "</code></p>\n<p>");
    write_marked(&writer, entry->page);
    write_literal(&writer, "</p>\n<p><a href=\"/docs\">All calls</a></p>\n</html>\n");
    if (writer.failed) {
        respond_outcome(call->exchange, OUTCOME_OVERLOADED);
    } else {
        page_protect(call->exchange);
        http_respond(call->exchange, 200, "text/html; charset=utf-8", writer.start,
                     writer_length(&writer));
    }
    writer_free(&writer);
}
