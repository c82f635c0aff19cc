/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/http_header.h"
#include "tests/unit/check.h"

enum { MAX = 3600 * 1000 };
static const int64_t now = INT64_C(784111777000); /* Sun, 06 Nov 1994 08:49:37 GMT */

TEST(dates)
{
	static const struct {
		const char *text;
		int64_t s;
	} rows[] = {
		{ "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
		{ "Thu, 01 Jan 1970 00:00:01 GMT", 1 },
		{ "Tue, 29 Feb 2000 12:00:00 GMT", 951825600 },
		{ "Tue, 19 Jan 2038 03:14:08 GMT", 2147483648 },
		{ "Fri, 31 Dec 2100 23:59:59 GMT", 4133980799 },
		{ "Sat, 31 Dec 2016 23:59:60 GMT", 1483228800 },
		{ "", 0 },
		{ "Sun, 06 Nov 1994 08:49:37", 0 },
		{ "Sun, 06 Nov 1994 08:49:37 UTC", 0 },
		{ "Sun, 06 Nov 1994 08:49:37 GMT ", 0 },
		{ "Sunday, 06-Nov-94 08:49:37 GMT", 0 },
		{ "Sun Nov  6 08:49:37 1994", 0 },
		{ "Xxx, 06 Nov 1994 08:49:37 GMT", 0 },
		{ "Sun, 00 Nov 1994 08:49:37 GMT", 0 },
		{ "Sun, 32 Nov 1994 08:49:37 GMT", 0 },
		{ "Sun, 06 Foo 1994 08:49:37 GMT", 0 },
		{ "Sun, 06 Nov 1969 08:49:37 GMT", 0 },
		{ "Sun, 06 Nov 1994 24:49:37 GMT", 0 },
		{ "Sun, 06 Nov 1994 08:60:37 GMT", 0 },
		{ "Sun, 06 Nov 1994 08:49:61 GMT", 0 },
		{ "Sun, 6 Nov 1994 08:49:37 GMT", 0 },
		{ "Sun, 06 Nov -994 08:49:37 GMT", 0 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		check_row(rows[i].text);
		CHECK_INT(http_header_date(rows[i].text), rows[i].s * 1000);
	}
}

TEST(retry_after)
{
	static const struct {
		const char *text;
		int64_t ms;
	} rows[] = {
		{ "1", 1000 },
		{ "120", 120000 },
		{ "3600", MAX },
		{ "3601", MAX },
		{ "100000000000000000000", MAX },
		{ "99999999999999999999999999999999999999999999999999", MAX },
		{ "0", 0 },
		{ "000", 0 },
		{ "", 0 },
		{ "-5", 0 },
		{ "+5", 0 },
		{ "1e20", 0 },
		{ "5 s", 0 },
		{ " 5", 0 },
		{ "5.5", 0 },
		{ "soon", 0 },
		{ "Sun, 06 Nov 1994 08:49:47 GMT", 10000 },
		{ "Sun, 06 Nov 1994 08:49:37 GMT", 0 },
		{ "Sun, 06 Nov 1994 08:49:27 GMT", 0 },
		{ "Tue, 19 Jan 2038 03:14:08 GMT", MAX },
		{ "Sunday, 06-Nov-94 08:49:47 GMT", 0 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		check_row(rows[i].text);
		CHECK_INT(http_header_retry_after(rows[i].text, now, MAX), rows[i].ms);
	}
}

CHECK_MAIN()
