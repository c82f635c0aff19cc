/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdio.h>
#include <string.h>

/* Texts go to terminals and logs: C0, DEL and the two-byte C1 characters must not act there. */
static void clean(char *text)
{
	unsigned char *u = (unsigned char *)text;

	for (; *u; u++) {
		if (*u < 0x20 || *u == 0x7f) {
			*u = '?';
		} else if (u[0] == 0xc2 && u[1] >= 0x80 && u[1] <= 0x9f) {
			u[0] = '?';
			u[1] = '?';
		}
	}
}

/* A text that was cut at the end must not end within a character. */
static void cut(char *text, size_t len)
{
	size_t at = len;

	while (at > 0 && ((unsigned char)text[at - 1] & 0xc0) == 0x80)
		at--;
	if (at > 0 && (unsigned char)text[at - 1] >= 0xc0) {
		unsigned char lead = (unsigned char)text[at - 1];
		size_t want = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

		if (len - (at - 1) < want)
			text[at - 1] = '\0';
	}
}

/* after: appended as it is, also when the formatted part is so long that it has to give way. The arguments may point into err. */
__attribute__((format(printf, 4, 0))) static void fill(struct err *err, enum err_code code,
						       const char *after, const char *format,
						       va_list args)
{
	char text[ERR_TEXT_MAX + 1];
	size_t room = sizeof(text) - strlen(after);
	int n = vsnprintf(text, room, format, args);

	if (n < 0)
		text[0] = '\0';
	else if ((size_t)n >= room)
		cut(text, room - 1);
	memcpy(text + strlen(text), after, strlen(after) + 1);
	clean(text);
	memcpy(err->text, text, strlen(text) + 1);
	err->code = code;
	err->retry_after_ms = 0;
}

int err_set(struct err *err, enum err_code code, const char *format, ...)
{
	va_list args;

	if (err) {
		va_start(args, format);
		fill(err, code, "", format, args);
		va_end(args);
	}
	return -(int)code;
}

int err_errno(struct err *err, enum err_code code, int errnum, const char *format, ...)
{
	const char *name = strerrordesc_np(errnum);
	char after[100];
	va_list args;

	if (err) {
		if (name)
			snprintf(after, sizeof(after), ": %s", name);
		else
			snprintf(after, sizeof(after), ": error %d", errnum);
		va_start(args, format);
		fill(err, code, after, format, args);
		va_end(args);
	}
	return -(int)code;
}

int err_prefix(struct err *err, const char *format, ...)
{
	char prefix[ERR_TEXT_MAX + 1];
	int64_t retry_after_ms;
	va_list args;

	if (!err)
		return -ERR_INTERNAL;
	va_start(args, format);
	if (vsnprintf(prefix, sizeof(prefix), format, args) < 0)
		prefix[0] = '\0';
	va_end(args);
	retry_after_ms = err->retry_after_ms;
	err_set(err, err->code, "%s: %s", prefix, err->text);
	err->retry_after_ms = retry_after_ms;
	return -(int)err->code;
}

int err_oom(struct err *err)
{
	return err_set(err, ERR_INTERNAL, "out of memory");
}
