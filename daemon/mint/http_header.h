/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two header fields that we believe: Retry-After and Date (RFC 9110 10.2.3 and 6.6.1). Pure.
 */
#ifndef MINT_HTTP_HEADER_H
#define MINT_HTTP_HEADER_H

#include <stdint.h>

/* "Sun, 06 Nov 1994 08:49:37 GMT" in milliseconds since 1970; 0: not such a date (the obsolete forms are not read), or before 1970. */
int64_t http_header_date(const char *text);

/*
 * Retry-After in milliseconds, 0: none. Seconds or a date, which counts from now_real_ms (the server's clock if it is known). A date that is past,
 * 0 and what is neither are none; what is more than max_ms becomes max_ms, numbers of any length too.
 */
int64_t http_header_retry_after(const char *text, int64_t now_real_ms, int64_t max_ms);

#endif
