/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/http_header.h"

#include <stddef.h>
#include <string.h>

/* A number of exactly n digits at *at, which moves on; -1: none. */
static int digits(const char **at, int n)
{
	int value = 0;

	while (n--) {
		if (**at < '0' || **at > '9')
			return -1;
		value = value * 10 + *(*at)++ - '0';
	}
	return value;
}

/* One of n three-letter names; its index, or -1. */
static int name(const char **at, const char *names, int n)
{
	for (int i = 0; i < n; i++) {
		if (!strncmp(*at, names + 3 * i, 3)) {
			*at += 3;
			return i;
		}
	}
	return -1;
}

static int literal(const char **at, const char *text)
{
	size_t size = strlen(text);

	if (strncmp(*at, text, size) != 0)
		return -1;
	*at += size;
	return 0;
}

/* Days since 1970-01-01 of a date in the Gregorian calendar (Howard Hinnant's days_from_civil). month: 1..12 */
static int64_t days(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = y / 400, of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* "06 Nov 1994" as days since 1970; -1: none. */
static int64_t read_day(const char **at)
{
	int day = digits(at, 2), month, year;

	if (day < 1 || day > 31 || literal(at, " ") < 0)
		return -1;
	month = name(at, "JanFebMarAprMayJunJulAugSepOctNovDec", 12) + 1;
	if (month < 1 || literal(at, " ") < 0)
		return -1;
	year = digits(at, 4);
	return year < 1970 ? -1 : days(year, month, day);
}

/* "08:49:37" as seconds; -1: none. A leap second counts as the next one. */
static int read_time(const char **at)
{
	int hour = digits(at, 2), minute, second;

	if (hour < 0 || hour > 23 || literal(at, ":") < 0)
		return -1;
	minute = digits(at, 2);
	if (minute < 0 || minute > 59 || literal(at, ":") < 0)
		return -1;
	second = digits(at, 2);
	return second < 0 || second > 60 ? -1 : hour * 3600 + minute * 60 + second;
}

int64_t http_header_date(const char *text)
{
	const char *at = text;
	int64_t day;
	int time;

	if (name(&at, "MonTueWedThuFriSatSun", 7) < 0 || literal(&at, ", ") < 0)
		return 0;
	day = read_day(&at);
	if (day < 0 || literal(&at, " ") < 0)
		return 0;
	time = read_time(&at);
	if (time < 0 || strcmp(at, " GMT") != 0)
		return 0;
	return (day * 86400 + time) * 1000;
}

int64_t http_header_retry_after(const char *text, int64_t now_real_ms, int64_t max_ms)
{
	size_t size = strlen(text);
	int64_t ms = 0;

	if (size && strspn(text, "0123456789") == size) {
		for (; *text && ms < max_ms; text++)
			ms = ms * 10 + (int64_t)(*text - '0') * 1000;
	} else {
		ms = http_header_date(text);
		ms = ms ? ms - now_real_ms : 0;
	}
	if (ms <= 0)
		return 0;
	return ms < max_ms ? ms : max_ms;
}
