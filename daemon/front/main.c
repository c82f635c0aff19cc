/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sftokend-front: the process that callers talk to. It holds access tokens and access rules, has no
 * network and no file, and lives as long as its parent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/harden.h"
#include "base/log_write.h"
#include "base/secret.h"
#include "daemon/common/control.h"
#include "daemon/common/sandbox.h"
#include "daemon/front/front.h"

/* How long the kernel's socket buffers get to take the last replies. */
enum { STOP_MS = 100 };

static struct {
	struct loop *loop;
	struct control *control;
	struct front *front;
	struct timer *stop;
	int status;
} self;

static void last_words(const char *words)
{
	log_last_words("sftokend-front", "front.failed", EX_SOFTWARE, words);
}

static void end(int status)
{
	self.status = status;
	loop_stop(self.loop);
}

static void on_fatal(const char *why)
{
	last_words(why);
	end(EX_SOFTWARE);
}

static void on_ready(struct front *f)
{
	struct control_message m = { .type = CONTROL_READY,
				     .ready = { .ready = { .value = true, .set = true } } };
	char status[64];

	snprintf(status, sizeof(status), "serving %zu credentials", f->table.n);
	m.ready.status = status;
	control_send(self.control, &m);
}

/* Whether that is a reason to end is the parent's to say. */
static void on_idle(void)
{
	const struct control_message m = { .type = CONTROL_IDLE };

	control_send(self.control, &m);
}

static const struct front_events front_events = { .ready = on_ready,
						  .idle = on_idle,
						  .fatal = on_fatal };

static void on_stopped(void *arg)
{
	(void)arg;
	end(EX_OK);
}

/* --- the control channel --- */

static void take_listener(const struct control_listener *m, int fd)
{
	struct err err = { 0 };
	bool loads = m->interface && strcmp(m->interface, "credential") == 0;

	if (fd < 0 || !m->interface || (!loads && strcmp(m->interface, "broker") != 0)) {
		if (fd >= 0)
			close(fd);
	} else if (front_add_listener(self.front, fd, m->name, m->path, loads, &err) < 0) {
		on_fatal(err.text);
	}
}

/* All that may need more than the sandbox allows has been done; no stranger has been heard yet. */
static void take_listeners_end(void)
{
	struct err err = { 0 };

	if (self.front->open)
		return;
	if (sandbox_enter_front(&err) < 0)
		on_fatal(err.text);
	else
		front_open(self.front);
}

static void take_link(int fd)
{
	struct err err = { 0 };

	if (fd < 0)
		on_fatal("the parent sent a link without a descriptor");
	else if (front_link_use(self.front->link, fd, &err) < 0)
		on_fatal(err.text);
}

static void take_idle(const struct control_idle *m)
{
	struct err err = { 0 };

	if (front_until_idle(self.front, m->after_ms.value, &err) < 0)
		on_fatal(err.text);
}

static void on_control(const struct control_message *m, int fd, void *arg)
{
	(void)arg;
	switch (m->type) {
	case CONTROL_LISTENER:
		take_listener(&m->listener, fd);
		return;
	case CONTROL_LINK:
		take_link(fd);
		return;
	case CONTROL_LISTENERS_END:
		take_listeners_end();
		break;
	case CONTROL_IDLE:
		take_idle(&m->idle);
		break;
	case CONTROL_STOP:
		front_stop(self.front);
		timer_set(self.stop, loop_now_ms(self.loop) + STOP_MS);
		break;
	case CONTROL_WRITE_STATUS:
		front_write_status(self.front);
		break;
	default:
		break; /* Reload is the mint's; its outcome comes over the link */
	}
	if (fd >= 0)
		close(fd);
}

static void on_parent_gone(void *arg)
{
	(void)arg;
	_exit(EX_OK);
}

static const struct control_handlers control_handlers = { .message = on_control,
							  .parent_gone = on_parent_gone };

/* --- start --- */

/* The arena's first page is got here, so that its kind is known before the sandbox. */
static int warm_up(struct err *err)
{
	CLEANUP(secret_unrefp) struct secret *first = secret_new("", 0);

	map_seed();
	return first ? 0 : err_oom(err);
}

static int start(struct err *err)
{
	static const int keep[] = { CONTROL_FD };

	if (harden_process(err) < 0 || sandbox_close_descriptors(keep, 1, err) < 0 ||
	    warm_up(err) < 0)
		return -ERR_INTERNAL;
	self.loop = loop_new(err);
	if (!self.loop)
		return -ERR_INTERNAL;
	self.front = front_new(self.loop, sandbox_raise_descriptors(), &front_events, err);
	self.stop = timer_new(self.loop, on_stopped, NULL);
	if (!self.front || !self.stop)
		return -ERR_INTERNAL;
	log_set_sink(front_link_log, self.front->link);
	self.control = control_open(self.loop, CONTROL_FD, &control_handlers, err);
	return self.control ? 0 : -ERR_INTERNAL;
}

/* --json: the form of what is said to standard error, which is only why it ends: all else is logged by the mint. */
int main(int argc, char **argv)
{
	bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
	struct err err = { 0 };

	log_open("sftokend-front", json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);

	if (start(&err) < 0) {
		last_words(err.text);
		return EX_SOFTWARE;
	}
	if (loop_run(self.loop, &err) < 0) {
		last_words(err.text);
		return EX_SOFTWARE;
	}
	return self.status;
}
