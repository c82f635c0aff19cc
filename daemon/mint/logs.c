/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/logs.h"

#include "base/log_write.h"

static struct {
	enum log_level level;
	void (*seen)(const char *event, const struct log_field *fields, size_t n, void *arg);
	void *arg;
	bool showing;
	struct loop *loop;
	struct timer *again; /* NULL: no loop */
} logs;

/* What waits is written as soon as somebody reads, not only with the next line. */
static void write_again(void *arg)
{
	int again_ms = log_flush();

	(void)arg;
	if (again_ms)
		timer_set(logs.again, loop_now_ms(logs.loop) + again_ms);
}

static void sink(enum log_level level, const char *event, const struct log_field *fields, size_t n,
		 void *arg)
{
	(void)arg;
	if (level <= logs.level) {
		log_write(level, event, fields, n);
		if (logs.again && !timer_is_set(logs.again))
			write_again(NULL);
	}
	if (level > LOG_LEVEL_INFO || !logs.seen || logs.showing)
		return;
	logs.showing = true;
	logs.seen(event, fields, n, logs.arg);
	logs.showing = false;
}

void logs_set_level(enum log_level level)
{
	logs.level = level;
	/* watchers see info whatever is written */
	log_set_level(level > LOG_LEVEL_INFO ? level : LOG_LEVEL_INFO);
}

void logs_set(enum log_level level, enum log_format format)
{
	log_set_format(format);
	logs_set_level(level);
}

int64_t logs_dropped(void)
{
	return log_lost();
}

enum log_level logs_level(void)
{
	return logs.level;
}

void logs_open(enum log_level level, enum log_format format)
{
	log_open("sftokend-mint", format);
	logs_set_level(level);
	log_set_sink(sink, NULL);
}

int logs_use_loop(struct loop *l, struct err *err)
{
	timer_free(logs.again);
	logs.loop = l;
	logs.again = l ? timer_new(l, write_again, NULL) : NULL;
	return !l || logs.again ? 0 : err_oom(err);
}

void logs_watch(void (*seen)(const char *event, const struct log_field *fields, size_t n,
			     void *arg),
		void *arg)
{
	logs.seen = seen;
	logs.arg = arg;
}
