/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/progress.h"

#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ERASE "\r\033[K"

enum { TEXT_MAX = 512, COLUMNS = 80 };

static volatile sig_atomic_t is_shown;

bool progress_wanted(const struct cli *cli)
{
	return !cli->quiet && !cli->json && isatty(STDERR_FILENO);
}

static void put(const char *text, size_t n)
{
	ssize_t ignored = write(STDERR_FILENO, text, n);

	(void)ignored;
}

void progress_erase(void)
{
	if (is_shown)
		put(ERASE, sizeof ERASE - 1);
	is_shown = 0;
}

/* Ends as the signal would have ended us, without a line that stays behind. */
static void end(int number)
{
	struct sigaction action = { .sa_handler = SIG_DFL };

	progress_erase();
	(void)sigaction(number, &action, NULL);
	(void)raise(number);
}

static void erase_at_end(void)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	static bool done;

	for (size_t i = 0; !done && i < sizeof ends / sizeof ends[0]; i++) {
		struct sigaction action = { .sa_handler = end }, before;

		if (sigaction(ends[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
			(void)sigaction(ends[i], &action, NULL);
	}
	done = true;
}

static size_t columns(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : COLUMNS;
}

/* One line of so many columns at most; what others wrote does not move the cursor. Bytes of a character stay together. */
static void tidy(char *text, size_t room)
{
	size_t shown = 0;

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < ' ' || c == 0x7f)
			*text = '?';
		if ((c & 0xc0) != 0x80 && ++shown > room) {
			*text = '\0';
			return;
		}
	}
}

void progress_show(const struct cli *cli, const char *format, ...)
{
	char text[TEXT_MAX] = ERASE;
	va_list args;

	if (!progress_wanted(cli))
		return;
	va_start(args, format);
	(void)vsnprintf(text + sizeof ERASE - 1, sizeof text - sizeof ERASE, format, args);
	va_end(args);
	tidy(text + sizeof ERASE - 1, columns() - 1);
	erase_at_end();
	is_shown = 1;
	put(text, strlen(text));
}
