/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that can go wrong for a caller, as one table: code, status, title, and what its page
 * says. Rendered as application/problem+json (RFC 9457); `type` is `/problems/` and the code with
 * hyphens, where the page is. */
#ifndef STAMPEDE_API_PROBLEMS_H
#define STAMPEDE_API_PROBLEMS_H

#include <stdbool.h>

#include "api/render.h"
#include "http/http.h"
#include "outcomes.h"

/* name, code, status, title, page */
#define PROBLEMS(X)                                                                                \
    X(MALFORMED_REQUEST, "malformed_request", 400, "Malformed request",                            \
      "The request is not well-formed HTTP/1.1, or ambiguous: two parties might read it "          \
      "differently. The connection is closed.")                                                    \
    X(MALFORMED_JSON, "malformed_json", 400, "Malformed JSON",                                     \
      "The body is not one JSON text in UTF-8. The detail says where reading stopped.")            \
    X(KEY_REQUIRED, "idempotency_key_required", 400, "Idempotency-Key required",                   \
      "This call needs an Idempotency-Key header: a name of 1 to 255 characters that the caller "  \
      "gives to this one attempt, so that repeating it after a lost answer has no second effect.") \
    X(INVALID_SIGNATURE, "invalid_signature", 400, "Invalid signature",                            \
      "The event is not signed by a secret that this shop shares with the payment gateway, or "    \
      "its signature is not of now: it may be forged, repeated by somebody else, or a clock is "   \
      "wrong. Nothing of it was read.")                                                            \
    X(UNAUTHENTICATED, "unauthenticated", 401, "Not authenticated",                                \
      "There is no session, or its token is malformed, expired or not of this server. Start one "  \
      "with POST /v1/sessions, or log in with POST /v1/auth/login. Calls under /v1/admin take "    \
      "the "                                                                                       \
      "admin key as a bearer token, or a session of staff.")                                       \
    X(INVALID_CREDENTIALS, "invalid_credentials", 401, "Invalid credentials",                      \
      "There is no account with this e-mail and password. Which of the two is wrong is not told.") \
    X(SECOND_FACTOR_REQUIRED, "second_factor_required", 401, "Second factor required",             \
      "The password is right, and this account has a second factor: repeat the login with "        \
      "`code`, "                                                                                   \
      "from the authenticator, or one of the recovery codes. Each code is good once.")             \
    X(PAYMENT_DECLINED, "payment_declined", 402, "Payment declined",                               \
      "The card's bank, or the payment gateway, refused this payment. Nothing was taken. The "     \
      "order can be paid with another method until it expires.")                                   \
    X(FORBIDDEN, "forbidden", 403, "Forbidden",                                                    \
      "The caller is known, and may not do this: a shopper's session where staff are asked for, "  \
      "staff with another role, an account whose address is not verified, or a call with a "       \
      "session "                                                                                   \
      "by cookie that does not prove that it comes from the shop's own pages (Origin and "         \
      "X-CSRF-Token).")                                                                            \
    X(CAPTCHA_REQUIRED, "captcha_required", 403, "Captcha required",                               \
      "The shop demands a proof of this call, against scripts, and the proof is missing, wrong, "  \
      "too old or was used before. `challenge` says which kind: for altcha get a challenge at "    \
      "`challenge_url`, solve it (ALTCHA's widget does) and repeat the call with the solution as " \
      "`altcha` in its body; for turnstile and hcaptcha send their widget's token as `captcha`. "  \
      "Each proof is good for one call.")                                                          \
    X(NOT_FOUND, "not_found", 404, "Not found",                                                    \
      "There is nothing here, or it is not the caller's.")                                         \
    X(TOKEN_INVALID, "token_invalid", 400, "Token invalid",                                        \
      "The token from a mail is unknown, was used before, was replaced by a newer one, or is too " \
      "old. Ask for another mail.")                                                                \
    X(METHOD_NOT_ALLOWED, "method_not_allowed", 405, "Method not allowed",                         \
      "The path exists, but not with this method. The Allow header lists those that do.")          \
    X(REQUEST_TIMEOUT, "request_timeout", 408, "Request timeout",                                  \
      "The request did not arrive in time. Nothing was done; the connection is closed.")           \
    X(SOLD_OUT, "sold_out", 409, "Sold out",                                                       \
      "No unit is left to hold. `reserved` units are held by others and come back if their holds " \
      "lapse; when `final` is true none is, and none will come back.")                             \
    X(INSUFFICIENT_STOCK, "insufficient_stock", 409, "Insufficient stock",                         \
      "Fewer units are left than were asked for. `items` says of which SKU how many are left. "    \
      "Reservations are all or none: nothing was held.")                                           \
    X(LIMIT_REACHED, "limit_reached", 409, "Limit reached",                                        \
      "One customer may hold or buy `limit` units of this product, over all its variants. Ask "    \
      "for "                                                                                       \
      "fewer, or release a hold first.")                                                           \
    X(HOLD_ENDED, "hold_ended", 409, "Hold ended",                                                 \
      "The hold was released, lapsed or became a sale. An ended hold never comes back: make a "    \
      "new "                                                                                       \
      "reservation.")                                                                              \
    X(HOLD_CAP_REACHED, "hold_cap_reached", 409, "Hold cannot be extended further",                \
      "The hold has been extended as often, or lasts as long, as this shop allows. It goes on to " \
      "its present deadline.")                                                                     \
    X(HOLD_IN_USE, "hold_in_use", 409, "Hold in use",                                              \
      "The hold belongs to the order `order_id`: cancel that order to give it up.")                \
    X(KEY_IN_FLIGHT, "idempotency_in_flight", 409, "Request in flight",                            \
      "A request with this Idempotency-Key is being worked on right now. Repeat it in a moment "   \
      "to "                                                                                        \
      "get its answer.")                                                                           \
    X(STOCK_CONFLICT, "stock_conflict", 409, "Stock conflict",                                     \
      "Units can only be taken from what is available, and fewer are available than were to be "   \
      "taken away. Held units can be released first.")                                             \
    X(SKU_TAKEN, "sku_taken", 409, "SKU taken",                                                    \
      "A SKU belongs to one product for ever, and this "                                           \
      "one belongs to another product.")                                                           \
    X(EMAIL_TAKEN, "email_taken", 409, "E-mail taken", "Another account has this e-mail address.") \
    X(ACCOUNT_FULL, "account_full", 409, "Account full",                                           \
      "The account has as many of these as it can have. Remove one first.")                        \
    X(PRODUCT_EXISTS, "product_exists", 409, "Product exists", "A product with this ID exists.")   \
    X(COUPON_EXHAUSTED, "coupon_exhausted", 409, "Coupon used up",                                 \
      "As many orders as this coupon has uses, or as one customer may have, use it. A use that "   \
      "an unpaid order holds comes back when that order ends.")                                    \
    X(PRICE_CHANGED, "price_changed", 409, "Price changed",                                        \
      "The order would come to `current_total_minor`, not to `expected_total_minor`: a price, a "  \
      "tax or a coupon has changed since. Nothing was done; ask again with the new total.")        \
    X(PAYMENT_IN_PROGRESS, "payment_in_progress", 409, "Payment in progress",                      \
      "The order's payment is with the gateway right now. Ask for the order in a moment to learn " \
      "what became of it.")                                                                        \
    X(INVALID_STATE, "invalid_state", 409, "Invalid state",                                        \
      "What is asked for cannot be done in the state that this is in. `detail` says why.")         \
    X(PRODUCT_UNAVAILABLE, "product_unavailable", 409, "Product unavailable",                      \
      "Something in the cart is not sold, or not as it was put there: `items` says which SKU and " \
      "why: `archived` or `draft`, or `currency_changed`. Take it out, or put it in anew. "        \
      "Nothing "                                                                                   \
      "was held.")                                                                                 \
    X(PRECONDITION_FAILED, "precondition_failed", 412, "Precondition failed",                      \
      "This is not the version that If-Match names, or, with If-None-Match, there is one. "        \
      "Nothing "                                                                                   \
      "was changed: read it again, and decide anew.")                                              \
    X(PAYLOAD_TOO_LARGE, "payload_too_large", 413, "Payload too large",                            \
      "The body is larger than this call takes: 64 KiB, for imports 2 GiB.")                       \
    X(URI_TOO_LONG, "uri_too_long", 414, "URI too long", "The request line is too long.")          \
    X(UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", 415, "Unsupported media type",             \
      "The body's Content-Type is not what this call takes: application/json, for imports "        \
      "text/csv or application/x-ndjson.")                                                         \
    X(EXPECTATION_FAILED, "expectation_failed", 417, "Expectation failed",                         \
      "Expect may only say 100-continue.")                                                         \
    X(VALIDATION_FAILED, "validation_failed", 422, "Validation failed",                            \
      "The request was understood, but some of its fields are missing, unknown or out of bounds. " \
      "`errors` names each with the reason.")                                                      \
    X(COUPON_INVALID, "coupon_invalid", 422, "Coupon invalid",                                     \
      "There is no such coupon, or it is not, not yet or no longer valid, or does not fit this "   \
      "cart.")                                                                                     \
    X(KEY_REUSED, "idempotency_key_reused", 422, "Idempotency key reused",                         \
      "This Idempotency-Key was used for a request with another body. Give a new request a new "   \
      "key.")                                                                                      \
    X(CARD_NUMBER_REFUSED, "card_number_refused", 422, "Card number refused",                      \
      "Something in the request looks like the number of a payment card. This shop takes none: "   \
      "they go from the shopper to the payment gateway. Nothing of the request was kept.")         \
    X(RATE_LIMITED, "rate_limited", 429, "Too many requests",                                      \
      "The caller, or its address, asks more often than the limit in RateLimit-Policy. "           \
      "Retry-After "                                                                               \
      "says how many seconds to wait.")                                                            \
    X(HEADERS_TOO_LARGE, "headers_too_large", 431, "Headers too large",                            \
      "The request's headers are too many or too long.")                                           \
    X(INTERNAL_ERROR, "internal_error", 500, "Internal error",                                     \
      "The server made a mistake. The X-Request-Id helps its operators to find out.")              \
    X(PRIVATE_DATA_UNREADABLE, "private_data_unreadable", 500, "Private data unreadable",          \
      "A private field of this account is stored, but cannot be opened: it was changed, or the "   \
      "key that it is sealed under is not known to this server. It is not served around, and "     \
      "repeating the call does not help. The server's log names the account to its operators.")    \
    X(NOT_IMPLEMENTED, "not_implemented", 501, "Not implemented",                                  \
      "The request uses a method or a transfer coding that this server does not know.")            \
    X(OVERLOADED, "overloaded", 503, "Overloaded",                                                 \
      "The server has as much to do as it can bear, or is about to stop. Nothing was done. "       \
      "Retry-After says how many seconds to wait.")                                                \
    X(SEARCH_NOT_READY, "search_not_ready", 503, "Search not ready",                               \
      "The index of the search is being built, which takes seconds to minutes. Listings without "  \
      "`q`, products and everything else go on. Retry-After says how many seconds to wait.")       \
    X(STORAGE_FULL, "storage_full", 503, "Storage full",                                           \
      "The disk is nearly full: the server takes no new obligations, but goes on to end those "    \
      "that "                                                                                      \
      "it has. Nothing was done.")                                                                 \
    X(GATEWAY_UNAVAILABLE, "gateway_unavailable", 503, "Payment gateway unavailable",              \
      "The payment gateway does not answer, or asks to be left alone for a while. Nothing was "    \
      "taken. Retry-After says how many seconds to wait.")                                         \
    X(OUTCOME_UNKNOWN, "outcome_unknown", 503, "Outcome unknown",                                  \
      "The server cannot tell whether this request had its effect. Repeat it with the same "       \
      "Idempotency-Key to learn what happened.")                                                   \
    X(HTTP_VERSION_NOT_SUPPORTED, "http_version_not_supported", 505, "HTTP version not supported", \
      "This server speaks HTTP/1.1 and HTTP/1.0.")

enum problem {
#define X(name, code, status, title, page) PROBLEM_##name,
    PROBLEMS(X)
#undef X
        PROBLEM_COUNT
};

struct problem_entry {
    const char *code;
    int status;
    const char *title;
    const char *page;
    /* What is the same in each of its documents, from the brace to the detail; in `type` the code
     * stands as it is, to be given hyphens. */
    struct slice head;
};

const struct problem_entry *problem_entry(enum problem problem);

/* The problem of this code, or PROBLEM_COUNT. With `hyphens` the code is as in `type`. */
enum problem problem_find(const char *code, size_t length, bool hyphens);

/* The problem that a refusal of the engine is told as. Not for OK and PENDING. */
enum problem problem_of_outcome(enum outcome outcome);

/* Answers with a problem. `detail` NULL: the title. 503 gets a Retry-After of 1 to 3 s, spread so
 * that the refused do not come back together. Counts the refusal. The exchange is over. */
void problem_respond(struct http_exchange *exchange, enum problem problem, const char *detail);

/* The same with members of its own: between the two the caller writes `,"name":value`, at most
 * `extra_max` bytes, and calls nothing else of the HTTP layer. False: the exchange is over, write
 * nothing. `detail` is at most PROBLEM_DETAIL_LENGTH_MAX bytes of UTF-8. */
enum { PROBLEM_DETAIL_LENGTH_MAX = 256 };
bool problem_begin(struct http_exchange *exchange, enum problem problem, const char *detail,
                   size_t extra_max, struct writer *writer_out);
void problem_end(struct http_exchange *exchange, struct writer *writer);

/* The HTTP layer's own refusals (http_problem_renderer). */
void problem_render(struct http_exchange *exchange, int status, const char *code,
                    const char *detail, void *user);

#endif
