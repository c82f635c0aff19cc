/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/parent/sd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "base/cleanup.h"

enum { AGAIN_MS = 50, NAME_MAX_BYTES = 255 };

/* --- what it gives us --- */

/* "/path" or "@abstract"; anything else (vsock: from outside of a virtual machine, for its init) is not for us. */
static int set_address(struct sd *sd, const char *path, struct err *err)
{
	size_t len = strlen(path);

	if ((path[0] != '/' && path[0] != '@') || len >= sizeof sd->address.sun_path)
		return 0;
	sd->address.sun_family = AF_UNIX;
	memcpy(sd->address.sun_path, path, len + 1);
	if (path[0] == '@')
		sd->address.sun_path[0] = '\0';
	sd->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len +
				      (path[0] == '/'));
	sd->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return sd->socket >= 0 ? 0
			       : err_errno(err, ERR_INTERNAL, errno,
					   "cannot make a socket for the service manager");
}

static int take_given(struct sd *sd, struct err *err)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names);

	if (n < 0)
		return err_errno(err, ERR_INTERNAL, -n,
				 "cannot take the sockets of the service manager");
	sd->given = calloc((size_t)n + 1, sizeof *sd->given);
	for (int i = 0; i < n; i++) {
		if (!sd->given) {
			free(names[i]);
			continue;
		}
		sd->given[sd->n_given++] = (struct sd_given){ names[i], SD_LISTEN_FDS_START + i };
	}
	free(names);
	return sd->given ? 0 : err_oom(err);
}

/*
 * systemd 254 and later say how many descriptors they keep; for older ones the unit says the same (Environment=FDSTORE=). Without that word nobody may keep anything, and what we would leave open
 * for the next daemon would be lost with its name.
 */
static size_t read_store_max(void)
{
	const char *text = getenv("FDSTORE");

	return text && *text >= '0' && *text <= '9' ? strtoul(text, NULL, 10) : 0;
}

int sd_init(struct sd *sd, struct err *err)
{
	const char *path = getenv("NOTIFY_SOCKET");
	uint64_t watchdog_us = 0;
	int r = path && *path ? set_address(sd, path, err) : 0;

	if (r < 0)
		return r;
	if (sd->socket >= 0) {
		if (sd_watchdog_enabled(0, &watchdog_us) > 0)
			sd->watchdog_ms = (int64_t)(watchdog_us / 1000);
		sd->store_max = read_store_max();
	}
	return take_given(sd, err);
}

void sd_fini(struct sd *sd)
{
	for (size_t i = 0; i < sd->n_given; i++) {
		cleanup_close(&sd->given[i].fd);
		free(sd->given[i].name);
	}
	free(sd->given);
	for (size_t i = 0; i < sd->n_queue; i++)
		cleanup_close(&sd->queue[i].fd);
	free(sd->queue);
	cleanup_close(&sd->socket);
	*sd = (struct sd){ .socket = -1 };
}

/* --- what it is told --- */

/* Whether the message is done with: taken, or nobody is there to take it. */
static bool send_now(const struct sd *sd, const char *text, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} room = { 0 };
	struct iovec piece = { .iov_base = (char *)text, .iov_len = strlen(text) };
	struct msghdr message = { .msg_name = (void *)&sd->address,
				  .msg_namelen = sd->address_len,
				  .msg_iov = &piece,
				  .msg_iovlen = 1 };

	if (fd >= 0) {
		message.msg_control = room.bytes;
		message.msg_controllen = sizeof room.bytes;
		room.header.cmsg_level = SOL_SOCKET;
		room.header.cmsg_type = SCM_RIGHTS;
		room.header.cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(&room.header), &fd, sizeof fd);
	}
	return sendmsg(sd->socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 ||
	       (errno != EAGAIN && errno != ENOBUFS && errno != EINTR);
}

static void drop_oldest(struct sd *sd)
{
	cleanup_close(&sd->queue[0].fd);
	memmove(sd->queue, sd->queue + 1, --sd->n_queue * sizeof *sd->queue);
}

static void keep(struct sd *sd, const char *text, int fd)
{
	struct sd_message *m;

	if (!sd->queue)
		sd->queue = calloc(SD_QUEUE_MAX, sizeof *sd->queue);
	if (!sd->queue)
		return;
	if (sd->n_queue == SD_QUEUE_MAX)
		drop_oldest(sd);
	m = &sd->queue[sd->n_queue++];
	(void)snprintf(m->text, sizeof m->text, "%s", text);
	m->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static void tell(struct sd *sd, int fd, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void tell(struct sd *sd, int fd, const char *format, ...)
{
	char text[SD_TEXT_MAX];
	va_list args;

	if (sd->socket < 0)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (sd->n_queue || !send_now(sd, text, fd))
		keep(sd, text, fd);
}

void sd_tell_ready(struct sd *sd, const char *status)
{
	sd->status[0] = '\0';
	tell(sd, -1, "READY=1\nSTATUS=%s", status);
}

void sd_tell_status(struct sd *sd, const char *status)
{
	if (sd->socket < 0)
		return;
	(void)snprintf(sd->status, sizeof sd->status, "STATUS=%s", status);
	(void)sd_flush(sd, 0);
}

/* Type=notify-reload wants the time at which the reload began (systemd.service(5)). */
void sd_tell_reloading(struct sd *sd)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	sd->status[0] = '\0';
	tell(sd, -1, "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=reading the configuration",
	     (unsigned long long)ts.tv_sec * 1000000ULL + (unsigned long long)ts.tv_nsec / 1000ULL);
}

void sd_tell_stopping(struct sd *sd)
{
	sd->status[0] = '\0';
	tell(sd, -1, "STOPPING=1\nSTATUS=stopping");
}

void sd_tell_alive(struct sd *sd)
{
	if (sd->socket >= 0 && sd->watchdog_ms > 0)
		(void)send_now(sd, "WATCHDOG=1", -1);
}

void sd_store(struct sd *sd, const char *name, int fd)
{
	tell(sd, fd, "FDSTORE=1\nFDNAME=%s", name);
}

void sd_forget(struct sd *sd, const char *name)
{
	tell(sd, -1, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

bool sd_name_fits(const char *name)
{
	size_t n = 0;

	while (name[n] >= ' ' && name[n] < 0x7f && name[n] != ':')
		n++;
	return !name[n] && n > 0 && n <= NAME_MAX_BYTES;
}

int64_t sd_flush(struct sd *sd, int64_t now_ms)
{
	while (sd->n_queue && send_now(sd, sd->queue[0].text, sd->queue[0].fd))
		drop_oldest(sd);
	if (!sd->n_queue && sd->status[0] && send_now(sd, sd->status, -1))
		sd->status[0] = '\0';
	return sd->n_queue || sd->status[0] ? now_ms + AGAIN_MS : INT64_MAX;
}
