/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/mint/sign.h"

enum { CERTIFICATE_MAX = 64 * 1024 };

const char *certificate_day(int64_t real_s, char text[32])
{
	time_t at = (time_t)real_s;
	struct tm tm;

	if (!gmtime_r(&at, &tm) || strftime(text, 32, "%Y-%m-%d", &tm) == 0)
		text[0] = '\0';
	return text;
}

static int cannot_read(const char *path, int errnum, struct err *err)
{
	return err_set(
		err, ERR_ADMIN, "%s cannot be read: %s — %s", path, strerror(errnum),
		errnum == EACCES
			? "it is public: chmod 644, and let the service user reach its directory"
			: "put the certificate there that the app in Salesforce has, or mend the path");
}

/* It is public: unlike secrets it may belong to anybody and be read by all. */
static int read_file(const char *path, struct buf *out, struct err *err)
{
	CLEANUP(cleanup_close)
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return cannot_read(path, errno, err);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > CERTIFICATE_MAX)
		return err_set(err, ERR_ADMIN, "%s is not a file of at most 64 KiB", path);
	if (buf_reserve(out, CERTIFICATE_MAX) < 0)
		return err_oom(err);
	n = read(fd, out->data, CERTIFICATE_MAX);
	if (n < 0)
		return cannot_read(path, errno, err);
	out->len = (size_t)n;
	return 0;
}

static int read_reference(const char *reference, uid_t service_uid, struct buf *out,
			  struct err *err)
{
	CLEANUP(secret_unrefp) struct secret *s = NULL;

	if (!strncmp(reference, "file:", 5))
		return read_file(reference + 5, out, err);
	s = credential_secret(reference, service_uid, false, err);
	if (!s)
		return -(int)err->code;
	buf_add(out, secret_bytes(s), secret_size(s));
	return buf_failed(out) ? err_oom(err) : 0;
}

/* Whether it belongs to the key. A key that cannot be asked now has said so elsewhere. */
static int compare(const struct credential *c, const struct buf *print, struct err *err)
{
	CLEANUP(buf_finip) struct buf own;

	buf_init(&own, 200);
	if (!c->private_key || sign_fingerprint(c->private_key, c->passphrase, &own, NULL) < 0 ||
	    !strcmp(own.data, print->data))
		return 0;
	return err_set(err, ERR_ADMIN,
		       "the certificate does not belong to PrivateKey=: its public key is %s, "
		       "that of the key %s — name the one that was made for this key",
		       print->data, own.data);
}

int certificate_read(const struct credential *c, uid_t service_uid, int64_t now_s, int64_t *ends_s,
		     struct err *err)
{
	CLEANUP(buf_finip) struct buf pem;
	CLEANUP(buf_finip) struct buf print;
	char day[32];
	int r;

	*ends_s = 0;
	buf_init(&pem, CERTIFICATE_MAX + 1);
	buf_init(&print, 200);
	if (!c->certificate_ref)
		return 0;
	r = read_reference(c->certificate_ref, service_uid, &pem, err);
	if (r == 0)
		r = sign_certificate(pem.data, pem.len, ends_s, &print, err);
	if (r == 0)
		r = compare(c, &print, err);
	if (r == 0 && *ends_s <= now_s)
		r = err_set(err, ERR_ADMIN,
			    "the certificate has ended on %s — make a new one for the key, and "
			    "upload it to the app in Salesforce",
			    certificate_day(*ends_s, day));
	return r;
}
