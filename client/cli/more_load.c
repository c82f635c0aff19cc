/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/more.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SELF "/proc/self/exe"

enum { PATH_SIZE = 4096, PLACES = 3 };

/* The directory of this program, with its slash, at the begin of path; how long that is. 0: not known. */
static size_t own_directory(char path[PATH_SIZE])
{
	ssize_t n = readlink(SELF, path, PATH_SIZE - 1);
	const char *slash;

	if (n <= 0)
		return 0;
	path[n] = '\0';
	slash = strrchr(path, '/');
	return slash ? (size_t)(slash - path) + 1 : 0;
}

static bool ends_in_bin(const char *path, size_t len)
{
	static const char bin[] = "/bin/";
	const size_t n = sizeof bin - 1;

	return len >= n && memcmp(path + len - n, bin, n) == 0;
}

/* The place after the first len bytes of path, which are our directory. False: it is none. */
static bool place(size_t i, char path[PATH_SIZE], size_t len)
{
	static const char *const beside[] = { "../libexec/sftoken/" MORE_NAME, MORE_NAME };
	const char *more = i < PLACES - 1 ? beside[i] : MORE_FOLDER "/" MORE_NAME;

	if (i == PLACES - 1)
		len = 0;
	else if (len == 0 || (i == 0 && !ends_in_bin(path, len)) || len + strlen(more) >= PATH_SIZE)
		return false;
	memcpy(path + len, more, strlen(more) + 1);
	return true;
}

/* A copy of sftoken may lie where anybody can put something beside it or above it, for example below /tmp. */
static bool is_trusted(const char *path)
{
	struct stat self, more;

	if (stat(path, &more) < 0)
		return false;
	return more.st_uid == 0 || (stat(SELF, &self) == 0 && more.st_uid == self.st_uid);
}

static int complain_missing(const char *command)
{
	char path[PATH_SIZE];
	size_t len = own_directory(path);

	return complain(EXIT_STATUS_INTERNAL,
			"%s needs " MORE_NAME
			", which is neither in %.*s../libexec/sftoken nor in " MORE_FOLDER
			" (or is somebody else's): install the package sftoken whole",
			command, (int)len, path);
}

int more_run(const struct cli *cli, int argc, char **argv)
{
	char path[PATH_SIZE];
	size_t len = own_directory(path);
	int (*more)(int argc, char **argv);

	for (size_t i = 0; i < PLACES; i++) {
		void *library, *symbol;

		if (!place(i, path, len) || !is_trusted(path))
			continue;
		library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		symbol = library ? dlsym(library, MORE_ENTRY) : NULL;
		if (!symbol)
			return complain(EXIT_STATUS_INTERNAL,
					"%s cannot be loaded: install the package sftoken whole",
					path);
		memcpy(&more, &symbol, sizeof more); /* as POSIX wants dlsym() to be used */
		return more(argc, argv);
	}
	return complain_missing(cli->command->name);
}
