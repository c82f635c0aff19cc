/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of `sftoken curl`: what is asked of which address (pure), one run of curl, and the retry in curl.c. */
#ifndef CLI_CURL_H
#define CLI_CURL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- curl_words.c: what was asked for --- */

/*
 * The URL that path_or_url means: a path ("/...") at the origin of instance_url, or a whole URL, which must be of that origin. Blanks become %20. NULL: another origin, or out of memory (errno is
 * ENOMEM). Caller frees.
 */
char *curl_url(const char *instance_url, const char *path_or_url);

struct curl_request {
	bool safe;  /* GET, HEAD or OPTIONS: may be repeated */
	bool spent; /* its body, or headers, come from standard input, and are gone after one run */
	bool dumps; /* its headers are written elsewhere, so that nobody sees a 401 here */
	bool progress; /* how far it is shall be shown */
	const char *
		bad; /* an option or a word with which the token would go to another address; NULL: none */
};

/* What the options of curl mean for us; words end with NULL. instance_url: whose addresses may stand among them. */
struct curl_request curl_request_of(char *const words[], const char *instance_url);

/* --- curl_run.c: one run --- */

enum { CURL_HELD_MAX = 64 * 1024 };

struct curl_run {
	const char *url, *token;
	char *const *words; /* options, ends with NULL */
	bool progress;      /* options about the progress are among them */
	bool hold;          /* keep the body of a 401 back */
	bool hold_errors;   /* keep back what curl says of its failure, to the end of all runs */
	/* results */
	int status;      /* exit status of curl; 128 and the number of the signal that ended it */
	int http_status; /* of the last answer, 0: none was seen */
	char *held; /* the body that was kept back, at most CURL_HELD_MAX bytes; caller frees */
	size_t n_held;
	char *errors; /* of this run and those before, at most CURL_HELD_MAX bytes; caller frees */
	size_t n_errors;
};

/*
 * Runs curl(1) to its end, and passes its output on as it comes; what cannot be written is an error of curl's (status 23). 0, or an exit status after a complaint: it could not be run.
 */
int curl_run(struct curl_run *run);
/* To standard output, all of it. 0, or curl's status for a write error: after a complaint, unless its reader has gone. */
int curl_write_out(const char *data, size_t n);
/* What was kept back of the errors, but the first n bytes, goes to standard error. */
void curl_show_errors(struct curl_run *run, size_t n);

#endif
