/* SPDX-License-Identifier: Apache-2.0 */
/* A key and its certificate, made by openssl(1): this program has no such library. Salesforce takes any certificate as a name of its public key, so that it signs itself. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/process.h"
#include "client/cli/setup.h"
#include "client/cli/terminal.h"

#define DAYS "730"
#define BITS "rsa:2048"

enum { PRINTED_MAX = 64 * 1024, SUBJECT_MAX = 64, SIGNALLED = 128, CERTIFICATE_MAX = 8192 };

struct pair {
	struct new_file key, certificate;
};

static bool start_file(struct new_file *f, const struct place *p, const char *name,
		       const char *suffix)
{
	char *path = place_path(p, "keys", name, suffix);

	if (!path)
		return false;
	*f = (struct new_file){ .path = path };
	return asprintf(&f->temporary, "%s/keys/.%s%s.new%d", p->directory, name, suffix,
			(int)getpid()) >= 0;
}

static int complain_openssl(int code, const struct bytes *errors)
{
	size_t n = errors->len;

	if (code == -ENOENT)
		return complain(
			EXIT_STATUS_CONFIG,
			"openssl is needed to make a key, and is not installed: apt install openssl, or make a key elsewhere and name it with --private-key");
	if (code < 0)
		return complain(EXIT_STATUS_INTERNAL, "openssl cannot be run: %s", strerror(-code));
	if (code > SIGNALLED)
		return complain(code, "no key was made");
	while (n && errors->data[n - 1] == '\n')
		n--;
	return complain(EXIT_STATUS_INTERNAL, "openssl made no key: %.*s", (int)n, errors->data);
}

/* openssl writes to temporary names, of which nobody knows but us. */
static int run_openssl(const struct pair *pair, const char *name)
{
	struct bytes out = { 0 }, errors = { 0 };
	char subject[SUBJECT_MAX];
	const char *const words[] = {
		"openssl", "req",   "-x509",   "-newkey", BITS,	 "-nodes",
		"-days",   DAYS,    "-sha256", "-subj",	  subject, "-keyout",
		pair->key.temporary, "-out",   pair->certificate.temporary, NULL,
	};
	mode_t before = umask(077);
	int r = 0, code;

	(void)snprintf(subject, sizeof subject, "/CN=sftokend %.40s", name);
	if (bytes_make(&out, PRINTED_MAX) || bytes_make(&errors, PRINTED_MAX))
		code = -ENOMEM;
	else
		code = process_read((char *const *)(uintptr_t)words, &out, &errors);
	if (code)
		r = complain_openssl(code, &errors);
	(void)umask(before);
	bytes_erase(&out);
	bytes_erase(&errors);
	return r;
}

static int print_certificate(const char *path)
{
	char text[CERTIFICATE_MAX];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return complain(EXIT_STATUS_INTERNAL, "%s: %s", path, strerror(errno));
	printf("%.*s", (int)n, text);
	return finish_output();
}

static int place_pair(struct pair *pair, const struct place *p, unsigned flags)
{
	int r = new_file_own(&pair->key, p, FILE_SECRET);

	if (r == 0)
		r = new_file_own(&pair->certificate, p, 0);
	if (r == 0)
		r = new_file_place(&pair->key, flags);
	if (r == 0)
		r = new_file_place(&pair->certificate, flags | FILE_REPLACES);
	return r;
}

static int make(const struct cli *cli, const struct place *p, struct pair *pair)
{
	unsigned flags = cli->setup.force ? FILE_REPLACES : 0;
	int r;

	if (!start_file(&pair->key, p, cli->credential, ".key") ||
	    !start_file(&pair->certificate, p, cli->credential, ".crt"))
		return EXIT_STATUS_INTERNAL;
	if (!cli->setup.force && access(pair->key.path, F_OK) == 0)
		return complain(
			EXIT_STATUS_USAGE,
			"%s is there already: --private-key %s uses it, --force makes a new one in its place",
			pair->key.path, pair->key.path);
	r = run_openssl(pair, cli->credential);
	return r ? r : place_pair(pair, p, flags);
}

int key_make(const struct cli *cli, struct place *p, char **path)
{
	struct pair pair = { 0 };
	sigset_t mask;
	int signals = hold_signals(&mask), r = place_make(p, "keys");

	*path = NULL;
	if (r == 0)
		r = make(cli, p, &pair);
	if (r) {
		new_file_undo(&pair.certificate);
		new_file_undo(&pair.key);
	}
	release_signals(signals, &mask); /* Ctrl-C has ended openssl, and ends us now */
	if (r)
		return r;
	fprintf(stderr,
		"\nA key was made, which stays here: %s\nIts certificate, %s, is for Salesforce:\n\n",
		pair.key.path, pair.certificate.path);
	r = print_certificate(pair.certificate.path);
	*path = strdup(pair.key.path);
	new_file_keep(&pair.certificate);
	new_file_keep(&pair.key);
	return r || *path ? r : complain(EXIT_STATUS_INTERNAL, "out of memory");
}
