/* SPDX-License-Identifier: Apache-2.0 */
/* sim [--seed N] [--days D] [--runs R] [--credentials C] [--trace]: see README.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/sim/sim.h"

static const char *const groups[SIM_GROUPS + 1] = {
	"",
	"no token is fresh after its believed end, none is given after a confirmed refusal",
	"the budget of an hour and of a month",
	"what is unknown is sent again only when nothing is left to lose",
	"what was received is in the store",
	"generations grow",
	"idle refresh tokens are spent in time",
	"callers notice no more of an outage than they must",
	"nothing is spent while the store cannot be written",
	"one request with a refresh token at a time, so many a host",
	"permanent errors are left alone",
	"no timer and no request is left behind",
};

struct options {
	uint64_t seed;
	int64_t days;
	unsigned runs;
	size_t credentials;
	bool trace;
};

/* false: a broken invariant. */
static bool run(uint64_t seed, const struct options *o)
{
	const struct world_options world = { .credentials = o->credentials, .days = o->days };
	uint64_t events = 0, calls;
	size_t left;

	sim_report_begin(seed, 0, o->trace);
	sim_seed(seed);
	watch_begin();
	world_begin(&world);
	callers_begin(o->days);
	fate_begin(o->days);
	operator_begin();
	while (!sim_is_broken() && sim_step(o->days * DAYS)) {
		world_go_on();
		events++;
	}
	if (!sim_is_broken())
		watch_end();
	calls = disk_operations();
	left = world_end();
	sim_looked(11);
	if (left)
		sim_broken(11, "%zu timers or requests are left behind", left);
	printf("%s - seed %llu: %zu credentials, %lld days, %llu events, %llu disk operations\n",
	       sim_is_broken() ? "not ok" : "ok", (unsigned long long)seed, o->credentials,
	       (long long)o->days, (unsigned long long)events, (unsigned long long)calls);
	fflush(stdout);
	return !sim_is_broken();
}

static int usage(void)
{
	fprintf(stderr,
		"usage: sim [--seed N] [--days D] [--runs R] [--credentials C] [--trace]\n");
	return 2;
}

static bool parse(int argc, char **argv, struct options *o)
{
	for (int i = 1; i < argc; i++) {
		unsigned long long value;
		char *end;

		if (strcmp(argv[i], "--trace") == 0) {
			o->trace = true;
			continue;
		}
		if (i + 1 == argc)
			return false;
		value = strtoull(argv[i + 1], &end, 10);
		if (*end)
			return false;
		if (strcmp(argv[i], "--seed") == 0)
			o->seed = value;
		else if (strcmp(argv[i], "--days") == 0)
			o->days = (int64_t)value;
		else if (strcmp(argv[i], "--runs") == 0)
			o->runs = (unsigned)value;
		else if (strcmp(argv[i], "--credentials") == 0 && value <= SIM_CREDENTIALS)
			o->credentials = value;
		else
			return false;
		i++;
	}
	return o->days > 0 && o->runs > 0 && o->credentials > 0;
}

int main(int argc, char **argv)
{
	struct options o = { .seed = 1, .days = 365, .runs = 1, .credentials = 20 };
	unsigned n = 0;

	if (!parse(argc, argv, &o))
		return usage();
	for (; n < o.runs; n++)
		if (!run(o.seed + n, &o))
			return 1;
	for (int i = 1; i <= SIM_GROUPS; i++, n++)
		printf("%s - %s (%llu times looked at)\n", sim_looks(i) ? "ok" : "not ok",
		       groups[i], (unsigned long long)sim_looks(i));
	printf("1..%u\n", n);
	return 0;
}
