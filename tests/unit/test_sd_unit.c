/* SPDX-License-Identifier: Apache-2.0 */
/* Asking the service manager: a manager of our own behind $XDG_RUNTIME_DIR/systemd/private, which answers as its name says, or hangs up, or says nothing. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <systemd/sd-bus.h>

#include "base/clock.h"
#include "daemon/parent/sd_unit.h"
#include "tests/unit/check.h"

enum manager { STARTS, SAYS_ERROR, HANGS_UP, SILENT, ABSENT, REFUSES };

static char folder[64];
static pid_t child;
static const char *error_name, *error_text, *file_state;

/* --- the manager --- */

static int on_file_state(sd_bus_message *m)
{
	const char *unit = "";

	if (sd_bus_message_read(m, "s", &unit) < 0 || strcmp(unit, "a@.service") != 0)
		_exit(1);
	return file_state ? sd_bus_reply_method_return(m, "s", file_state)
			  : sd_bus_reply_method_errno(m, ENOENT, NULL);
}

static int on_message(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	const char *unit = "", *mode = "";

	(void)arg;
	(void)unused;
	if (sd_bus_message_is_method_call(m, "org.freedesktop.systemd1.Manager",
					  "GetUnitFileState"))
		return on_file_state(m);
	if (!sd_bus_message_is_method_call(m, "org.freedesktop.systemd1.Manager", "StartUnit"))
		return 0;
	if (sd_bus_message_read(m, "ss", &unit, &mode) < 0 || strcmp(mode, "replace") != 0 ||
	    strcmp(unit, "a@b:c.service") != 0)
		_exit(1);
	if (error_name)
		return sd_bus_reply_method_errorf(m, error_name, "%s", error_text);
	return sd_bus_reply_method_return(m, "o", "/org/freedesktop/systemd1/job/1");
}

static void serve(int fd)
{
	sd_id128_t id = { 0 };
	sd_bus *bus = NULL;

	id.bytes[0] = 1;
	if (sd_bus_new(&bus) < 0 || sd_bus_set_fd(bus, fd, fd) < 0 ||
	    sd_bus_set_server(bus, 1, id) < 0 || sd_bus_set_anonymous(bus, 1) < 0 ||
	    sd_bus_add_filter(bus, NULL, on_message, NULL) < 0 || sd_bus_start(bus) < 0)
		_exit(1);
	for (;;) {
		int r = sd_bus_process(bus, NULL);

		if (r < 0)
			_exit(0); /* it was hung up */
		if (r == 0 && sd_bus_wait(bus, UINT64_MAX) < 0)
			_exit(0);
	}
}

static void manage(int listener, enum manager kind)
{
	int fd = accept(listener, NULL, NULL);

	if (kind == HANGS_UP)
		_exit(0);
	if (kind == SILENT)
		for (;;)
			pause();
	serve(fd);
}

static void begin(enum manager kind)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const void *to = &address;
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char path[100];

	snprintf(folder, sizeof folder, "/tmp/sftokend-test-XXXXXX");
	REQUIRE(mkdtemp(folder));
	setenv("XDG_RUNTIME_DIR", folder, 1);
	snprintf(path, sizeof path, "%s/systemd", folder);
	mkdir(path, 0700);
	snprintf(address.sun_path, sizeof address.sun_path, "%s/systemd/private", folder);
	child = 0;
	if (kind != ABSENT)
		REQUIRE(bind(listener, to, sizeof address) == 0);
	if (kind != ABSENT && kind != REFUSES) {
		REQUIRE(listen(listener, 5) == 0);
		child = fork();
		if (child == 0)
			manage(listener, kind);
	}
	close(listener);
}

static void end(void)
{
	char path[100];
	int status;

	if (child > 0) {
		kill(child, SIGKILL);
		CHECK(waitpid(child, &status, 0) == child);
		CHECK(!WIFEXITED(status) || WEXITSTATUS(status) == 0);
	}
	snprintf(path, sizeof path, "%s/systemd/private", folder);
	unlink(path);
	snprintf(path, sizeof path, "%s/systemd", folder);
	rmdir(path);
	rmdir(folder);
	unsetenv("XDG_RUNTIME_DIR");
}

/* As the parent does it: wait for what it wants, look. late_ms: how much later than it is the clock says. */
static enum sd_answer hear(struct sd_unit *u, int r, struct err *said, int64_t late_ms)
{
	enum sd_answer answer = SD_FAILED;
	struct pollfd fd;
	int64_t until_ms;

	/* who hangs up quickly has done so before the question is out */
	if (r == -ERR_RETRY)
		return SD_AWAY;
	CHECK_INT(r, 0);
	while (u && !sd_unit_look(u, clock_mono_ms() + late_ms, &answer, said)) {
		sd_unit_wait(u, &fd, &until_ms);
		CHECK(until_ms <= clock_mono_ms() + 20000);
		poll(&fd, 1, until_ms ? 1000 : 0);
	}
	sd_unit_close(u);
	return answer;
}

static enum sd_answer ask(struct err *said, int64_t late_ms)
{
	struct sd_unit *u = NULL;
	int r = sd_unit_start(&u, true, "a@b:c.service", clock_mono_ms(), said);

	return hear(u, r, said, late_ms);
}

static enum sd_answer find(struct err *said)
{
	struct sd_unit *u = NULL;
	int r = sd_unit_find(&u, true, "a@.service", clock_mono_ms(), said);

	return hear(u, r, said, 0);
}

/* --- what comes of it --- */

TEST(a_unit_is_started)
{
	struct err said = { 0 };

	begin(STARTS);
	error_name = NULL;
	CHECK_INT(sd_unit_possible(true, &said), 0);
	CHECK_INT(ask(&said, 0), SD_STARTED);
	CHECK_STR(said.text, "");
	end();
}

TEST(each_refusal_is_known)
{
	static const struct {
		const char *name, *text;
		enum sd_answer answer;
	} rows[] = {
		{ "org.freedesktop.systemd1.NoSuchUnit", "Unit a@b:c.service not found.", SD_NO_UNIT },
		{ "org.freedesktop.systemd1.UnitMasked", "Unit a@b:c.service is masked.", SD_NO_UNIT },
		{ "org.freedesktop.systemd1.UnitMasked", "Unit polkit.service is masked.", SD_FORBIDDEN },
		{ "org.freedesktop.systemd1.NoSuchUnit", "Unit polkit.service not found.", SD_FORBIDDEN },
		{ "org.freedesktop.DBus.Error.AccessDenied", "Access denied", SD_FORBIDDEN },
		{ "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
		  "Interactive authentication required.", SD_FORBIDDEN },
		{ "org.freedesktop.DBus.Error.ServiceUnknown", "The name is not activatable", SD_AWAY },
		{ "org.freedesktop.systemd1.TransactionIsDestructive", "it is shutting down", SD_FAILED },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct err said = { 0 };

		error_name = rows[i].name;
		error_text = rows[i].text;
		check_row(rows[i].text);
		begin(SAYS_ERROR);
		CHECK_INT(ask(&said, 0), rows[i].answer);
		CHECK_STR(said.text, rows[i].text);
		end();
	}
	check_row(NULL);
}

TEST(a_unit_is_looked_for)
{
	static const struct {
		const char *state;
		enum sd_answer answer;
	} rows[] = { { "static", SD_FOUND },	  { "disabled", SD_FOUND },	{ "enabled", SD_FOUND },
		     { "masked", SD_NO_UNIT }, { "masked-runtime", SD_NO_UNIT }, { NULL, SD_NO_UNIT } };

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct err said = { 0 };

		file_state = rows[i].state;
		check_row(rows[i].state ? rows[i].state : "none");
		begin(STARTS);
		CHECK_INT(find(&said), rows[i].answer);
		CHECK((rows[i].answer == SD_NO_UNIT) == (said.text[0] != '\0'));
		end();
	}
	check_row(NULL);
}

TEST(who_hangs_up_or_says_nothing_is_away)
{
	struct err said = { 0 };

	begin(HANGS_UP);
	CHECK_INT(ask(&said, 0), SD_AWAY);
	end();
	begin(SILENT);
	CHECK_INT(ask(&said, 20000), SD_AWAY);
	CHECK_STR(said.text, "no answer in 20 s");
	end();
}

TEST(nobody_there_is_said_before_and_at_the_question)
{
	struct sd_unit *u = NULL;
	struct err said = { 0 };

	begin(ABSENT);
	CHECK_INT(sd_unit_possible(true, &said), -ERR_ADMIN);
	CHECK(strstr(said.text, "$XDG_RUNTIME_DIR/systemd/private"));
	CHECK_INT(sd_unit_start(&u, true, "a@b:c.service", 0, &said), -ERR_ADMIN);
	CHECK(!u);
	end();
	begin(REFUSES);
	CHECK_INT(sd_unit_start(&u, true, "a@b:c.service", 0, &said), -ERR_RETRY);
	CHECK(!u && strstr(said.text, "systemd cannot be asked"));
	end();
	CHECK_INT(sd_unit_possible(true, &said), -ERR_ADMIN); /* without $XDG_RUNTIME_DIR */
}

CHECK_MAIN()
