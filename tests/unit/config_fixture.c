/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/config_fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/mint/check.h"

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	abort();
}

void fixture_init(struct fixture *f)
{
	*f = (struct fixture){ .uid = geteuid() };
	snprintf(f->dir, sizeof(f->dir), "/tmp/sftokend-test-XXXXXX");
	must(mkdtemp(f->dir) != NULL, f->dir);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

void fixture_fini(struct fixture *f)
{
	nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(f->problems);
	free(f->merged);
	f->problems = f->merged = NULL;
}

const char *fixture_path(const struct fixture *f, const char *path)
{
	static char turns[4][512];
	static unsigned turn;
	char *text = turns[turn++ % 4];

	snprintf(text, sizeof(turns[0]), "%s/%s", f->dir, path);
	return text;
}

static void make_folders(const char *file)
{
	char folder[512];

	snprintf(folder, sizeof(folder), "%s", file);
	for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(folder, 0755) == 0)
			must(chmod(folder, 0755) == 0, folder);
		*slash = '/';
	}
}

void fixture_write_bytes(const struct fixture *f, const char *path, const void *bytes, size_t size,
			 mode_t mode)
{
	const char *whole = fixture_path(f, path);
	FILE *file;

	make_folders(whole);
	unlink(whole);
	file = fopen(whole, "w");
	must(file != NULL, whole);
	must(fwrite(bytes, 1, size, file) == size, whole);
	must(fclose(file) == 0, whole);
	must(chmod(whole, mode) == 0, whole);
}

void fixture_write(const struct fixture *f, const char *path, const char *text)
{
	text = fixture_expand(f, text);
	fixture_write_bytes(f, path, text, strlen(text), 0644);
}

void fixture_good(const struct fixture *f)
{
	fixture_write_bytes(f, "secret.txt", "s3cret\n", 7, 0600);
	fixture_write_bytes(f, "key.pem", "pem\n", 4, 0600);
	fixture_write(f, "credentials/good.conf",
		      "[Credential]\nGrantType=client_credentials\nLoginUrl=https://"
		      "good.my.salesforce.com\nClientId=id\n"
		      "ClientSecret=file:@DIR@/secret.txt\n");
}

/* Replaces every needle; the caller frees. */
static char *replace(const char *text, const char *needle, const char *by)
{
	char *out = NULL;
	size_t size;
	FILE *to = open_memstream(&out, &size);

	must(to != NULL, "memory");
	for (const char *at; (at = strstr(text, needle)); text = at + strlen(needle))
		fprintf(to, "%.*s%s", (int)(at - text), text, by);
	fputs(text, to);
	must(fclose(to) == 0, "memory");
	return out;
}

const char *fixture_expand(const struct fixture *f, const char *text)
{
	static char out[1 << 16];
	char *whole = replace(text, "@DIR@", f->dir);

	snprintf(out, sizeof(out), "%s", whole);
	free(whole);
	return out;
}

static void take(const struct fixture *f, char **to, char *text)
{
	char prefix[80];

	snprintf(prefix, sizeof(prefix), "%s/", f->dir);
	free(*to);
	*to = replace(text, prefix, "");
	free(text);
}

const char *fixture_check(struct fixture *f)
{
	char *problems = NULL, *merged = NULL;
	size_t a, b;
	FILE *err = open_memstream(&problems, &a), *out = open_memstream(&merged, &b);
	struct places places = { .config_option = strdup(f->dir),
				 .state_option = strdup("/var/lib/x"),
				 .runtime_option = strdup("/run/x") };

	must(err && out && places_resolve(&places, NULL) == 0, "places");
	f->status = configuration_check(&places, f->uid, f->check_key, false, out, err);
	must(fclose(err) == 0 && fclose(out) == 0, "memory");
	take(f, &f->problems, problems);
	take(f, &f->merged, merged);
	places_fini(&places);
	return f->problems;
}
