/* SPDX-License-Identifier: Apache-2.0 */
#include "api/page.h"

#include <assert.h>

static const struct {
    const char *name;
    const char *value;
} lines[] = {
    {"Content-Security-Policy", "default-src 'none'; style-src 'sha256-" PAGE_STYLE_SHA256 "'; "
                                "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
    {"X-Frame-Options", "DENY"}, /* to browsers that do not know frame-ancestors */
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Permissions-Policy", "camera=(), display-capture=(), geolocation=(), microphone=(), "
                           "payment=(), publickey-credentials-get=(), usb=()"},
};

void page_protect(struct http_exchange *exchange)
{
    bool fits = true;

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        fits = http_header_add(exchange, lines[i].name, lines[i].value) && fits;
    assert(fits && "a page has few headers of its own");
}
