/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor with children that are this very program in another role: restarts, pauses, exit 78, the watchdog, stopping, and what is left after a
 * kill -9. The supervisor runs in a process of its own; the test looks at what the children write into a file.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/common/control.h"
#include "daemon/common/packet.h"
#include "daemon/parent/supervisor.h"
#include "tests/unit/check.h"

enum { PATIENCE_MS = 30000, LOOK_MS = 5, LOG_MAX = 65536, HIGH_FD = 20 };

/* --- the children: fake ROLE BEHAVIOUR LOGFILE --- */

static void note(const char *file, const char *role, const char *what)
{
	char line[100];
	int n = snprintf(line, sizeof line, "%s %s %d %lld\n", role, what, (int)getpid(),
			 (long long)clock_mono_ms());
	int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, line, (size_t)n) != n)
		_exit(99);
	close(fd);
}

static void say(const struct control_message *m)
{
	struct buf packet;

	buf_init(&packet, PACKET_MAX);
	control_encode(m, &packet);
	packet_send(CONTROL_FD, packet.data, packet.len, -1, NULL);
	buf_fini(&packet);
}

/* A mint in a stranger's hands names a unit; then it says what it has to. */
static void name_a_unit(void)
{
	static const char packet[] = "{\"type\":\"OnEvent\",\"unit\":\"evil@.service\"}";

	packet_send(CONTROL_FD, packet, sizeof packet - 1, -1, NULL);
	say(&(struct control_message){ .type = CONTROL_ON_EVENT });
}

/* Which unit the parent knows: nobody can be asked to start it, which it says. */
static void note_unit(const struct control_about *about, const char *role, const char *file)
{
	struct json_iter i = json_iterate(about->warnings.raw);
	struct json_value key, value;
	static const char begin[] = "OnEvent=";
	const char *text;
	char unit[40];

	while (about->warnings.raw.start && json_next(&i, &key, &value)) {
		text = json_text(value, NULL);
		if (strncmp(text, begin, sizeof begin - 1) != 0)
			continue;
		text += sizeof begin - 1;
		snprintf(unit, sizeof unit, "%.*s", (int)strcspn(text, ":"), text);
		note(file, role, unit);
	}
}

/* Returns its exit status when it is told to end, -1 to go on. */
static int fake_obey(const struct control_message *m, const char *role, const char *behaviour,
		     const char *file)
{
	const struct control_message pong = { .type = CONTROL_PONG };
	const struct control_message ready = { .type = CONTROL_READY,
					       .ready = { { true, true }, "fine" } };
	static unsigned pongs;

	note(file, role, control_type_name(m->type));
	switch (m->type) {
	case CONTROL_LISTENERS_END:
		say(&ready);
		if (strcmp(behaviour, "is-idle-unasked") == 0)
			say(&(struct control_message){ .type = CONTROL_IDLE });
		if (strcmp(behaviour, "names-a-unit") == 0)
			name_a_unit();
		return -1;
	case CONTROL_RELOAD:
		say(&(struct control_message){ .type = CONTROL_ON_EVENT });
		return -1;
	case CONTROL_ABOUT:
		note_unit(&m->about, role, file);
		return -1;
	case CONTROL_PING:
		if (strcmp(behaviour, "falls-silent") != 0 || pongs++ == 0)
			say(&pong);
		return -1;
	case CONTROL_IDLE: /* with the time that it was given, so that the log shows it */
		note(file, role, m->idle.after_ms.value == 4000 ? "idle-after-4000" : "idle-wrong");
		if (strcmp(behaviour, "is-idle") == 0)
			say(&(struct control_message){ .type = CONTROL_IDLE });
		return -1;
	case CONTROL_STOP:
		return strcmp(behaviour, "does-not-stop") == 0 ? -1 : 0;
	default:
		return -1;
	}
}

static int fake_main(char **argv)
{
	static char packet[PACKET_MAX + 1];
	const char *role = argv[1], *behaviour = argv[2], *file = argv[3];
	int status = -1;

	note(file, role, "start");
	if (strcmp(role, "mint") == 0)
		note(file, role, fcntl(STATE_LOCK_FD, F_GETFD) >= 0 ? "has-lock" : "lacks-lock");
	if (getenv("NOTIFY_SOCKET") || getenv("SFTOKEN_TEST_SECRET"))
		note(file, role, "dirty-environment");
	if (strcmp(behaviour, "refuses") == 0)
		return EX_CONFIG;
	if (strcmp(behaviour, "crashes") == 0)
		raise(SIGKILL);
	while (status < 0) {
		struct pollfd p = { CONTROL_FD, POLLIN, 0 };
		struct control_message m;
		int fd, n;

		poll(&p, 1, -1);
		n = packet_recv(CONTROL_FD, packet, sizeof packet, &fd, NULL);
		cleanup_close(&fd);
		if (n == 0 && strcmp(behaviour, "does-not-stop") == 0)
			pause(); /* deaf and blind: only a signal ends it */
		if (n == 0)
			return 0; /* the parent is gone */
		if (n > 0 && control_decode(packet, (size_t)n, &m, NULL) == 0)
			status = fake_obey(&m, role, behaviour, file);
	}
	return status;
}

/* --- the daemon --- */

static int64_t until_idle_ms;     /* of the next one */
static const char *next_settings; /* its sftokend.conf */

struct daemon {
	char folder[32], file[48];
	pid_t pid;
};

static void run_daemon(const struct daemon *d, const char *mint, const char *front,
		       int64_t watchdog_ms)
{
	static char *environment[] = { NULL, NULL };
	static struct settings settings;
	static struct sockets sockets;
	struct places places = { .user_mode = true, .config_dir = (char *)d->folder };
	struct supervisor s = { .settings = &settings,
				.places = &places,
				.service_uid = getuid(),
				.events = { .user_mode = true },
				.sockets = &sockets,
				.until_idle_ms = until_idle_ms,
				.environment = environment };
	const char *mint_args[] = { "fake", "mint", mint, d->file, NULL };
	const char *front_args[] = { "fake", "front", front, d->file, NULL };
	int exe = open("/proc/self/exe", O_PATH | O_CLOEXEC),
	    lock = open(d->folder, O_RDONLY | O_CLOEXEC);
	int self = fcntl(exe, F_DUPFD_CLOEXEC, HIGH_FD); /* as child_open() does */

	limits_default(&settings.limits);
	settings.limits.stop_timeout_ms = 300;
	s.mint = (struct child){ .name = "sftokend-mint",
				 .program = self,
				 .control = -1,
				 .arguments = (char *const *)mint_args,
				 .watchdog_ms = watchdog_ms };
	s.front = (struct child){ .name = "sftokend-front",
				  .program = self,
				  .control = -1,
				  .lock = -1,
				  .dies_with_us = true,
				  .arguments = (char *const *)front_args,
				  .watchdog_ms = watchdog_ms };
	if (child_lock(&s.mint, lock, NULL) < 0 || supervisor_init(&s, NULL) < 0)
		_exit(98);
	_exit(supervisor_run(&s));
}

static void write_settings(const struct daemon *d, const char *text)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof path, "%s/sftokend.conf", d->folder);
	if (!text) {
		unlink(path);
		return;
	}
	f = fopen(path, "w");
	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		abort();
}

static void start(struct daemon *d, const char *mint, const char *front, int64_t watchdog_ms)
{
	*d = (struct daemon){ .folder = "/tmp/sftokend-test-XXXXXX" };
	if (!mkdtemp(d->folder))
		abort();
	snprintf(d->file, sizeof d->file, "%s/log", d->folder);
	note(d->file, "test", "begins");
	if (next_settings)
		write_settings(d, next_settings);
	setenv("SFTOKEN_TEST_SECRET", "1", 1);
	prctl(PR_SET_CHILD_SUBREAPER,
	      1); /* orphans become ours, so that we can see that they end */
	fflush(stdout);
	d->pid = fork();
	if (d->pid == 0)
		run_daemon(d, mint, front, watchdog_ms);
}

static const char *read_log(const struct daemon *d)
{
	static char text[LOG_MAX];
	int fd = open(d->file, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof text - 1);

	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* How often "role what" was written; *pid and *at: of the last. */
static unsigned count(const struct daemon *d, const char *role_what, pid_t *pid, long long *at)
{
	char wanted[64];
	unsigned n = 0;
	const char *line = read_log(d);

	snprintf(wanted, sizeof wanted, "%s ", role_what);
	for (; line && *line; line = strchr(line, '\n') + 1) {
		char *end;

		if (strncmp(line, wanted, strlen(wanted)) != 0)
			continue;
		n++;
		if (pid)
			*pid = (pid_t)strtol(line + strlen(wanted), &end, 10);
		if (pid && at)
			*at = strtoll(end, NULL, 10);
	}
	return n;
}

static bool wait_count(const struct daemon *d, const char *role_what, unsigned n)
{
	for (int64_t until = clock_mono_ms() + PATIENCE_MS; clock_mono_ms() < until;
	     poll(NULL, 0, LOOK_MS)) {
		if (count(d, role_what, NULL, NULL) >= n)
			return true;
	}
	return false;
}

/* Waits for the daemon, or any orphan of it, to end. */
static int wait_for(pid_t pid)
{
	int status = -1;

	for (int64_t until = clock_mono_ms() + PATIENCE_MS; clock_mono_ms() < until;
	     poll(NULL, 0, LOOK_MS)) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
	}
	return -1;
}

static void finish(struct daemon *d)
{
	unlink(d->file);
	rmdir(d->folder);
	unsetenv("SFTOKEN_TEST_SECRET");
}

static void both_ready(const struct daemon *d)
{
	CHECK(wait_count(d, "mint About", 1));
	CHECK(wait_count(d, "front Link", 1));
}

/* --- tests --- */

TEST(children_start_with_what_they_need_and_stop_when_told)
{
	struct daemon d;

	start(&d, "good", "good", 60000);
	both_ready(&d);
	CHECK_INT(count(&d, "mint has-lock", NULL, NULL), 1);
	CHECK_INT(count(&d, "mint Link", NULL, NULL), 1);
	CHECK_INT(count(&d, "mint dirty-environment", NULL, NULL), 0);
	CHECK_INT(count(&d, "front dirty-environment", NULL, NULL), 0);
	kill(d.pid, SIGHUP);
	CHECK(wait_count(&d, "mint Reload", 1));
	kill(d.pid, SIGUSR1);
	CHECK(wait_count(&d, "mint WriteStatus", 1));
	kill(d.pid, SIGTERM);
	CHECK_INT(wait_for(d.pid), 0);
	CHECK_INT(count(&d, "front Stop", NULL, NULL), 1);
	CHECK_INT(count(&d, "mint Stop", NULL, NULL), 1);
	finish(&d);
}

TEST(a_child_that_was_killed_is_started_again_with_a_new_link_and_the_other_stays)
{
	struct daemon d;
	pid_t front = 0, mint = 0, next = 0;

	start(&d, "good", "good", 60000);
	both_ready(&d);
	count(&d, "front start", &front, NULL);
	count(&d, "mint start", &mint, NULL);
	kill(front, SIGKILL);
	CHECK(wait_count(&d, "front Link", 2));
	CHECK(wait_count(&d, "mint Link", 2));
	CHECK(wait_count(&d, "mint About", 2));
	CHECK_INT(count(&d, "mint start", NULL, NULL), 1);
	kill(mint, SIGKILL);
	CHECK(wait_count(&d, "mint start", 2));
	CHECK(wait_count(&d, "front Link", 3));
	CHECK_INT(count(&d, "front start", &next, NULL), 2);
	CHECK(next != front);
	kill(d.pid, SIGINT);
	CHECK_INT(wait_for(d.pid), 0);
	finish(&d);
}

TEST(the_front_is_asked_about_callers_once_ready_and_its_word_ends_the_daemon_in_order)
{
	struct daemon d;
	pid_t front = 0;

	until_idle_ms = 4000;
	start(&d, "good", "good", 60000);
	CHECK(wait_count(&d, "front idle-after-4000", 1));
	count(&d, "front start", &front, NULL);
	kill(front, SIGKILL); /* the next one knows nothing of it */
	CHECK(wait_count(&d, "front idle-after-4000", 2));
	kill(d.pid, SIGTERM);
	CHECK_INT(wait_for(d.pid), 0);
	finish(&d);
	start(&d, "good", "is-idle", 60000);
	CHECK_INT(wait_for(d.pid), 0);
	CHECK_INT(count(&d, "mint Stop", NULL, NULL), 1);
	CHECK_INT(count(&d, "front Stop", NULL, NULL), 1);
	finish(&d);
	until_idle_ms = 0;
}

TEST(which_unit_is_started_for_events_is_read_by_the_parent_and_not_told_by_the_mint)
{
	struct daemon d;
	pid_t mint = 0;

	unsetenv("XDG_RUNTIME_DIR");
	next_settings = "[Daemon]\nOnEvent=good@\n";
	start(&d, "names-a-unit", "good", 60000);
	CHECK(wait_count(&d, "mint good@", 1));
	write_settings(&d, "[Daemon]\nOnEvent=/bin/bad\n");
	for (unsigned n = 1; n <= 2; n++) {
		kill(d.pid, SIGHUP);
		CHECK(wait_count(&d, "mint Reload", n));
	}
	/* what it had stays: the next mint hears of it at its start (the first OnEvent has been read by then) */
	REQUIRE(count(&d, "mint start", &mint, NULL) == 1);
	kill(mint, SIGKILL);
	CHECK(wait_count(&d, "mint good@", 2));
	write_settings(&d, "[Daemon]\nOnEvent=other@\n");
	kill(d.pid, SIGHUP);
	CHECK(wait_count(&d, "mint other@", 1));
	CHECK_INT(count(&d, "mint evil@.service", NULL, NULL), 0);
	CHECK_INT(count(&d, "mint /bin/bad", NULL, NULL), 0);
	kill(d.pid, SIGTERM);
	CHECK_INT(wait_for(d.pid), 0);
	write_settings(&d, NULL);
	finish(&d);
	next_settings = NULL;
}

TEST(a_front_that_was_not_asked_about_callers_ends_nothing)
{
	struct daemon d;

	start(&d, "good", "is-idle-unasked", 60000);
	both_ready(&d);
	kill(d.pid, SIGHUP);
	CHECK(wait_count(&d, "mint Reload", 1));
	CHECK_INT(count(&d, "front Idle", NULL, NULL), 0);
	kill(d.pid, SIGTERM);
	CHECK_INT(wait_for(d.pid), 0);
	finish(&d);
}

/* Ignored signals are inherited: by nohup, or from a program that never wants to wait for its children. */
TEST(what_our_starter_ignored_is_heard_all_the_same)
{
	struct daemon d;
	pid_t front = 0;

	signal(SIGHUP, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	start(&d, "good", "good", 60000);
	signal(SIGHUP, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	both_ready(&d);
	count(&d, "front start", &front, NULL);
	kill(front, SIGKILL);
	CHECK(wait_count(&d, "front start", 2));
	kill(d.pid, SIGHUP);
	CHECK(wait_count(&d, "mint Reload", 1));
	kill(d.pid, SIGTERM);
	CHECK_INT(wait_for(d.pid), 0);
	finish(&d);
}

TEST(a_child_that_keeps_crashing_gets_growing_pauses_then_the_daemon_gives_up)
{
	struct daemon d;
	const char *line;
	long long at[16] = { 0 };
	unsigned n = 0;

	start(&d, "good", "crashes", 60000);
	CHECK_INT(wait_for(d.pid), EX_SOFTWARE);
	for (line = read_log(&d); line && *line; line = strchr(line, '\n') + 1) {
		static const char begin[] = "front start ";

		if (n < 16 && strncmp(line, begin, sizeof begin - 1) == 0)
			at[n++] = strtoll(strchr(line + sizeof begin - 1, ' '), NULL, 10);
	}
	CHECK_INT(n, 5);
	/* at once, then at least 100, 200, 400 ms; an upper bound would test the machine */
	for (unsigned i = 2; i < n; i++)
		CHECK(at[i] - at[i - 1] >= 100LL << (i - 2));
	CHECK_INT(count(&d, "mint start", NULL, NULL), 1);
	finish(&d);
}

TEST(exit_78_before_the_first_ready_ends_the_daemon_with_78)
{
	struct daemon d;

	start(&d, "refuses", "good", 60000);
	CHECK_INT(wait_for(d.pid), EX_CONFIG);
	CHECK_INT(count(&d, "mint start", NULL, NULL), 1);
	finish(&d);
}

TEST(a_child_that_falls_silent_is_killed_and_started_again)
{
	struct daemon d;

	start(&d, "good", "falls-silent", 300);
	CHECK(wait_count(&d, "front start", 2));
	CHECK(count(&d, "front Ping", NULL, NULL) >= 2);
	CHECK_INT(count(&d, "mint start", NULL, NULL), 1); /* the one that answers lives */
	kill(d.pid, SIGTERM);
	CHECK_INT(wait_for(d.pid), 0);
	finish(&d);
}

TEST(a_child_that_does_not_stop_is_killed_in_the_end)
{
	struct daemon d;

	start(&d, "does-not-stop", "good", 60000);
	both_ready(&d);
	kill(d.pid, SIGTERM);
	CHECK_INT(wait_for(d.pid), 0);
	finish(&d);
}

TEST(a_daemon_that_was_killed_leaves_nothing_running)
{
	struct daemon d;
	pid_t front = 0, mint = 0;

	start(&d, "good", "does-not-stop", 60000);
	both_ready(&d);
	count(&d, "front start", &front, NULL);
	count(&d, "mint start", &mint, NULL);
	kill(d.pid, SIGKILL);
	CHECK_INT(wait_for(d.pid), 1000 + SIGKILL);
	CHECK_INT(wait_for(front), 1000 + SIGKILL); /* by the kernel, whatever it was doing */
	CHECK_INT(wait_for(mint), 0);               /* by itself, at the end of its channel */
	finish(&d);
}

int main(int argc, char **argv)
{
	if (strcmp(argv[0], "fake") == 0)
		return fake_main(argv);
	return check_main(argc, argv);
}
