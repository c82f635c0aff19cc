/* SPDX-License-Identifier: Apache-2.0 */
/* Certificate=: read, judged, and compared with PrivateKey=. */
#include "tests/unit/check.h"

#include <stdlib.h>
#include <unistd.h>

#include "daemon/mint/certificate.h"
#include "daemon/mint/sign.h"
#include "tests/unit/config_fixture.h"
#include "tests/unit/keys.h"

static struct fixture f;
static struct credential c;
static struct err err;
static int64_t ends_s;
static char reference[256];

static void begin(enum key_form form)
{
	CLEANUP(secret_unrefp) struct secret *pem = keys_make("RSA", 2048, form, NULL);

	fixture_init(&f);
	fixture_write_bytes(&f, "c.pem", secret_bytes(pem), secret_size(pem), 0644);
	snprintf(reference, sizeof reference, "file:%s/c.pem", f.dir);
	c = (struct credential){ .certificate_ref = reference };
	/* the certificate stands first; what follows is its key */
	c.private_key = form == KEY_WITH_CERTIFICATE ? secret_ref(pem) : NULL;
	err = (struct err){ 0 };
}

static void end(void)
{
	secret_unref(c.private_key);
	sign_forget();
	fixture_fini(&f);
}

TEST(its_end_is_known_and_it_belongs_to_its_key)
{
	begin(KEY_WITH_CERTIFICATE);
	CHECK_INT(certificate_read(&c, f.uid, 0, &ends_s, &err), 0);
	CHECK_STR(err.text, "");
	CHECK(ends_s > 1700000000);
	CHECK_INT(certificate_read(&c, f.uid, ends_s - 1, &ends_s, &err), 0);
	end();
}

TEST(one_that_is_over_says_when_and_its_end_is_known_all_the_same)
{
	char day[32];

	begin(KEY_CERTIFICATE);
	CHECK_INT(certificate_read(&c, f.uid, 0, &ends_s, &err), 0);
	CHECK_INT(certificate_read(&c, f.uid, ends_s, &ends_s, &err), -ERR_ADMIN);
	CHECK(ends_s > 0 && strstr(err.text, "has ended on ") &&
	      strstr(err.text, certificate_day(ends_s, day)));
	CHECK_STR(certificate_day(0, day), "1970-01-01");
	end();
}

TEST(one_of_another_key_is_noticed)
{
	begin(KEY_CERTIFICATE);
	c.private_key = keys_make("RSA", 2048, KEY_PKCS8, NULL);
	CHECK_INT(certificate_read(&c, f.uid, 0, &ends_s, &err), -ERR_ADMIN);
	CHECK(strstr(err.text, "does not belong to PrivateKey=: its public key is SHA256:"));
	CHECK(ends_s > 0);
	end();
}

TEST(what_is_no_certificate_is_refused)
{
	begin(KEY_PKCS8);
	CHECK_INT(certificate_read(&c, f.uid, 0, &ends_s, &err), -ERR_ADMIN);
	CHECK(strstr(err.text, "this is no certificate") && ends_s == 0);
	fixture_write_bytes(&f, "c.pem", "", 0, 0644);
	CHECK_INT(certificate_read(&c, f.uid, 0, &ends_s, &err), -ERR_ADMIN);
	snprintf(reference, sizeof reference, "file:%s/none.pem", f.dir);
	CHECK_INT(certificate_read(&c, f.uid, 0, &ends_s, &err), -ERR_ADMIN);
	CHECK(strstr(err.text, "none.pem cannot be read: No such file") &&
	      strstr(err.text, "put the certificate there"));
	snprintf(reference, sizeof reference, "file:%s", f.dir);
	CHECK_INT(certificate_read(&c, f.uid, 0, &ends_s, &err), -ERR_ADMIN);
	c.certificate_ref = NULL;
	CHECK_INT(certificate_read(&c, f.uid, 0, &ends_s, &err), 0);
	end();
}

TEST(the_system_may_have_it)
{
	begin(KEY_WITH_CERTIFICATE);
	setenv("CREDENTIALS_DIRECTORY", f.dir, 1);
	snprintf(reference, sizeof reference, "credential:c.pem");
	CHECK_INT(certificate_read(&c, f.uid, 0, &ends_s, &err), 0);
	CHECK(ends_s > 0);
	unsetenv("CREDENTIALS_DIRECTORY");
	CHECK_INT(certificate_read(&c, f.uid, 0, &ends_s, &err), -ERR_ADMIN);
	end();
}

CHECK_MAIN()
