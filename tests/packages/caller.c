/* SPDX-License-Identifier: Apache-2.0 */
/* Asks for a token again and again until its standard input ends; then prints how many calls there were, how many failed, the longest in milliseconds, and the last error. */
#include <poll.h>
#include <stdio.h>
#include <time.h>

#include <sftoken.h>

enum { PAUSE_MS = 1 };

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
	struct sftoken_get_options options = SFTOKEN_GET_OPTIONS_INIT;
	struct pollfd input = { .fd = 0, .events = POLLIN };
	struct sftoken_err err = { 0 };
	struct sftoken *h;
	long long calls = 0;
	long long failed = 0;
	long long longest = 0;

	options.credential = argc > 1 ? argv[1] : NULL;
	if (sftoken_open(&h, NULL, &err) < 0)
		return 1;
	while (poll(&input, 1, PAUSE_MS) == 0) {
		struct sftoken_token *token = NULL;
		long long began = now_ms();

		failed += sftoken_get(h, &options, &token, &err) < 0;
		if (now_ms() - began > longest)
			longest = now_ms() - began;
		sftoken_token_free(token);
		calls++;
	}
	printf("%lld %lld %lld %s\n", calls, failed, longest, failed ? err.text : "-");
	sftoken_close(h);
	return 0;
}
