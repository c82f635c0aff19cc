/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log_ids.h"

enum { FIELD_NAME_MAX = 64 }; /* journald drops fields with longer names */

static const char journald[] = "/run/systemd/journal/socket";

static struct {
	int fd; /* -1: not open */
	const char *path;
	int send_buffer;
} to = { .fd = -1, .path = journald };

/* --- an entry --- */

/* The value of a field that ends at the end of out, when it has no newline; else its size must stand in front of it. */
static void add_value(struct buf *out, const char *value, size_t size)
{
	uint64_t length = size;

	if (!memchr(value, '\n', size)) {
		buf_add_char(out, '=');
	} else {
		buf_add_char(out, '\n');
		for (unsigned shift = 0; shift < 64; shift += 8)
			buf_add_char(out, (char)(length >> shift & 0xff));
	}
	buf_add(out, value, size);
	buf_add_char(out, '\n');
}

static void add_text(struct buf *out, const char *name, const char *value)
{
	buf_add_text(out, name);
	add_value(out, value, strlen(value));
}

static void add_name(struct buf *out, const char *name)
{
	static const char prefix[] = "SFTOKEN_";

	buf_add_text(out, prefix);
	for (size_t i = 0; i < FIELD_NAME_MAX - (sizeof(prefix) - 1) && name[i]; i++) {
		char c = name[i];

		if (c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		else if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9'))
			c = '_';
		buf_add_char(out, c);
	}
}

void log_journal_entry(struct buf *out, const char *program, enum log_level level,
		       const char *event, const struct log_field *fields, size_t n)
{
	const char *id = log_message_id(event);

	buf_add_text(out, "MESSAGE=");
	log_format_line(out, LOG_FORMAT_TEXT, program, 0, level, event, fields, n);
	buf_addf(out, "\nPRIORITY=%d\n", log_level_syslog(level));
	add_text(out, "SYSLOG_IDENTIFIER", program);
	if (id)
		add_text(out, "MESSAGE_ID", id);
	add_text(out, "SFTOKEN_EVENT", event);
	for (size_t i = 0; i < n; i++) {
		add_name(out, fields[i].name);
		if (fields[i].text) {
			add_value(out, fields[i].text, strlen(fields[i].text));
		} else {
			buf_add_char(out, '=');
			buf_add_int(out, fields[i].number);
			buf_add_char(out, '\n');
		}
	}
}

/* --- on its way --- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static int send_message(struct msghdr *message)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	ssize_t n;

	memcpy(address.sun_path, to.path, strlen(to.path) + 1);
	/* not connected: each entry finds the journald that is there now */
	message->msg_name = &address;
	message->msg_namelen = (socklen_t)sizeof(address);
	do
		n = sendmsg(to.fd, message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	message->msg_name = NULL;
	return n < 0 ? -errno : 0;
}

/* journald takes a file only if nobody can change it any more. */
static int send_as_file(const char *entry, size_t size)
{
	CLEANUP(close_fd) int fd = memfd_create("sftokend-log", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} room = { 0 };
	struct msghdr message = { .msg_control = room.bytes, .msg_controllen = sizeof(room.bytes) };

	if (fd < 0 || write(fd, entry, size) != (ssize_t)size ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return -EMSGSIZE;
	room.header.cmsg_level = SOL_SOCKET;
	room.header.cmsg_type = SCM_RIGHTS;
	room.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&room.header), &fd, sizeof(fd));
	return send_message(&message);
}

static bool open_socket(void)
{
	if (to.fd < 0) {
		to.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (to.fd >= 0 && to.send_buffer)
			(void)setsockopt(to.fd, SOL_SOCKET, SO_SNDBUF, &to.send_buffer,
					 sizeof(to.send_buffer));
	}
	return to.fd >= 0;
}

enum log_journal_sent log_journal_send(const char *entry, size_t size)
{
	struct iovec piece = { .iov_base = (void *)(uintptr_t)entry, .iov_len = size };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };
	int r;

	if (!open_socket())
		return LOG_JOURNAL_ABSENT;
	r = send_message(&message);
	if (r == -EMSGSIZE)
		r = send_as_file(entry, size);
	if (r == 0)
		return LOG_JOURNAL_SENT;
	return r == -EAGAIN || r == -ENOBUFS || r == -ENOMEM ? LOG_JOURNAL_FULL
							     : LOG_JOURNAL_ABSENT;
}

bool log_journal_unread(void)
{
	uint32_t memory[SK_MEMINFO_VARS] = { 0 };
	socklen_t size = sizeof(memory);

	/* what a sender has sent is its own until somebody has read it */
	return to.fd >= 0 && getsockopt(to.fd, SOL_SOCKET, SO_MEMINFO, memory, &size) == 0 &&
	       memory[SK_MEMINFO_WMEM_ALLOC] > 0;
}

void log_journal_use(const char *path, int send_buffer)
{
	close_fd(&to.fd);
	to.fd = -1;
	to.path = path ? path : journald;
	to.send_buffer = send_buffer;
}
