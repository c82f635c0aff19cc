/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks oidc-agent again and again by its own library, as its clients do (a connection and a key exchange for each), and prints what it took in
 * nanoseconds: `calls p50 p90 p99 max`. The library is loaded at run time, so that nothing of it is needed to build. OIDC_SOCK names the agent.
 *
 *	oidc_caller ACCOUNT CALLS
 */
#include <dlfcn.h>
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* oidc-agent/api.h of liboidc-agent 4 */
struct token_response {
	char *token, *issuer;
	time_t expires_at;
};
static struct token_response (*get)(const char *account, time_t min_valid_s, const char *scope,
				    const char *hint);
static void (*release)(struct token_response r);

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

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
	qsort(took, (size_t)n, sizeof *took, compare);
	printf("%ld %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n", n, took[n / 2],
	       took[n * 9 / 10], took[n * 99 / 100], took[n - 1]);
	free(took);
	return 0;
}
