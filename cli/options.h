/* SPDX-License-Identifier: Apache-2.0 */
/* The options of every command: one table, from which come the flags, the environment variables,
 * the keys of the configuration file, the help texts and the struct that commands read.
 *
 * Rules
 *  1. A value comes from the command line, else from the environment, else from the configuration
 *     file, else from the table. A list is taken whole from one of them.
 *  2. A flag is the first column of its row with "--" before it; the variable is STAMPEDE_ and the
 *     flag in capitals with "_" for "-"; the key is the second column, inside its section if the
 *     row stands in one.
 *  3. Nothing that was given is ignored: an unknown flag, argument or key, and a value out of its
 *     range, is an error of one line that says how to mend it. The environment is the exception:
 *     unknown variables that begin with STAMPEDE_ are let be, for orchestrators set such for a
 *     service of that name (STAMPEDE_PORT=tcp://…).
 *  4. Defaults that belong to a layer are read from that layer when the program starts. */
#ifndef STAMPEDE_OPTIONS_H
#define STAMPEDE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "api/challenge.h"
#include "outbound/feed.h"
#include "outbound/gateways/gateways.h"
#include "outbound/mail.h"
#include "shop_limits.h"

/* ---- commands ---- */

/* name, words of the command line, its one argument or "" (in brackets: may be left out), summary
 */
#define COMMANDS(X)                                                                                \
    X(SERVE, "serve", "", "Serve the shop: open the store, recover, answer HTTP")                  \
    X(IMPORT, "import", "FILE", "Send a catalogue (CSV or NDJSON) to a running server")            \
    X(EXPORT, "export", "[FILE]", "Write the catalogue of a running server to a file")             \
    X(CHECK, "check", "", "Audit a store that is not being served: recompute every promise")       \
    X(REPAIR, "repair", "", "Say what is doubtful in a damaged store; open it again at your word") \
    X(BACKUP, "backup", "DIR", "Back up a store, served or not, to a folder")                      \
    X(RESTORE, "restore", "DIR", "Make a store, where there is none, from the backup in a folder") \
    X(CONFIG_CHECK, "config check", "", "Say which options would apply, and where they come from") \
    X(GATEWAY, "gateway", "", "A payment gateway to test against, in the shapes of Stripe's API")  \
    X(VERIFY_DRAW, "verify-draw", "FILE", "Re-compute a drop's draw from its proof document")

enum command_id {
#define X(name, words, argument, summary) COMMAND_ID_##name,
    COMMANDS(X)
#undef X
        COMMAND_ID_COUNT
};

/* Sets of commands, for the table's column. */
enum {
    IN_SERVE = 1U << COMMAND_ID_SERVE,
    IN_IMPORT = 1U << COMMAND_ID_IMPORT,
    IN_VERIFY_DRAW = 1U << COMMAND_ID_VERIFY_DRAW,
    IN_CHECK = 1U << COMMAND_ID_CHECK,
    IN_REPAIR = 1U << COMMAND_ID_REPAIR,
    IN_BACKUP = 1U << COMMAND_ID_BACKUP,
    IN_RESTORE = 1U << COMMAND_ID_RESTORE,
    IN_GATEWAY = 1U << COMMAND_ID_GATEWAY,
    IN_EXPORT = 1U << COMMAND_ID_EXPORT,
    IN_ALL = IN_SERVE | IN_IMPORT | IN_EXPORT | IN_CHECK | IN_REPAIR | IN_BACKUP | IN_RESTORE,
};

/* ---- the table ---- */

/* name, flag, key, type, default, least, most, commands, what the flag takes, help
 *
 * Types: TEXT (its length is bounded), NUMBER, SWITCH (on or off; takes nothing: the flag alone
 * means on), CHOICE (one of the words that the next to last column lists), LIST (texts, separated
 * by commas, and the flag may be repeated). Defaults are expressions: see options_set_defaults. */
#define OPTIONS_SERVER(X)                                                                          \
    X(data, "data", "data", TEXT, "./stampede-data", 1, 4000, IN_ALL, "DIR",                       \
      "folder of the store; serve makes it when it is not there")                                  \
    X(listen, "listen", "listen", TEXT, "127.0.0.1:8080", 3, 260, IN_SERVE | IN_GATEWAY,           \
      "HOST:PORT", "address to serve at; port 0: any free one")                                    \
    X(shards, "shards", "shards", NUMBER, 0, 0, SHARDS_MAX, IN_SERVE, "N",                         \
      "threads that serve; 0: as many as cores")                                                   \
    X(admin_key_file, "admin-key-file", "admin_key_file", TEXT, "", 0, 4000,                       \
      IN_SERVE | IN_IMPORT | IN_EXPORT, "FILE",                                                    \
      "file with the admin key; else admin.key in the data folder, made at first start")           \
    X(vault_key_file, "vault-key-file", "vault_key_file", TEXT, "", 0, 4000, IN_SERVE, "FILE",     \
      "file with the key of private data; else systemd's credential stampede-vault-key, else "     \
      "vault.key in the data folder, made at first start; in no backup")                           \
    X(rate_limits, "rate-limits", "rate_limits", SWITCH, true, 0, 0, IN_SERVE, "on|off",           \
      "off is for demonstrations and load tests")                                                  \
    X(auth_verify, "auth-verify", "auth_verify", SWITCH, true, 0, 0, IN_SERVE, "on|off",           \
      "off: new customers need not follow a link in a mail; for tests and demonstrations")         \
    X(staff_totp, "staff-totp", "staff_totp", SWITCH, false, 0, 0, IN_SERVE, "on|off",             \
      "on: staff's sessions need a second factor; the admin key does not")                         \
    X(cors_origins, "cors-origins", "cors_origins", LIST, 0, 1, 200, IN_SERVE, "ORIGIN,...",       \
      "web origins whose pages may call the API; * for any, without cookies")                      \
    X(secure_cookies, "secure-cookies", "secure_cookies", SWITCH, false, 0, 0, IN_SERVE, "on|off", \
      "on where shoppers reach this server through TLS; with tls_cert on by itself")               \
    X(hold_ttl_ms, "hold-ttl-ms", "hold_ttl_ms", NUMBER, engine.hold_ttl_ms, 1, HOLD_TTL_MS_MAX,   \
      IN_SERVE, "N", "how long a hold keeps its units")                                            \
    X(hold_cap_ms, "hold-cap-ms", "hold_cap_ms", NUMBER, engine.hold_cap_ms, 1,                    \
      2 * HOLD_TTL_MS_MAX, IN_SERVE, "N",                                                          \
      "how long a hold lives over all its extensions; at least hold_ttl_ms")                       \
    X(hold_extensions, "hold-extensions", "hold_extensions", NUMBER, engine.hold_extensions_max,   \
      0, OPTION_EXTENSIONS_MAX, IN_SERVE, "N", "how often a hold may be extended")                 \
    X(hold_retention_ms, "hold-retention-ms", "hold_retention_ms", NUMBER,                         \
      engine.hold_retention_ms, 1000, 7 * HOLD_RETENTION_MS, IN_SERVE, "N",                        \
      "how long an ended hold answers repeats of its key")                                         \
    X(partitions, "partitions", "partitions", NUMBER, engine.partitions, 1, PARTITIONS_MAX,        \
      IN_SERVE, "N", "units of ownership, a power of two; fixed when the store is made")           \
    X(holds_max, "holds-max", "holds_max", NUMBER, engine.holds_max, 64, 1U << 26, IN_SERVE, "N",  \
      "holds in memory, a shard, ended ones that still answer repeats included")                   \
    X(carts_max, "carts-max", "carts_max", NUMBER, engine.carts_max, 16, 1U << 26, IN_SERVE, "N",  \
      "carts in memory, a shard; where there are more, expired ones make way, the oldest first")   \
    X(cart_guest_days, "cart-guest-days", "cart_guest_days", NUMBER,                               \
      engine.cart_guest_ttl_s / (24 * 3600), 1, 3650, IN_SERVE, "N",                               \
      "how long a guest's cart is kept after its last change")                                     \
    X(cart_customer_days, "cart-customer-days", "cart_customer_days", NUMBER,                      \
      engine.cart_customer_ttl_s / (24 * 3600), 1, 3650, IN_SERVE, "N",                            \
      "how long a customer's is")                                                                  \
    X(cart_idle_ms, "cart-idle-ms", "cart_idle_ms", NUMBER, engine.cart_idle_ms, 100,              \
      24 * 3600 * 1000, IN_SERVE, "N",                                                             \
      "a cart with something in it that nobody touches for so long counts as abandoned")           \
    X(skus_max, "skus-max", "skus_max", NUMBER, engine.skus_max, 16, 1U << 24, IN_SERVE, "N",      \
      "SKUs, a shard")                                                                             \
    X(limit_rows_max, "limit-rows-max", "limit_rows_max", NUMBER, engine.limit_rows_max, 16,       \
      1U << 26, IN_SERVE, "N", "customers counted against a product's limit, a shard")             \
    X(coupons_max, "coupons-max", "coupons_max", NUMBER, engine.coupons_max, 16, 1U << 22,         \
      IN_SERVE, "N", "coupons, a shard")                                                           \
    X(coupon_rows_max, "coupon-rows-max", "coupon_rows_max", NUMBER, engine.coupon_rows_max, 16,   \
      1U << 26, IN_SERVE, "N",                                                                     \
      "uses of coupons that orders hold, and customers counted against a coupon's limit, a shard") \
    X(requests_max, "requests-max", "requests_max", NUMBER, engine.requests_max, 16, 1U << 20,     \
      IN_SERVE, "N", "requests in flight, a shard; more are refused at once")                      \
    X(workers, "workers", "workers", NUMBER, 0, 0, WORKERS_MAX, IN_SERVE, "N",                     \
      "threads of low priority for what takes long (passwords: 19 MiB each); 0: half the cores")   \
    X(workers_queue, "workers-queue", "workers_queue", NUMBER, WORKERS_QUEUE_DEFAULT, 1,           \
      WORKERS_QUEUE_MAX, IN_SERVE, "N",                                                            \
      "logins and the like that wait for a worker; more are "                                      \
      "refused at once")                                                                           \
    X(finders, "finders", "finders", NUMBER, 0, 0, WORKERS_MAX, IN_SERVE, "N",                     \
      "threads that find products, beside the sale; 0: as many as cores")                          \
    X(finders_queue, "finders-queue", "finders_queue", NUMBER, FINDERS_QUEUE_DEFAULT, 1,           \
      WORKERS_QUEUE_MAX, IN_SERVE, "N", "searches that wait for one; more are refused at once")    \
    X(search, "search", "search", SWITCH, true, 0, 0, IN_SERVE, "on|off",                          \
      "off: no index is kept, and nothing is found by words")                                      \
    X(search_synonyms, "search-synonyms", "search_synonyms", TEXT, "", 0, 4000, IN_SERVE, "FILE",  \
      "words that mean the same, a line `from = to` for each; else a list that is built in")       \
    X(request_timeout_ms, "request-timeout-ms", "request_timeout_ms", NUMBER,                      \
      engine.request_timeout_ms, 10, 60 * 1000, IN_SERVE, "N",                                     \
      "a request that waited longer is dropped undone")                                            \
    X(connections_max, "connections-max", "connections_max", NUMBER, http.connections_max, 1,      \
      1U << 20, IN_SERVE, "N", "connections, a shard; more are refused at the door")               \
    X(connections_per_ip_max, "connections-per-ip-max", "connections_per_ip_max", NUMBER,          \
      http.connections_per_ip_max, 0, 1U << 20, IN_SERVE, "N",                                     \
      "connections from one address, a shard; 0: no limit")                                        \
    X(http_memory_mb, "http-memory-mb", "http_memory_mb", NUMBER, http.memory_max >> 20, 8,        \
      1U << 20, IN_SERVE, "N",                                                                     \
      "memory for unfinished requests (3/4 of it) and unsent answers, a shard; TLS adds to it")    \
    X(header_timeout_ms, "header-timeout-ms", "header_timeout_ms", NUMBER, http.header_timeout_ms, \
      100, 600 * 1000, IN_SERVE, "N", "a request's head must have come within this time")          \
    X(idle_timeout_ms, "idle-timeout-ms", "idle_timeout_ms", NUMBER, http.idle_timeout_ms, 100,    \
      3600 * 1000, IN_SERVE, "N", "an idle connection is closed after this time")                  \
    X(drain_ms, "drain-ms", "drain_ms", NUMBER, 10 * 1000, 0, 600 * 1000, IN_SERVE, "N",           \
      "what is under way at SIGTERM may take this long")                                           \
    X(stream_heartbeat_ms, "stream-heartbeat-ms", "stream_heartbeat_ms", NUMBER, 15 * 1000, 10,    \
      600 * 1000, IN_SERVE, "N", "a stream of events that has nothing to tell says so this often") \
    X(audit_period_ms, "audit-period-ms", "audit_period_ms", NUMBER, engine.audit_period_ms, 100,  \
      24 * 3600 * 1000, IN_SERVE, "N", "how often gates, records and ledger are compared")         \
    X(ballast_mb, "ballast-mb", "ballast_mb", NUMBER, storage.ballast_bytes >> 20, 0, 1U << 20,    \
      IN_SERVE, "N", "size of the file that is kept to be given up when the disk is full")         \
    X(low_water_mb, "low-water-mb", "low_water_mb", NUMBER, storage.low_water_bytes >> 20, 0,      \
      1U << 24, IN_SERVE, "N",                                                                     \
      "with less free disk than this, new holds are refused (storage_full)")                       \
    OPTIONS_PROXIES(X)                                                                             \
    OPTIONS_TLS(X)

#define OPTIONS_PROXIES(X)                                                                         \
    X(trusted_proxies, "trusted-proxies", "trusted_proxies", LIST, 0, 1, 63, IN_SERVE,             \
      "ADDRESS/BITS,...", "proxies in front, whose word about a client's address counts")          \
    X(forwarded, "forwarded", "forwarded", CHOICE, "x-forwarded", 0, 0, IN_SERVE,                  \
      "x-forwarded|standard",                                                                      \
      "what those proxies write: X-Forwarded-For, -Proto, -Host, or Forwarded (RFC 7239)")

#define OPTIONS_OUTBOUND(X)                                                                        \
    X(shop_name, "shop-name", "shop_name", TEXT, "Stampede", 1, MAIL_NAME_MAX, IN_SERVE, "NAME",   \
      "the shop's name, in its mails")                                                             \
    X(public_url, "public-url", "public_url", TEXT, "", 0, 300, IN_SERVE, "URL",                   \
      "where shoppers find the shop, for links in mails; else the address that it serves at")      \
    X(mail_from, "mail-from", "mail_from", TEXT, "", 0, MAIL_ADDRESS_MAX, IN_SERVE, "ADDRESS",     \
      "what mails come from; needed with smtp_url")                                                \
    X(mail_dir, "mail-dir", "mail_dir", TEXT, "", 0, 4000, IN_SERVE, "DIR",                        \
      "also write every mail to this folder, outside of the data folder")                          \
    X(mail_templates, "mail-templates", "mail_templates", TEXT, "", 0, 4000, IN_SERVE, "DIR",      \
      "folder with the shop's own texts of mails")                                                 \
    X(smtp_url, "smtp-url", "smtp_url", TEXT, "", 0, 300, IN_SERVE, "URL",                         \
      "mail server: smtp://HOST:PORT or smtps://HOST:PORT; without it no mail is sent")            \
    X(smtp_user, "smtp-user", "smtp_user", TEXT, "", 0, 200, IN_SERVE, "NAME",                     \
      "log in to the mail server by this name")                                                    \
    X(smtp_password_file, "smtp-password-file", "smtp_password_file", TEXT, "", 0, 4000, IN_SERVE, \
      "FILE", "file with the mail server's password, which others may not read")                   \
    X(smtp_starttls, "smtp-starttls", "smtp_starttls", CHOICE, "required", 0, 0, IN_SERVE,         \
      "required|off", "smtp:// only over TLS; off: in clear, for a mail server on this machine")   \
    X(outbound_private, "outbound-private", "outbound_private", SWITCH, false, 0, 0, IN_SERVE,     \
      "on|off", "on: requests to others (webhooks) may go to private addresses")                   \
    X(outbound_ca_file, "outbound-ca-file", "outbound_ca_file", TEXT, "", 0, 4000, IN_SERVE,       \
      "FILE", "certificates (PEM) to trust in others, instead of the system's")                    \
    X(webhook_retry_schedule, "webhook-retry-schedule", "webhook_retry_schedule", LIST, 0, 1, 6,   \
      IN_SERVE, "SECONDS,...",                                                                     \
      "a webhook's attempts: seconds before each; 0,5,300,1800,7200,18000,36000,50400,72000,"      \
      "86400, if not given")                                                                       \
    X(webhook_pending_max, "webhook-pending-max", "webhook_pending_max", NUMBER,                   \
      engine.deliveries_pending_max, 16, 1000 * 1000, IN_SERVE, "N",                               \
      "webhooks that may wait for one endpoint; then the oldest are given up")

#define OPTIONS_ABUSE(X)                                                                           \
    X(challenge_routes, "challenge-routes", "challenge_routes", LIST, 0, 1, 40, IN_SERVE,          \
      "ROUTE=MODE,...",                                                                            \
      "calls that demand a proof against scripts: register, login, forgot, reset, verify, "        \
      "sessions, reservations, each =altcha, =turnstile or =hcaptcha (alone: altcha)")             \
    X(altcha_cost, "altcha-cost", "altcha_cost", NUMBER, CHALLENGE_COST_DEFAULT, 1,                \
      CHALLENGE_COST_MAX, IN_SERVE, "N",                                                           \
      "hashes of each of the 65,536 tries that a solution of ALTCHA takes on the average")         \
    X(captcha_secret_file, "captcha-secret-file", "captcha_secret_file", TEXT, "", 0, 4000,        \
      IN_SERVE, "FILE",                                                                            \
      "file with Turnstile's or hCaptcha's secret key, which others may not read")                 \
    X(captcha_hostname, "captcha-hostname", "captcha_hostname", TEXT, "", 0, 253, IN_SERVE,        \
      "NAME", "the host whose pages show the captcha; else any is taken")                          \
    X(captcha_verify_url, "captcha-verify-url", "captcha_verify_url", TEXT, "", 0, 300, IN_SERVE,  \
      "URL", "where tokens are verified, instead of at the service's own address")

#define OPTIONS_PAYMENTS(X)                                                                        \
    X(sandbox, "sandbox", "sandbox", SWITCH, true, 0, 0, IN_SERVE, "on|off",                       \
      "off: orders cannot be paid by the built-in sandbox, which moves no money; off in a shop "   \
      "that sells")                                                                                \
    X(stripe_secret_key_file, "stripe-secret-key-file", "stripe_secret_key_file", TEXT, "", 0,     \
      4000, IN_SERVE, "FILE",                                                                      \
      "file with Stripe's secret key, which others may not read; without it no Stripe")            \
    X(stripe_webhook_secrets_file, "stripe-webhook-secrets-file", "stripe_webhook_secrets_file",   \
      TEXT, "", 0, 4000, IN_SERVE, "FILE",                                                         \
      "file with the secrets (whsec_...) that Stripe signs its events by, one a line, which "      \
      "others may not read")                                                                       \
    X(stripe_base_url, "stripe-base-url", "stripe_base_url", TEXT, STRIPE_BASE_URL, 1,             \
      GATEWAY_URL_MAX, IN_SERVE, "URL",                                                            \
      "where Stripe's API is; one on this machine needs outbound_private")                         \
    X(stripe_confirm, "stripe-confirm", "stripe_confirm", SWITCH, false, 0, 0, IN_SERVE, "on|off", \
      "on: payments by Stripe are confirmed through this server; only with a test key, or a "      \
      "stripe_base_url on this machine")

#define OPTIONS_FEED(X)                                                                            \
    X(redis_url, "redis-url", "redis_url", TEXT, "", 0, 1600, IN_SERVE, "URL",                     \
      "tell events to Redis at redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]; without it to "   \
      "none")                                                                                      \
    X(redis_password_file, "redis-password-file", "redis_password_file", TEXT, "", 0, 4000,        \
      IN_SERVE, "FILE", "file with Redis' password, which others may not read")                    \
    X(redis_stream, "redis-stream", "redis_stream", TEXT, FEED_STREAM, 1, FEED_NAME_MAX, IN_SERVE, \
      "NAME", "the streams are NAME:0, NAME:1, ...: one a partition")                              \
    X(redis_stream_max, "redis-stream-max", "redis_stream_max", NUMBER, FEED_LENGTH_MAX, 0,        \
      UINT32_MAX, IN_SERVE, "N", "events that each stream keeps, about; 0: all of them")

#define OPTIONS_PAGES(X)                                                                           \
    X(page_cache_mb, "page-cache-mb", "page_cache_mb", NUMBER, 32, 0, 1U << 16, IN_SERVE, "N",     \
      "memory for rendered products, a shard; 0: each is read from the store")                     \
    X(page_max_age_s, "page-max-age-s", "page_max_age_s", NUMBER, 1, 0, 24 * 3600, IN_SERVE, "N",  \
      "how long a CDN and browsers may show a product without asking")                             \
    X(page_stale_s, "page-stale-s", "page_stale_s", NUMBER, 30, 0, 24 * 3600, IN_SERVE, "N",       \
      "and how long after that, while they ask (stale-while-revalidate)")                          \
    X(streams_max, "streams-max", "streams_max", NUMBER, 16384, 0, 1U << 20, IN_SERVE, "N",        \
      "streams of events (stock, orders), a shard; more are refused at once")                      \
    X(streams_per_address_max, "streams-per-address-max", "streams_per_address_max", NUMBER, 64,   \
      0, 1U << 20, IN_SERVE, "N",                                                                  \
      "streams of stock from one address, a shard; 0: no limit; none with rate_limits off")

#define OPTIONS_TOP(X)                                                                             \
    OPTIONS_SERVER(X)                                                                              \
    OPTIONS_PAGES(X)                                                                               \
    OPTIONS_OUTBOUND(X)                                                                            \
    OPTIONS_ABUSE(X)                                                                               \
    OPTIONS_PAYMENTS(X)                                                                            \
    OPTIONS_FEED(X)

#define OPTIONS_TLS(X)                                                                             \
    X(tls_cert, "tls-cert", "tls_cert", TEXT, "", 0, 4000, IN_SERVE, "FILE",                       \
      "certificate and its chain (PEM): serve HTTPS; read again when it has changed")              \
    X(tls_key, "tls-key", "tls_key", TEXT, "", 0, 4000, IN_SERVE, "FILE",                          \
      "the certificate's private key (PEM, no passphrase)")                                        \
    X(redirect_listen, "redirect-listen", "redirect_listen", TEXT, "", 0, 260, IN_SERVE,           \
      "HOST:PORT", "address of plain HTTP that only sends to https")                               \
    X(public_hosts, "public-hosts", "public_hosts", LIST, 0, 1, 253, IN_SERVE, "HOST,...",         \
      "names that shoppers reach this shop by; those of the certificate count as well")            \
    X(hsts_max_age_s, "hsts-max-age-s", "hsts_max_age_s", NUMBER, 365 * 24 * 3600, 0,              \
      10 * 365 * 24 * 3600, IN_SERVE, "N",                                                         \
      "how long browsers that came by TLS insist on it; 0: they are not told to")                  \
    X(proxy_protocol, "proxy-protocol", "proxy_protocol", SWITCH, false, 0, 0, IN_SERVE, "on|off", \
      "on: each connection comes from a trusted proxy and begins with its PROXY header")

#define OPTIONS_AVAILABILITY(X)                                                                    \
    X(availability_exact, "availability-exact", "exact", SWITCH, true, 0, 0, IN_SERVE, "on|off",   \
      "off: shoppers are told in_stock, low or out, not how many")

#define OPTIONS_IMPORT(X)                                                                          \
    X(import_target, "target", "target", TEXT, "http://127.0.0.1:8080", 1, 300,                    \
      IN_IMPORT | IN_EXPORT, "URL", "the server")                                                  \
    X(import_ca_file, "ca-file", "ca_file", TEXT, "", 0, 4000, IN_IMPORT | IN_EXPORT, "FILE",      \
      "certificates (PEM) to trust besides this machine's, for a server with TLS")                 \
    X(import_format, "format", "format", CHOICE, "auto", 0, 0, IN_IMPORT | IN_EXPORT,              \
      "auto|csv|shopify-csv|ndjson|bulk",                                                          \
      "the file's format; auto: by its name and how it begins; bulk: to export only, for "         \
      "Elasticsearch and OpenSearch")                                                              \
    X(import_map, "map", "map", LIST, 0, 1, 1000, IN_IMPORT, "FIELD=COLUMN,...",                   \
      "which column gives which field; FIELD:=TEXT for the same text in every row")                \
    X(import_stock, "stock", "stock", CHOICE, "keep", 0, 0, IN_IMPORT, "keep|set|add",             \
      "what to do with the stock of SKUs that exist already")                                      \
    X(import_dry_run, "dry-run", "dry_run", SWITCH, false, 0, 0, IN_IMPORT, "",                    \
      "check and count only, write nothing")

#define OPTIONS_GATEWAY(X)                                                                         \
    X(gateway_ledger, "ledger", "ledger", TEXT, "./stampede-gateway.jsonl", 1, 4000, IN_GATEWAY,   \
      "FILE", "its ledger: a line of JSON an entry; made when it is not there")                    \
    X(gateway_secret, "secret", "secret", TEXT, "", 0, 190, IN_GATEWAY, "KEY",                     \
      "the secret key of its API; without it any that begins with sk_test_ will do")               \
    X(gateway_webhook_url, "webhook-url", "webhook_url", TEXT, "", 0, 2000, IN_GATEWAY, "URL",     \
      "where events are sent to")                                                                  \
    X(gateway_webhook_secret, "webhook-secret", "webhook_secret", LIST, 0, 1, 200, IN_GATEWAY,     \
      "KEY,...", "what events are signed with (whsec_...); several while one replaces another")    \
    X(gateway_misbehave, "misbehave", "misbehave", LIST, 0, 1, 60, IN_GATEWAY, "WORD,...",         \
      "what goes wrong: all, none, or NAME=N as below; also while it runs (/_misbehave)")          \
    X(gateway_seed, "seed", "seed", NUMBER, 0, 0, UINT64_MAX, IN_GATEWAY, "N",                     \
      "what chance and IDs come from; 0: another one at every start")

#define OPTIONS_DRAW(X)                                                                            \
    X(draw_ticket, "ticket", "ticket", TEXT, "", 0, DRAW_TICKET_LENGTH_MAX, IN_VERIFY_DRAW,        \
      "TICKET", "find the place of this ticket")                                                   \
    X(draw_seed_hash, "seed-hash", "seed_hash", TEXT, "", 0, 64, IN_VERIFY_DRAW, "HASH",           \
      "the seed_hash that was published before anybody joined")                                    \
    X(draw_list_hash, "list-hash", "list_hash", TEXT, "", 0, 64, IN_VERIFY_DRAW, "HASH",           \
      "the list_hash that was published when the list closed")

/* Beside a shop on the same machine: what `listen` is for the gateway where nobody said. */
#define OPTIONS_GATEWAY_LISTEN "127.0.0.1:8090"

/* Sections of the configuration file; the empty one is the file's top. */
#define OPTIONS(X)                                                                                 \
    OPTIONS_TOP(X)                                                                                 \
    OPTIONS_AVAILABILITY(X)                                                                        \
    OPTIONS_IMPORT(X)                                                                              \
    OPTIONS_GATEWAY(X)                                                                             \
    OPTIONS_DRAW(X)

enum option_id {
#define X(name, ...) OPTION_##name,
    OPTIONS(X)
#undef X
        OPTION_COUNT
};

/* ---- values ---- */

enum {
    OPTION_LIST_MAX = 32,        /* entries of a LIST */
    OPTION_ERROR_MAX = 600,      /* a line for people, with its terminator */
    OPTION_EXTENSIONS_MAX = 100, /* fits the byte in the record */
};

struct text_list {
    const char *entries[OPTION_LIST_MAX];
    uint32_t count;
};

enum option_source {
    SOURCE_DEFAULT,
    SOURCE_FILE,
    SOURCE_ENVIRONMENT,
    SOURCE_FLAG,
};

#define OPTION_FIELD_TEXT   const char *
#define OPTION_FIELD_CHOICE const char *
#define OPTION_FIELD_NUMBER uint64_t
#define OPTION_FIELD_SWITCH bool
#define OPTION_FIELD_LIST   struct text_list

struct options {
#define X(name, flag, key, type, ...) OPTION_FIELD_##type name;
    OPTIONS(X)
#undef X
    enum option_source sources[OPTION_COUNT];
    enum command_id command;
    const char *config;        /* the configuration file, or NULL */
    const char *argument;      /* the command's own, or NULL */
    bool accept_loss;          /* repair: an operator's word, from the command line only */
    struct option_text *texts; /* what the fields point to */
};

/* ---- from the outside ---- */

enum options_verdict {
    OPTIONS_READY,
    OPTIONS_HELP,    /* print the help: of options->command, or of all where it is the count */
    OPTIONS_VERSION, /* print the version */
    OPTIONS_REFUSED, /* print `error`, exit 2 */
};

/* Reads the command line, the environment (`variables`, as environ) and the configuration file.
 * `error` holds OPTION_ERROR_MAX bytes. options_free in any case. */
enum options_verdict options_read(struct options *options, int argc, char *const argv[],
                                  char *const variables[], char *error);
void options_free(struct options *options);

/* Fills in the table's defaults; for tests, and the first step of options_read. */
void options_set_defaults(struct options *options);

/* Whether this option was given, anywhere. */
bool options_is_given(const struct options *options, enum option_id id);

/* ---- for the parts that read one source each, and for help ---- */

enum option_type { OPTION_TEXT, OPTION_NUMBER, OPTION_SWITCH, OPTION_CHOICE, OPTION_LIST };

struct option_row {
    const char *flag;
    const char *section; /* "" at the top of the file */
    const char *key;
    enum option_type type;
    uint64_t least;
    uint64_t most;
    unsigned commands;
    const char *takes;
    const char *help;
};

extern const struct option_row option_rows[OPTION_COUNT];

/* Sets one option from text. `name` is what the person wrote it as, for the message. A list is
 * replaced when `source` is a higher one, else extended. False with a line in `error`. */
bool options_set(struct options *options, enum option_id id, const char *text,
                 enum option_source source, const char *name, char *error);

/* Where the option's value is, of the type that its row says. */
const void *options_field(const struct options *options, enum option_id id);

/* The value as text, as one would write it. */
void options_print_value(const struct options *options, enum option_id id, FILE *stream);

/* Reads the file; false with a line in `error`. In config_file.c. */
bool config_file_read(struct options *options, const char *path, char *error);

/* Of `count` words, the one that was probably meant, or NULL. */
const char *nearest_word(const char *word, const char *const *words, size_t count);

/* What the person sees as the variable's name; returns `name_out`. */
enum { OPTION_VARIABLE_MAX = 64 };
const char *option_variable(enum option_id id, char name_out[OPTION_VARIABLE_MAX]);

struct command_row {
    const char *words;
    const char *argument;
    const char *summary;
};

extern const struct command_row command_rows[COMMAND_ID_COUNT];

/* Help for one command, or for all of them (COMMAND_ID_COUNT). In help.c. */
void help_print(const struct options *options, FILE *stream);

#endif
