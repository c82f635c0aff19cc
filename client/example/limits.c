/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An example: prints the request that reads an org's API limits, with a live token. When Salesforce answers 401, a program reports the
 * generation and asks again: the second half shows how.
 *
 *	cc limits.c $(pkg-config --cflags --libs libsftoken) -o limits && ./limits prod
 */
#include <inttypes.h>
#include <stdio.h>

#include <sftoken.h>

static int fail(const struct sftoken_err *err)
{
	fprintf(stderr, "limits: %s\n", err->text);
	return 1;
}

int main(int argc, char **argv)
{
	struct sftoken_get_options options = SFTOKEN_GET_OPTIONS_INIT;
	struct sftoken_token *token;
	struct sftoken_err err;
	struct sftoken *broker;
	int status = 0;

	options.credential = argc > 1 ? argv[1] : NULL;
	options.reason = "libsftoken example";
	if (sftoken_open(&broker, NULL, &err) < 0)
		return fail(&err);
	if (sftoken_get(broker, &options, &token, &err) < 0) {
		sftoken_close(broker);
		return fail(&err);
	}
	printf("GET %s/services/data/v60.0/limits as %s, generation %" PRId64 ", %" PRId64
	       " s left\n",
	       sftoken_token_instance_url(token),
	       sftoken_token_username(token) ? sftoken_token_username(token) : "the app's user",
	       sftoken_token_generation(token), sftoken_token_expires_in(token));

	/* Had Salesforce answered 401: say so, and wait for a newer one. */
	if (argc > 2) {
		options.rejected_generation = sftoken_token_generation(token);
		sftoken_token_free(token);
		token = NULL;
		if (sftoken_get(broker, &options, &token, &err) < 0)
			status = fail(&err);
	}
	sftoken_token_free(token);
	sftoken_close(broker);
	return status;
}
