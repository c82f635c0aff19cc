/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/parent/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log_write.h"
#include "daemon/common/packet.h"

/* A child that cannot even start once is not tried for ever: whoever started us wants to know. */
enum { FIRST_DEATHS_MAX = 5, STATUS_MS = 1000, PACKETS_A_TURN = 64, WARNINGS_MAX = 64 };

/* The front is asked so often in the time after which the manager would end us, that one lost answer is no reason. */
enum { PINGS_A_WATCHDOG = 4, PING_MOST_MS = 2000, PING_LEAST_MS = 10 };

/* For tests: nobody to tell. */
static struct sd no_manager = { .socket = -1 };

static void set_ping(struct supervisor *s)
{
	int64_t ping_ms = s->sd->watchdog_ms / PINGS_A_WATCHDOG;

	if (s->sd->watchdog_ms == 0 || ping_ms > PING_MOST_MS)
		ping_ms = PING_MOST_MS;
	s->front.ping_ms = ping_ms < PING_LEAST_MS ? PING_LEAST_MS : ping_ms;
}

int supervisor_init(struct supervisor *s, struct err *err)
{
	static const int wanted[] = { SIGHUP, SIGTERM, SIGINT, SIGUSR1, SIGCHLD };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
		sigaddset(&set, wanted[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_errno(err, ERR_INTERNAL, errno, "cannot block signals");
	/* What our starter ignored (nohup, a shell in the background) would never reach the signalfd. */
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
		(void)signal(wanted[i], SIG_DFL);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signals < 0)
		return err_errno(err, ERR_INTERNAL, errno, "cannot make a signalfd");
	s->started_wall = clock_real_ms() / 1000;
	if (!s->sd)
		s->sd = &no_manager;
	set_ping(s);
	return 0;
}

/* --- starting --- */

static void send_listener(struct child *c, const struct socket_entry *e)
{
	struct control_message m = { .type = CONTROL_LISTENER };

	m.listener.name = e->settings->name;
	m.listener.interface = settings_interface_names[e->settings->interface];
	m.listener.path = e->path;
	child_send(c, &m, e->fd);
}

/* Administrators are the mint's, everybody else is the front's. */
static void send_listeners(struct supervisor *s, struct child *c)
{
	for (size_t i = 0; i < s->sockets->n; i++) {
		const struct socket_entry *e = &s->sockets->items[i];

		if ((e->settings->interface == LISTENER_MANAGER) == (c == &s->mint))
			send_listener(c, e);
	}
	child_send_type(c, CONTROL_LISTENERS_END);
}

/* The mint has read the credentials, and one of them has LoadCredentialUnit=. */
static void open_wanted(struct supervisor *s, const char *name)
{
	const struct socket_entry *e;
	struct err err = { 0 };

	if (!name || s->stopping)
		return;
	e = sockets_open_wanted(s->sockets, name, &err);
	if (e && s->front.control >= 0)
		send_listener(&s->front, e);
	else if (!e && err.code)
		log_event(LOG_LEVEL_ERR, "parent.listener", F_STR("listener", name),
			  F_STR("why", err.text));
}

/* A new pair to both: the one that was there before drops its old end and says Hello again. */
static void send_links(struct supervisor *s)
{
	struct control_message m = { .type = CONTROL_LINK };
	struct err err = { 0 };
	int ends[2];

	if (s->mint.pid == 0 || s->front.pid == 0)
		return;
	if (packet_pair(ends, &err) < 0) {
		log_event(LOG_LEVEL_ERR, "link.failed", F_STR("why", err.text));
		child_kill(&s->mint); /* its restart tries again */
		return;
	}
	child_send(&s->mint, &m, ends[0]);
	child_send(&s->front, &m, ends[1]);
	close(ends[0]);
	close(ends[1]);
}

static struct opt_int number(int64_t value)
{
	return (struct opt_int){ .value = value, .set = true };
}

static void send_about(struct supervisor *s)
{
	struct control_message m = { .type = CONTROL_ABOUT };
	const char *warnings[WARNINGS_MAX];
	size_t n = 0;

	if (s->events.warning[0])
		warnings[n++] = s->events.warning;
	for (size_t i = 0; i < s->sockets->n_warnings && n < WARNINGS_MAX; i++)
		warnings[n++] = s->sockets->warnings[i];
	m.about.parent_pid = number(getpid());
	m.about.mint_pid = number(s->mint.pid);
	m.about.front_pid = number(s->front.pid);
	m.about.started_wall = number(s->started_wall);
	m.about.mint_restarts = number(s->mint.starts > 0 ? s->mint.starts - 1 : 0);
	m.about.front_restarts = number(s->front.starts > 0 ? s->front.starts - 1 : 0);
	m.about.warnings = (struct text_list){ .items = warnings, .n = n };
	s->events.news = false;
	child_send(&s->mint, &m, -1);
}

/* The front knows the callers. Its time begins when we are ready: before that nobody is served. */
static void send_idle(struct supervisor *s)
{
	const struct control_message m = { .type = CONTROL_IDLE,
					   .idle = { .after_ms = number(s->until_idle_ms) } };

	if (s->until_idle_ms && s->told_ready)
		child_send(&s->front, &m, -1);
}

static bool start(struct supervisor *s, struct child *c)
{
	struct err err = { 0 };

	if (child_start(c, s->environment, &err) < 0) {
		log_event(LOG_LEVEL_ERR, "child.failed", F_STR("name", c->name),
			  F_STR("why", err.text));
		c->restart_at_ms = clock_mono_ms() + s->settings->limits.restart_max_ms;
		return false;
	}
	c->starts++;
	send_listeners(s, c);
	if (c == &s->front)
		send_idle(s);
	return true;
}

static void start_missing(struct supervisor *s, int64_t now_ms)
{
	bool started = false;

	if (s->stopping)
		return;
	if (s->mint.pid == 0 && now_ms >= s->mint.restart_at_ms)
		started |= start(s, &s->mint);
	if (s->front.pid == 0 && now_ms >= s->front.restart_at_ms)
		started |= start(s, &s->front);
	if (started) {
		send_links(s);
		send_about(s);
	}
}

/* --- stopping --- */

static void stop(struct supervisor *s, int exit_status)
{
	if (s->stopping)
		return;
	s->stopping = true;
	s->exit_status = exit_status;
	s->stop_at_ms = clock_mono_ms() + s->settings->limits.stop_timeout_ms;
	sd_tell_stopping(s->sd);
	child_send_type(&s->front, CONTROL_STOP);
	child_send_type(&s->mint, CONTROL_STOP);
}

static void kill_leftover(struct supervisor *s)
{
	struct child *children[] = { &s->mint, &s->front };

	for (size_t i = 0; i < 2; i++) {
		if (children[i]->pid == 0)
			continue;
		log_event(LOG_LEVEL_WARNING, "child.late", F_STR("name", children[i]->name),
			  F_INT("pid", children[i]->pid));
		child_kill(children[i]);
	}
	s->stop_at_ms = INT64_MAX;
}

/* --- what happens --- */

/* In words, for whoever asks the service manager: first what is wrong. A missing mint is no reason to end: what the front holds is served. */
static const char *words(const struct supervisor *s)
{
	if (s->told_ready && !s->front.ready)
		return "degraded: the front is started again, callers wait for it";
	if (s->told_ready && !s->mint.ready)
		return "degraded: the mint is started again, the tokens that the front holds are served";
	return s->status;
}

static void tell_ready(struct supervisor *s)
{
	if (s->told_ready || !s->mint.ready || !s->front.ready)
		return;
	s->told_ready = true;
	log_event(LOG_LEVEL_NOTICE, "parent.ready", F_STR("status", s->status));
	sd_tell_ready(s->sd, words(s));
	send_idle(s);
}

static void end_reload(struct supervisor *s)
{
	if (s->reloading)
		sd_tell_ready(s->sd, words(s));
	s->reloading = false;
}

static void on_ready(struct supervisor *s, struct child *c, const struct control_ready *m)
{
	c->ready = m->ready.value;
	c->ever_ready |= c->ready;
	if (c == &s->mint && m->status)
		(void)snprintf(s->status, sizeof s->status, "%s", m->status);
	s->status_due = true;
	tell_ready(s);
}

static void on_idle(struct supervisor *s)
{
	if (!s->until_idle_ms || s->stopping)
		return;
	log_event(LOG_LEVEL_NOTICE, "parent.idle", F_INT("seconds", s->until_idle_ms / 1000));
	stop(s, EX_OK);
}

/*
 * The settings are in use in the mint. We read the name of the unit ourselves, from the files: a mint in a stranger's hands must not say what is started, least of all where we are let in without
 * polkit. Where they are not whole any more, the name that we have stays, as with any reload.
 */
static void learn_on_event(struct supervisor *s)
{
	CLEANUP(settings_unrefp) struct settings *now = NULL;
	struct config_notes notes = { 0 };
	struct err err = { 0 };

	now = settings_read(s->places, s->service_uid, &notes, &err);
	if (now && notes.n)
		err_set(&err, ERR_ADMIN, "%s:%u: %s", notes.items[0].file, notes.items[0].line,
			notes.items[0].text);
	if (now && !notes.n) {
		events_use(&s->events, now->daemon.on_event);
	} else {
		err_prefix(&err, "OnEvent= stays as it was");
		log_event(LOG_LEVEL_WARNING, "parent.warning", F_STR("message", err.text));
	}
	config_notes_fini(&notes);
}

static void on_message(struct supervisor *s, struct child *c, const struct control_message *m)
{
	switch (m->type) {
	case CONTROL_PONG:
		child_pong(c);
		if (c == &s->front)
			sd_tell_alive(s->sd);
		break;
	case CONTROL_READY:
		on_ready(s, c, &m->ready);
		break;
	case CONTROL_LISTENER:
		if (c == &s->mint)
			open_wanted(s, m->listener.name);
		break;
	case CONTROL_RELOADED:
		end_reload(s); /* the mint has logged how it ended */
		break;
	case CONTROL_EVENT:
		if (c == &s->mint)
			events_add(&s->events, m->event.event, m->event.credential);
		break;
	case CONTROL_ON_EVENT:
		if (c == &s->mint)
			learn_on_event(s);
		break;
	case CONTROL_IDLE:
		if (c == &s->front)
			on_idle(s);
		break;
	default:
		break;
	}
}

/*
 * What is there, but not for ever: a front in a stranger's hands must not keep us from signals and from the mint. poll() brings
 * us back to the rest; end of file is followed by SIGCHLD, which does what is left to do.
 */
static void read_control(struct supervisor *s, struct child *c)
{
	static char packet[PACKET_MAX + 1];
	struct control_message m;
	struct err err = { 0 };
	int fd, n = -ERR_RETRY;

	for (int i = 0; i < PACKETS_A_TURN && c->control >= 0; i++) {
		n = packet_recv(c->control, packet, sizeof packet, &fd, &err);
		if (n <= 0)
			break;
		if (fd >= 0)
			close(fd);
		if (control_decode(packet, (size_t)n, &m, &err) == 0)
			on_message(s, c, &m);
		else
			log_event(LOG_LEVEL_ERR, "child.message", F_STR("name", c->name),
				  F_STR("why", err.text));
	}
	if (c->control >= 0 && n <= 0 && n != -ERR_RETRY)
		child_hung_up(c, clock_mono_ms());
}

static void on_death(struct supervisor *s, struct child *c, int status)
{
	bool first = !c->ever_ready;

	read_control(s, c);
	if (s->stopping && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		c->pid = 0;
		return;
	}
	child_died(c, status, &s->settings->limits);
	s->status_due = true;
	if (c == &s->mint)
		end_reload(s);
	if (s->stopping || !first)
		return;
	/* The mint has printed what is wrong with the configuration. */
	if (WIFEXITED(status) && WEXITSTATUS(status) == EX_CONFIG)
		stop(s, EX_CONFIG);
	else if (c->deaths >= FIRST_DEATHS_MAX)
		stop(s, EX_SOFTWARE);
}

/* Also strangers: as PID 1 of a container we inherit everybody's orphans. */
static void reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == s->mint.pid)
			on_death(s, &s->mint, status);
		else if (pid == s->front.pid)
			on_death(s, &s->front, status);
	}
}

static void write_status(struct supervisor *s)
{
	log_event(LOG_LEVEL_NOTICE, "parent.status", F_STR("status", s->status),
		  F_INT("mint", s->mint.pid), F_INT("front", s->front.pid),
		  F_INT("started", s->started_wall), F_INT("sockets", (int64_t)s->sockets->n));
	child_send_type(&s->mint, CONTROL_WRITE_STATUS);
	child_send_type(&s->front, CONTROL_WRITE_STATUS);
}

static void reload(struct supervisor *s)
{
	s->reloading = true;
	sd_tell_reloading(s->sd);
	if (s->mint.control >= 0)
		child_send_type(&s->mint, CONTROL_RELOAD);
	else
		end_reload(s); /* the next mint reads it anyway */
}

static void read_signals(struct supervisor *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof info) == (ssize_t)sizeof info) {
		switch (info.ssi_signo) {
		case SIGHUP:
			reload(s);
			break;
		case SIGUSR1:
			write_status(s);
			break;
		case SIGCHLD:
			reap(s);
			break;
		default:
			log_event(LOG_LEVEL_NOTICE, "parent.stopping",
				  F_STR("signal", strsignal((int)info.ssi_signo)));
			stop(s, EX_OK);
		}
	}
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* With thousands of credentials the words change a thousand times a second; nobody reads that fast. */
static int64_t tell_status(struct supervisor *s, int64_t now_ms)
{
	if (!s->status_due || s->stopping)
		return INT64_MAX;
	if (now_ms < s->status_at_ms)
		return s->status_at_ms;
	s->status_due = false;
	s->status_at_ms = now_ms + STATUS_MS;
	sd_tell_status(s->sd, words(s));
	return INT64_MAX;
}

/* Does what time asks for; returns when it asks again. */
static int64_t on_time(struct supervisor *s)
{
	int64_t now_ms = clock_mono_ms(), next_ms;
	int log_ms;

	start_missing(s, now_ms);
	next_ms = earlier(child_watch(&s->mint, now_ms), child_watch(&s->front, now_ms));
	next_ms = earlier(next_ms, tell_status(s, now_ms));
	next_ms = earlier(next_ms, sd_flush(s->sd, now_ms));
	next_ms = earlier(next_ms, events_step(&s->events, now_ms));
	if (s->events.news && s->mint.control >= 0)
		send_about(s);
	log_ms = log_flush();
	if (log_ms)
		next_ms = earlier(next_ms, now_ms + log_ms);
	if (s->stopping) {
		if (now_ms >= s->stop_at_ms)
			kill_leftover(s);
		return earlier(next_ms, s->stop_at_ms);
	}
	if (s->mint.pid == 0)
		next_ms = earlier(next_ms, s->mint.restart_at_ms);
	if (s->front.pid == 0)
		next_ms = earlier(next_ms, s->front.restart_at_ms);
	return next_ms;
}

static void wait_and_read(struct supervisor *s, int64_t until_ms)
{
	struct pollfd fds[] = {
		{ s->signals, POLLIN, 0 },
		{ s->mint.control, POLLIN, 0 },
		{ s->front.control, POLLIN, 0 },
		events_wait(&s->events),
	};
	int64_t left_ms = until_ms - clock_mono_ms();

	if (left_ms < 0)
		left_ms = 0;
	if (poll(fds, sizeof fds / sizeof fds[0], left_ms > 60000 ? 60000 : (int)left_ms) <= 0)
		return;
	if (fds[1].revents)
		read_control(s, &s->mint);
	if (fds[2].revents)
		read_control(s, &s->front);
	if (fds[0].revents)
		read_signals(s);
}

int supervisor_run(struct supervisor *s)
{
	while (!s->stopping || s->mint.pid || s->front.pid)
		wait_and_read(s, on_time(s));
	events_fini(&s->events);
	log_event(LOG_LEVEL_NOTICE, "parent.stopped", F_INT("status", s->exit_status));
	return s->exit_status;
}
