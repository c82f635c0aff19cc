/* SPDX-License-Identifier: Apache-2.0 */
/* sftoken metrics: joins the pieces of Manager.Metrics, and puts them where node_exporter's textfile collector finds them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/reply.h"

/* Each piece moves on by at least one credential of one family; a daemon that does not is none of ours. */
enum { PIECES_MAX = 100 * 1000 };

/* What the file says when there is no daemon: what is not told any more must not look as if it were. */
static const char absent[] = "# HELP sftokend_up 1: the daemon has answered.\n"
			     "# TYPE sftokend_up gauge\n"
			     "sftokend_up 0\n";

static struct json_object *ask_after(const struct cli *cli, struct sftoken *h, const char *after,
				     int *status)
{
	struct json_object *call = json.object_new_object(), *reply;

	if (after)
		json.object_object_add(call, "after", json.object_new_string(after));
	reply = ask(cli, h, "io.sftoken.Manager.Metrics", json.object_to_json_string(call), status);
	json.object_put(call);
	return reply;
}

/* Writes all pieces: their text, or with --json each as it came. 0 or an exit status after a complaint. */
static int write_pieces(const struct cli *cli, struct sftoken *h, FILE *out)
{
	struct json_object *piece, *before = NULL;
	const char *next = NULL;
	int status = 0;

	for (int i = 0; i < PIECES_MAX; i++) {
		piece = ask_after(cli, h, next, &status);
		json.object_put(before);
		if (!piece)
			return status;
		fputs(cli->json ? json.object_to_json_string(piece) : text_of(piece, "text"), out);
		if (cli->json)
			fputc('\n', out);
		next = text_of(piece, "next");
		before = piece;
		if (next)
			continue;
		json.object_put(piece);
		return 0;
	}
	json.object_put(before);
	return complain(EXIT_STATUS_INTERNAL, "the metrics of this daemon have no end");
}

static int complain_file(const char *what, const char *path)
{
	return complain(EXIT_STATUS_INTERNAL, "cannot %s %s: %s", what, path, strerror(errno));
}

/* Closes it in any case. On the disk before it has its name: after a power cut there is the old file or the new one, never an empty one. */
static int finish(FILE *f, const char *path)
{
	bool bad = fflush(f) != 0 || ferror(f) || fsync(fileno(f)) < 0;
	int errnum = errno;

	if (fclose(f) != 0 && !bad) {
		bad = true;
		errnum = errno;
	}
	errno = errnum;
	return bad ? complain_file("write", path) : 0;
}

/* A file beside it whose name the collector does not read (not *.prom); *f is open. NULL after a complaint. */
static char *begin_file(const char *path, FILE **f)
{
	char *temporary = NULL;
	int fd;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
		complain(EXIT_STATUS_INTERNAL, "out of memory");
		return NULL;
	}
	fd = mkostemp(temporary, O_CLOEXEC);
	*f = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (*f && fchmod(fd, 0644) == 0) /* the collector is another user */
		return temporary;
	complain_file("make", temporary);
	if (*f)
		fclose(*f);
	else if (fd >= 0)
		close(fd);
	if (fd >= 0)
		unlink(temporary);
	free(temporary);
	return NULL;
}

/* An absent daemon is news, too: the file says so, and the exit status as well. Anything else leaves the file as it was. */
static int fill_file(const struct cli *cli, FILE *f)
{
	struct sftoken *h = NULL;
	int r = open_manager(cli, &h);

	if (r == 0)
		r = write_pieces(cli, h, f);
	sftoken_close(h);
	if (r != EXIT_STATUS_NO_DAEMON && r != EXIT_STATUS_TRY_AGAIN)
		return r;
	if (fseek(f, 0, SEEK_SET) < 0 || ftruncate(fileno(f), 0) < 0)
		return complain_file("write", cli->output);
	fputs(absent, f);
	return r;
}

static int to_file(const struct cli *cli)
{
	FILE *f = NULL;
	char *temporary = begin_file(cli->output, &f);
	int r, written;
	bool news;

	if (!temporary)
		return EXIT_STATUS_INTERNAL;
	r = fill_file(cli, f);
	written = finish(f, temporary);
	news = r == 0 || r == EXIT_STATUS_NO_DAEMON || r == EXIT_STATUS_TRY_AGAIN;
	if (written == 0 && news && rename(temporary, cli->output) < 0)
		written = complain_file("make", cli->output);
	if (written || !news)
		unlink(temporary);
	free(temporary);
	return written ? written : r;
}

int cmd_metrics(struct cli *cli)
{
	struct sftoken *h;
	int r;

	if (cli->output)
		return to_file(cli);
	r = open_manager(cli, &h);
	if (r)
		return r;
	r = write_pieces(cli, h, stdout);
	sftoken_close(h);
	return r ? r : finish_output();
}
