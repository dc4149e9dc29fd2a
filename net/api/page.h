/* SPDX-License-Identifier: Apache-2.0 */
/* What the HTML pages of this server share: their beginning, their style, and the headers that keep
 * others out of them. No script, nothing loaded from elsewhere; the one style is named by its hash,
 * so that the policy needs no 'unsafe-inline'. */
#ifndef STAMPEDE_API_PAGE_H
#define STAMPEDE_API_PAGE_H

#include "http/http.h"

#define PAGE_STYLE                                                                                 \
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"        \
    "code,pre{font:14px/1.4 ui-monospace,monospace;background:#8882;border-radius:.2em}"           \
    "code{padding:.1em .3em}pre{padding:.6em;overflow:auto}"                                       \
    "h2{border-bottom:1px solid #8886;margin-top:2.5em}h3{margin-top:2em}"                         \
    "table{border-collapse:collapse}td,th{text-align:left;vertical-align:top;padding:.2em 1em "    \
    ".2em 0}th{font-weight:600}details{margin:.3em 0}summary{cursor:pointer}"                      \
    ".m{display:inline-block;min-width:4.5em;font-weight:700}"                                     \
    "@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}a{color:#8bf}}"

/* Of PAGE_STYLE, in base64 (CSP Level 3, 2.3.1). tests/api/test_headers.py says what it must be. */
#define PAGE_STYLE_SHA256 "EYWoQckDpfVCXdVNpopE5v8fXZTIpRujvJw7lb0YhK4="

/* A page up to its title. */
#define PAGE_HEAD                                                                                  \
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"                              \
    "<meta name=\"viewport\" content=\"width=device-width\">\n<style>" PAGE_STYLE "</style>\n"

/* Adds the headers of a page. Before it is answered, with 200 or 304. */
void page_protect(struct http_exchange *exchange);

#endif
