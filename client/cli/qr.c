/* SPDX-License-Identifier: Apache-2.0 */
/* libqrencode, loaded if it is there: a login works without it, so it is no dependency, and its header is none either (qrencode.h 4.1: what is declared here is its ABI). */
#include "client/cli/qr.h"

#include <dlfcn.h>
#include <langinfo.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client/cli/table.h"

#define LIBRARY "libqrencode.so.4"

enum { LEVEL_LOW = 0, MODE_8 = 2, QUIET_ZONE = 4, DARK = 1 };

struct code {
	int version, width;
	unsigned char *data; /* width * width modules */
};

struct qrencode {
	struct code *(*encode_string)(const char *text, int version, int level, int mode,
				      int case_sensitive);
	void (*free)(struct code *code);
};

static bool find(void *library, const char *name, void *function)
{
	void *symbol = dlsym(library, name);

	memcpy(function, &symbol, sizeof symbol);
	return symbol != NULL;
}

static bool terminal_speaks_utf8(void)
{
	(void)setlocale(LC_CTYPE, "");
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static bool fits(int modules)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= modules &&
	       size.ws_row >= (modules + 1) / 2;
}

static bool is_dark(const struct code *code, int x, int y)
{
	return x >= 0 && y >= 0 && x < code->width && y < code->width &&
	       (code->data[y * code->width + x] & DARK);
}

/* Two rows of modules in one of characters, black on white whatever the terminal's own colours are. */
static void print_code(const struct code *code)
{
	static const char *const blocks[] = { " ", "▀", "▄", "█" };

	for (int y = -QUIET_ZONE; y < code->width + QUIET_ZONE; y += 2) {
		fputs("\033[38;5;16;48;5;231m", stdout);
		for (int x = -QUIET_ZONE; x < code->width + QUIET_ZONE; x++)
			fputs(blocks[is_dark(code, x, y) + 2 * is_dark(code, x, y + 1)], stdout);
		fputs("\033[0m\n", stdout);
	}
	putchar('\n');
}

static bool load(struct qrencode *out)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	return library && find(library, "QRcode_encodeString", &out->encode_string) &&
	       find(library, "QRcode_free", &out->free);
}

void qr_print(const char *text)
{
	struct qrencode qrencode;
	struct code *code;

	if (!colours_wanted() || !terminal_speaks_utf8() || !load(&qrencode))
		return;
	code = qrencode.encode_string(text, 0, LEVEL_LOW, MODE_8, 1);
	if (!code)
		return;
	if (fits(code->width + 2 * QUIET_ZONE))
		print_code(code);
	qrencode.free(code);
}
