/* SPDX-License-Identifier: Apache-2.0 */
/* The last events of a run, and what is wrong with it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "tests/sim/sim.h"

enum { EVENTS = 100, TEXT = 200 };

static struct {
	struct event {
		int64_t at;
		char text[TEXT];
	} events[EVENTS];
	uint64_t n, looks[SIM_GROUPS + 1];
	uint64_t seed;
	bool broken, trace;
} report;

static void when(int64_t at, char *to, size_t room)
{
	int64_t s = at / 1000;

	snprintf(to, room, "day %3lld %02lld:%02lld:%02lld.%03lld", (long long)(s / 86400),
		 (long long)(s / 3600 % 24), (long long)(s / 60 % 60), (long long)(s % 60),
		 (long long)(at % 1000));
}

static void print(const struct event *e)
{
	char time[40];

	when(e->at, time, sizeof time);
	printf("# %s  %s\n", time, e->text);
}

void sim_note(const char *format, ...)
{
	struct event *e = &report.events[report.n++ % EVENTS];
	va_list args;

	e->at = sim_now();
	va_start(args, format);
	vsnprintf(e->text, sizeof e->text, format, args);
	va_end(args);
	if (report.trace)
		print(e);
}

void sim_broken(int invariant, const char *format, ...)
{
	char time[40], text[400];
	va_list args;

	if (report.broken)
		return;
	report.broken = true;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	when(sim_now(), time, sizeof time);
	for (uint64_t i = report.n > EVENTS ? report.n - EVENTS : 0; !report.trace && i < report.n;
	     i++)
		print(&report.events[i % EVENTS]);
	printf("# broken: invariant %d: %s\n# seed %llu, %s, BOOTTIME %lld ms, wall clock %+lld ms\n",
	       invariant, text, (unsigned long long)report.seed, time, (long long)clock_now_ms(),
	       (long long)sim_wall_error_ms());
}

bool sim_is_broken(void)
{
	return report.broken;
}

void sim_looked(int invariant)
{
	report.looks[invariant]++;
}

uint64_t sim_looks(int invariant)
{
	return report.looks[invariant];
}

/* The daemon's own words are among the events. */
static void listen(enum log_level level, const char *event, const struct log_field *fields,
		   size_t n, void *arg)
{
	char text[TEXT];
	size_t used = 0;

	(void)arg;
	(void)level;
	for (size_t i = 0; i < n && used < sizeof text; i++) {
		int more = fields[i].text ? snprintf(text + used, sizeof text - used, " %s",
						     fields[i].text)
					  : snprintf(text + used, sizeof text - used, " %s=%lld",
						     fields[i].name, (long long)fields[i].number);

		used += more > 0 ? (size_t)more : 0;
	}
	sim_note("%s%s", event, n ? text : "");
}

void sim_report_begin(uint64_t seed, unsigned run, bool trace)
{
	(void)run;
	report.n = 0;
	report.seed = seed;
	report.trace = trace;
	report.broken = false;
	log_set_level(trace ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING);
	log_set_sink(listen, NULL);
}
