/* SPDX-License-Identifier: Apache-2.0 */
/* Text without state: names, numbers, dates, status lines. Any thread. Private to net/http. */
#ifndef STAMPEDE_HTTP_TEXT_H
#define STAMPEDE_HTTP_TEXT_H

#include "http/http.h"

enum {
    HTTP_DATE_LINE_LENGTH = 37, /* "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" */
    HTTP_SERIAL_LENGTH = 20,    /* of a request ID made here */
};

bool http_text_equal(struct http_slice text, const char *lower_case);
bool http_slice_equal_nocase(struct http_slice one, struct http_slice other);
size_t http_text_decimal(char *target, uint64_t value);
size_t http_text_hexadecimal(char *target, uint64_t value);
void http_text_date_line(uint64_t seconds, char line_out[HTTP_DATE_LINE_LENGTH + 1]);
/* The next of a sequence of printable serials, in place (hexadecimal). */
void http_text_serial_next(char serial[HTTP_SERIAL_LENGTH + 1]);
struct http_slice http_status_line(int status);
/* HTTP_HEADER_COUNT: not a known one. */
enum http_header http_header_lookup(const char *name, size_t length);
const char *http_header_name(enum http_header header);
bool http_header_is_single(enum http_header header);

#endif
