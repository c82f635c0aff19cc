/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/parent/sd_unit.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>

#include "base/cleanup.h"

#define SYSTEM_PRIVATE "/run/systemd/private"
#define SYSTEM_BUS "/run/dbus/system_bus_socket"

/* polkit may be started by the question; then the manager asks it, and it reads its rules. STEPS: that one peer cannot keep us busy. */
enum { ANSWER_MS = 20000, STEPS = 32 };

struct sd_unit {
	sd_bus *bus;
	sd_bus_slot *slot;
	int64_t until_ms;
	bool find, answered;
	enum sd_answer answer;
	struct err said;
};

/* --- who is asked --- */

/*
 * The socket of the manager itself, where it lets us in without a bus and without polkit, as systemctl(1) does it: root the system's, a user the own one's. "": neither.
 */
static void private_socket(bool user_mode, char *path, size_t size)
{
	const char *place = getenv("XDG_RUNTIME_DIR");

	path[0] = '\0';
	if (user_mode && place && place[0] == '/')
		(void)snprintf(path, size, "%s/systemd/private", place);
	else if (!user_mode && geteuid() == 0)
		(void)snprintf(path, size, SYSTEM_PRIVATE);
}

int sd_unit_possible(bool user_mode, struct err *err)
{
	char path[PATH_MAX];

	private_socket(user_mode, path, sizeof path);
	if (path[0] && access(path, F_OK) == 0)
		return 0;
	if (user_mode)
		return err_set(
			err, ERR_ADMIN,
			"there is no systemd of this user ($XDG_RUNTIME_DIR/systemd/private)");
	if (sd_booted() <= 0)
		return err_set(err, ERR_ADMIN, "systemd does not run here");
	if (!path[0] && access(SYSTEM_BUS, F_OK) < 0)
		return err_set(err, ERR_ADMIN,
			       "there is no system bus (" SYSTEM_BUS "): install dbus and polkitd");
	return 0;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const void *to = &address;
	size_t len = strlen(path);
	int fd;

	if (len >= sizeof address.sun_path)
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, len + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, to, sizeof address) < 0) {
		int why = errno;

		close(fd);
		return -why;
	}
	return fd;
}

static int open_private(sd_bus **out, const char *path)
{
	CLEANUP(sd_bus_close_unrefp) sd_bus *bus = NULL;
	int fd, r = sd_bus_new(&bus);

	if (r < 0)
		return r;
	fd = connect_to(path);
	if (fd < 0)
		return fd;
	r = sd_bus_set_fd(bus, fd, fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	r = sd_bus_start(bus);
	if (r >= 0)
		*out = TAKE(bus);
	return r;
}

/* --- what it says --- */

static const struct {
	const char *name;
	enum sd_answer answer;
} errors[] = {
	{ SD_BUS_ERROR_ACCESS_DENIED, SD_FORBIDDEN },
	{ SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, SD_FORBIDDEN },
	{ SD_BUS_ERROR_AUTH_FAILED, SD_FORBIDDEN },
	{ "org.freedesktop.systemd1.NoSuchUnit", SD_NO_UNIT },
	{ "org.freedesktop.systemd1.LoadFailed", SD_NO_UNIT },
	{ "org.freedesktop.systemd1.UnitMasked", SD_NO_UNIT },
	{ "org.freedesktop.systemd1.BadUnitSetting", SD_NO_UNIT },
	{ SD_BUS_ERROR_INVALID_ARGS, SD_NO_UNIT },
	{ SD_BUS_ERROR_FILE_NOT_FOUND, SD_NO_UNIT },
	{ SD_BUS_ERROR_NO_REPLY, SD_AWAY },
	{ SD_BUS_ERROR_TIMEOUT, SD_AWAY },
	{ SD_BUS_ERROR_DISCONNECTED, SD_AWAY },
	{ SD_BUS_ERROR_SERVICE_UNKNOWN, SD_AWAY },
	{ SD_BUS_ERROR_NAME_HAS_NO_OWNER, SD_AWAY },
	{ SD_BUS_ERROR_LIMITS_EXCEEDED, SD_AWAY },
};

static enum sd_answer answer_of(const sd_bus_error *e)
{
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
		if (strcmp(e->name, errors[i].name) == 0)
			return errors[i].answer;
	return SD_FAILED;
}

/* The state of a unit's file (org.freedesktop.systemd1(5)): all but "masked" and "masked-runtime" can be started. */
static enum sd_answer take_state(sd_bus_message *m, struct err *said)
{
	const char *state;

	if (sd_bus_message_read(m, "s", &state) < 0)
		return SD_FAILED;
	if (strncmp(state, "masked", 6) != 0)
		return SD_FOUND;
	err_set(said, ERR_ADMIN, "the unit is masked");
	return SD_NO_UNIT;
}

static int on_answer(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	struct sd_unit *u = arg;
	const sd_bus_error *e = sd_bus_message_get_error(m);

	(void)unused;
	u->answered = true;
	if (e)
		u->answer = answer_of(e);
	else
		u->answer = u->find ? take_state(m, &u->said) : SD_STARTED;
	/* what cannot be started is not the unit, but whom the manager asks about it */
	if (e && u->answer == SD_NO_UNIT && e->message && strstr(e->message, "polkit"))
		u->answer = SD_FORBIDDEN;
	if (e)
		err_set(&u->said, ERR_ADMIN, "%s", e->message ? e->message : e->name);
	return 1;
}

/* --- one question --- */

static int ask(struct sd_unit *u, const char *unit)
{
	CLEANUP(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	int r = sd_bus_message_new_method_call(u->bus, &m, "org.freedesktop.systemd1",
					       "/org/freedesktop/systemd1",
					       "org.freedesktop.systemd1.Manager",
					       u->find ? "GetUnitFileState" : "StartUnit");

	if (r >= 0)
		r = sd_bus_message_append(m, "s", unit);
	if (r >= 0 && !u->find)
		r = sd_bus_message_append(m, "s", "replace");
	if (r >= 0)
		r = sd_bus_call_async(u->bus, &u->slot, m, on_answer, u, ANSWER_MS * 1000ULL);
	return r;
}

static int question(struct sd_unit **out, bool user_mode, bool find, const char *unit,
		    int64_t now_ms, struct err *err)
{
	struct sd_unit *u = calloc(1, sizeof *u);
	char path[PATH_MAX];
	int r;

	if (!u)
		return err_oom(err);
	u->find = find;
	private_socket(user_mode, path, sizeof path);
	r = sd_unit_possible(user_mode, err);
	if (r < 0) {
		sd_unit_close(u);
		return r;
	}
	r = path[0] ? open_private(&u->bus, path) : sd_bus_open_system(&u->bus);
	if (r >= 0)
		r = ask(u, unit);
	if (r < 0) {
		sd_unit_close(u);
		return err_errno(err, ERR_RETRY, -r, "systemd cannot be asked (%s)",
				 path[0] ? path : SYSTEM_BUS);
	}
	u->until_ms = now_ms + ANSWER_MS;
	*out = u;
	return 0;
}

int sd_unit_start(struct sd_unit **out, bool user_mode, const char *unit, int64_t now_ms,
		  struct err *err)
{
	return question(out, user_mode, false, unit, now_ms, err);
}

int sd_unit_find(struct sd_unit **out, bool user_mode, const char *unit, int64_t now_ms,
		 struct err *err)
{
	return question(out, user_mode, true, unit, now_ms, err);
}

void sd_unit_wait(struct sd_unit *u, struct pollfd *out, int64_t *until_ms)
{
	int fd = sd_bus_get_fd(u->bus), events = sd_bus_get_events(u->bus);

	*out = (struct pollfd){ fd < 0 ? -1 : fd, (short)(events < 0 ? 0 : events), 0 };
	*until_ms = u->until_ms;
	if (fd < 0 || events < 0)
		*until_ms = 0; /* it has broken: look at once */
}

bool sd_unit_look(struct sd_unit *u, int64_t now_ms, enum sd_answer *answer, struct err *said)
{
	int r = 1;

	for (int i = 0; i < STEPS && r > 0 && !u->answered; i++)
		r = sd_bus_process(u->bus, NULL);
	if (!u->answered && (r < 0 || now_ms >= u->until_ms)) {
		u->answered = true;
		u->answer = SD_AWAY;
		if (r < 0)
			err_errno(&u->said, ERR_RETRY, -r, "the connection has ended");
		else
			err_set(&u->said, ERR_RETRY, "no answer in %d s", ANSWER_MS / 1000);
	}
	*answer = u->answer;
	*said = u->said;
	return u->answered;
}

void sd_unit_close(struct sd_unit *u)
{
	if (!u)
		return;
	sd_bus_slot_unref(u->slot);
	/* without flushing, which would wait */
	sd_bus_close_unref(u->bus);
	free(u);
}
