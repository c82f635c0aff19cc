/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks oidc-agent again and again by its own library, as its clients do (a connection and a key exchange for each), and prints what it took in
 * nanoseconds: `calls p50 p90 p99 max`. The library is loaded at run time, so that nothing of it is needed to build. OIDC_SOCK names the agent.
 *
 *	oidc_caller ACCOUNT CALLS
 */
#include <dlfcn.h>

#include "tests/bench/bench.h"

/* oidc-agent/api.h of liboidc-agent 4 */
struct token_response {
	char *token, *issuer;
	time_t expires_at;
};
static struct token_response (*get)(const char *account, time_t min_valid_s, const char *scope,
				    const char *hint);
static void (*release)(struct token_response r);

/* ISO C has no cast from an object's address to a function's. */
static void look_up(void *handle, const char *name, void *function)
{
	void *found = handle ? dlsym(handle, name) : NULL;

	if (!found)
		errx(1, "liboidc-agent.so.4: %s", dlerror());
	memcpy(function, &found, sizeof found);
}

int main(int argc, char **argv)
{
	long n = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
	void *library = dlopen("liboidc-agent.so.4", RTLD_NOW);
	int64_t *took;

	if (n < 1)
		errx(64, "usage: oidc_caller ACCOUNT CALLS");
	look_up(library, "getTokenResponse", (void *)&get);
	look_up(library, "secFreeTokenResponse", (void *)&release);
	took = calloc((size_t)n, sizeof *took);
	if (!took)
		err(1, "calloc");
	for (long i = 0; i < n; i++) {
		int64_t start = now_ns();
		struct token_response r = get(argv[1], 0, NULL, NULL);

		took[i] = now_ns() - start;
		if (!r.token)
			errx(1, "oidc-agent gave no token");
		release(r);
	}
	print_times(took, n);
	free(took);
	return 0;
}
