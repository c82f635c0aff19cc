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

/*
 * The place, after the first len bytes of path, which are our directory. Returns how much of it is whoever's who could replace this program as well; what follows is to be looked at. 0: there is no
 * such place.
 */
static size_t place(size_t i, char path[PATH_SIZE], size_t len)
{
	static const char *const beside[] = { "../libexec/sftoken/" MORE_NAME, MORE_NAME };
	const char *more = i < PLACES - 1 ? beside[i] : MORE_FOLDER "/" MORE_NAME;

	if (i == PLACES - 1)
		len = 0;
	else if (len == 0 || (i == 0 && !ends_in_bin(path, len)) || len + strlen(more) >= PATH_SIZE)
		return 0;
	memcpy(path + len, more, strlen(more) + 1);
	if (i == PLACES - 1)
		return sizeof MORE_FOLDER;
	return i == 0 ? len + sizeof "../" - 1 : len;
}

/* It itself, not what a link leads to, is root's or of the owner of this program, and nobody else can change it. */
static bool is_ours(const char *path)
{
	struct stat self, it;

	if (lstat(path, &it) < 0 || S_ISLNK(it.st_mode) || (it.st_mode & S_IWOTH))
		return false;
	return it.st_uid == 0 || (stat(SELF, &self) == 0 && it.st_uid == self.st_uid);
}

/*
 * A copy of sftoken may lie where anybody can put something beside it or above it, for example below /tmp. The folders are looked at, too: whoever has one of them could put another file there after
 * the look and before it is loaded.
 */
static bool is_trusted(char path[PATH_SIZE], size_t believed)
{
	char *at = path + believed;
	bool ours = true;

	while (ours && (at = strchr(at, '/')) != NULL) {
		*at = '\0';
		ours = is_ours(path);
		*at++ = '/';
	}
	return ours && is_ours(path);
}

static int complain_missing(const char *command)
{
	char path[PATH_SIZE];
	size_t len = own_directory(path);

	return complain(EXIT_STATUS_INTERNAL,
			"%s needs " MORE_NAME
			", which is neither in %.*s../libexec/sftoken nor in " MORE_FOLDER
			" (or somebody else could change it): install the package sftoken whole",
			command, (int)len, path);
}

int more_run(const struct cli *cli, int argc, char **argv)
{
	char path[PATH_SIZE];
	size_t len = own_directory(path);
	int (*more)(int argc, char **argv);

	for (size_t i = 0; i < PLACES; i++) {
		size_t believed = place(i, path, len);
		void *library, *symbol;

		if (believed == 0 || !is_trusted(path, believed))
			continue;
		library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		symbol = library ? dlsym(library, MORE_ENTRY) : NULL;
		if (!symbol)
			return complain(
				EXIT_STATUS_INTERNAL,
				"%s cannot be loaded (%s): install the package sftoken whole", path,
				dlerror());
		memcpy(&more, &symbol, sizeof more); /* as POSIX wants dlsym() to be used */
		return more(argc, argv);
	}
	return complain_missing(cli->command->name);
}
