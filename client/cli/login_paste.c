/* SPDX-License-Identifier: Apache-2.0 */
/* The address may hold a token: it is not shown, and not even in the kernel's line buffer, which would cut it at 4095 bytes. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/login.h"

enum {
	PASTE_MAX = REDIRECT_HEAD_MAX + REDIRECT_BODY_MAX,
	ERASE_LINE = 'U' - '@',
	BACKSPACE = '\b',
	DELETE = 0x7f
};

bool paste_begin(struct paste *p)
{
	*p = (struct paste){ .wanted = false };
	if (!isatty(STDIN_FILENO) || bytes_make(&p->line, PASTE_MAX + 1))
		return false;
	p->wanted = true;
	(void)paste_fd(p); /* shows nothing from now on */
	return true;
}

void paste_pause(struct paste *p)
{
	terminal_show(&p->terminal);
}

void paste_end(struct paste *p)
{
	paste_pause(p);
	bytes_erase(&p->line);
	p->wanted = p->ready = false;
}

int paste_fd(struct paste *p)
{
	if (!p->wanted || p->ready || !terminal_is_ours(STDIN_FILENO))
		return -1;
	if (!p->terminal.hidden && !terminal_hide(&p->terminal, STDIN_FILENO, TERMINAL_BYTES))
		return -1;
	return STDIN_FILENO;
}

void paste_clear(struct paste *p)
{
	explicit_bzero(p->line.data, p->line.room);
	p->line.len = 0;
	p->ready = false;
}

/* An address as it stands in a browser's bar. */
static bool is_address(const struct bytes *line)
{
	const char *colon = memchr(line->data, ':', line->len),
		   *part = memchr(line->data, '#', line->len);

	if (!part)
		part = memchr(line->data, '?', line->len);
	return colon && part && colon < part;
}

/* True: the line is complete. */
static bool take(struct paste *p, char c)
{
	if (c == '\r' || c == '\n')
		return true;
	if (c == ERASE_LINE) {
		paste_clear(p);
	} else if (c == BACKSPACE || c == DELETE) {
		p->line.len -= p->line.len > 0;
		p->line.data[p->line.len] = '\0';
	} else if (c > ' ' && c <= '~' && p->line.len < PASTE_MAX) {
		p->line.data[p->line.len++] = c;
	}
	return false;
}

bool paste_read(struct paste *p)
{
	char c;
	ssize_t n;

	n = read(STDIN_FILENO, &c,
		 1); /* a byte at a time: what is behind the line stays with the kernel */
	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
		paste_end(p);
	if (n != 1 || !take(p, c) || p->line.len == 0)
		return false;
	p->line.data[p->line.len] = '\0';
	p->ready = p->line.len < PASTE_MAX && is_address(&p->line);
	if (!p->ready)
		paste_clear(p);
	return true;
}
