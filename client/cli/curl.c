/* SPDX-License-Identifier: Apache-2.0 */
/*
 * curl: a request with a token. A 401 means that Salesforce has refused the token: it is reported, and the request is sent once more with the new one, where that does no harm. The body of that
 * first answer is not shown then, nor what curl says of it if the second try succeeds.
 */
#include "client/cli/curl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/cli.h"

enum { UNAUTHORIZED = 401 };

static const char *field(const struct sftoken_token *t, const char *name)
{
	char none[1];
	const char *value = sftoken_token_field(t, name, none, sizeof none);

	return value ? value : "";
}

static int64_t generation_of(const struct sftoken_token *t)
{
	char buffer[32];
	const char *digits = sftoken_token_field(t, "generation", buffer, sizeof buffer);

	return digits ? strtoll(digits, NULL, 10) : 0;
}

static int complain_url(const char *word, const char *instance_url)
{
	if (errno == ENOMEM)
		return complain(EXIT_STATUS_INTERNAL, "out of memory");
	return complain(
		EXIT_STATUS_USAGE,
		"%s is no address of %s, and the token goes nowhere else: write the path alone",
		word, instance_url);
}

static int complain_word(const char *word, const char *instance_url)
{
	if (*word == '-')
		return complain(
			EXIT_STATUS_USAGE,
			"%s of curl cannot be used here: the token could go to another address with it, or it is not known (options are written in full)",
			word);
	return complain_url(word, instance_url);
}

/* Why a 401 is not answered by a second try; NULL: it is. */
static const char *no_retry(const struct cli *cli, const struct curl_request *q)
{
	if (q->dumps)
		return NULL;
	if (q->spent)
		return "what it sent came from standard input, and is gone";
	if (!q->safe && !cli->retry_unsafe)
		return "it may have changed something; --retry-unsafe repeats such requests, too";
	return NULL;
}

/* The refusal after all; what curl says, or that it could not be written. */
static int show_held(struct curl_run *run)
{
	int r = curl_write_out(run->held, run->n_held);

	run->n_held = 0;
	curl_show_errors(run, 0);
	return run->status ? run->status : r;
}

/* Says that Salesforce refused the generation, and takes a newer one; NULL: there is none, and if err->code is set that says why. */
static struct sftoken_token *take_new(const struct cli *cli, struct sftoken *h, int64_t generation,
				      struct sftoken_err *err)
{
	struct sftoken_get_options o = get_options(cli);
	struct sftoken_token *t = NULL;
	int64_t current;
	int accepted;

	err->code = 0;
	if (sftoken_report(h, cli->credential, generation, UNAUTHORIZED, NULL, &accepted, &current,
			   err) < 0)
		return NULL;
	o.rejected_generation = generation;
	if (sftoken_get(h, &o, &t, err) < 0)
		return NULL;
	err->code = 0;
	if (generation_of(t) != generation)
		return t;
	sftoken_token_free(t);
	return NULL;
}

static void report(const struct cli *cli, struct sftoken *h, int64_t generation, const char *why)
{
	struct sftoken_err err;
	int64_t current;
	int accepted;

	if (sftoken_report(h, cli->credential, generation, UNAUTHORIZED, NULL, &accepted, &current,
			   &err) < 0)
		(void)complain_err(cli, &err);
	else if (!cli->quiet)
		complain(0,
			 "Salesforce refused the token (generation %" PRId64
			 "), which is being checked; the request was not repeated: %s",
			 generation, why);
}

static int run_again(const struct cli *cli, struct sftoken *h, int64_t generation,
		     struct curl_run *run)
{
	struct sftoken_err err;
	struct sftoken_token *t = take_new(cli, h, generation, &err);
	size_t first = run->n_errors;
	int r = 0;

	if (!t) {
		r = show_held(run);
		if (err.code)
			(void)complain_err(cli, &err);
		return r;
	}
	run->token = field(t, "accessToken");
	run->hold = false;
	r = curl_run(run);
	sftoken_token_free(t);
	curl_show_errors(run, r || run->status ? 0 : first);
	return r ? r : run->status;
}

static int request(const struct cli *cli, struct sftoken *h, const struct sftoken_token *t,
		   const char *url)
{
	struct curl_request q = curl_request_of(cli->rest, field(t, "instanceUrl"));
	struct curl_run run = { .url = url, .token = field(t, "accessToken"), .words = cli->rest };
	const char *why = no_retry(cli, &q);
	int r;

	if (q.bad)
		return complain_word(q.bad, field(t, "instanceUrl"));
	run.hold = run.hold_errors = !why;
	run.progress = q.progress;
	r = curl_run(&run);
	if (r == 0 && run.http_status == UNAUTHORIZED && why)
		report(cli, h, generation_of(t), why);
	r = r                                         ? r
	    : run.http_status == UNAUTHORIZED && !why ? run_again(cli, h, generation_of(t), &run)
						      : run.status;
	curl_show_errors(&run, 0);
	free(run.held);
	free(run.errors);
	return r;
}

int cmd_curl(struct cli *cli)
{
	struct sftoken_get_options o = get_options(cli);
	struct sftoken_token *t;
	struct sftoken_err err;
	struct sftoken *h;
	char *url;
	int r = open_broker(cli, &h);

	if (r)
		return r;
	if (sftoken_get(h, &o, &t, &err) < 0) {
		sftoken_close(h);
		return complain_err(cli, &err);
	}
	url = curl_url(field(t, "instanceUrl"), cli->url);
	r = url ? request(cli, h, t, url) : complain_url(cli->url, field(t, "instanceUrl"));
	free(url);
	sftoken_token_free(t);
	sftoken_close(h);
	return r;
}
