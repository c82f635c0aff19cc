/* SPDX-License-Identifier: Apache-2.0 */
/* [Access]: rules on units and programs, on kernels that prove who a caller is and on those that do not. */
#include <stdlib.h>

#include "daemon/common/peer.h"
#include "daemon/mint/credential.h"
#include "daemon/mint/identify.h"
#include "tests/unit/check.h"
#include "tests/unit/config_fixture.h"

/* Instead of the kernel (meson.build). */
static bool proves, sees;

bool __wrap_peer_can_prove(void);
bool __wrap_identify_sees_others(void);

bool __wrap_peer_can_prove(void)
{
	return proves;
}

bool __wrap_identify_sees_others(void)
{
	return sees;
}

#define CREDENTIAL \
	"[Credential]\nGrantType=client_credentials\nLoginUrl=https://a.my.salesforce.com\n" \
	"ClientId=id\nClientSecret=file:@DIR@/secret.txt\n[Access]\n"

static struct secret *none_stored(const char *name, enum stored_secret kind, void *arg)
{
	(void)name;
	(void)kind;
	(void)arg;
	return NULL;
}

/* The notes of a load with these lines in [Access], "" for none; warnings with their word. */
static const char *load(const char *access, const char *settings)
{
	static const struct credential_stored stored = { .find = none_stored };
	static char said[4096];
	char text[3000], place[80];
	struct config_notes notes = { 0 }, warnings = { 0 };
	struct places places = { 0 };
	struct settings *s;
	struct credential_set *set;
	struct fixture f;
	struct buf out;

	fixture_init(&f);
	fixture_good(&f);
	snprintf(text, sizeof(text), CREDENTIAL "%s\n", access);
	fixture_write(&f, "credentials/a.conf", fixture_expand(&f, text));
	fixture_write(&f, "sftokend.conf", settings);
	places.config_option = strdup(f.dir);
	places.state_option = strdup("/s");
	places.runtime_option = strdup("/r");
	if (places_resolve(&places, NULL) < 0)
		abort();
	s = settings_read(&places, f.uid, &notes, NULL);
	set = credential_set_read(&places, s, f.uid, NULL, &stored, &notes, &warnings, NULL);
	if (!s || !set)
		abort();
	buf_init(&out, sizeof(said) - 1);
	config_notes_print(&out, &notes, "");
	config_notes_print(&out, &warnings, "warning: ");
	snprintf(said, sizeof(said), "%s", out.data ? out.data : "");
	/* without the folder */
	snprintf(place, sizeof(place), "%s/", f.dir);
	for (char *at; (at = strstr(said, place));)
		memmove(at, at + strlen(place), strlen(at + strlen(place)) + 1);
	buf_fini(&out);
	credential_set_unref(set);
	settings_unref(s);
	config_notes_fini(&notes);
	config_notes_fini(&warnings);
	places_fini(&places);
	fixture_fini(&f);
	return said;
}

static const struct {
	const char *access;
	bool proves, sees;
	const char *said; /* how it begins; NULL: nothing */
} rows[] = {
	{ "LoadCredentialUnit=etl.service etl@*.service *.socket *", false, false, NULL },
	{ "LoadCredentialUnit=job-a\\x2db.service a[bc]?.service", false, false, NULL },
	{ "LoadCredentialUnit=etl", false, false,
	  "credentials/a.conf:7: LoadCredentialUnit=etl has no type — write etl.service\n" },
	{ "LoadCredentialUnit=a.socket b.mount c.swap d.scope e@* .*", false, false, NULL },
	{ "LoadCredentialUnit=etl.sevice", false, false,
	  "credentials/a.conf:7: LoadCredentialUnit=etl.sevice would match no unit — end it with .service, .socket, "
	  ".mount, .swap, .scope or *\n" },
	{ "LoadCredentialUnit=etl@?", false, false,
	  "credentials/a.conf:7: LoadCredentialUnit=etl@? would match no unit — " },
	{ "AllowUnit=user@1000.service/etl.srv", true, false,
	  "credentials/a.conf:7: AllowUnit=user@1000.service/etl.srv would match no unit — " },
	{ "AllowUnit=etl.target", true, false,
	  "credentials/a.conf:7: AllowUnit=etl.target would match no unit — " },
	{ "LoadCredentialUnit=/etl.service", false, false,
	  "credentials/a.conf:7: LoadCredentialUnit=/etl.service is no name of a unit — " },
	{ "LoadCredentialUnit=user@1.service/etl.service", false, false,
	  "credentials/a.conf:7: LoadCredentialUnit=user@1.service/etl.service is no name of a unit" },
	{ "LoadCredentialUnit=\xc3\xa4.service", false, false,
	  "credentials/a.conf:7: LoadCredentialUnit=\xc3\xa4.service is no name of a unit — " },
	{ "AllowUnit=etl.service user@1000.service/etl.service", true, false, NULL },
	{ "AllowUnit=etl", true, false,
	  "credentials/a.conf:7: AllowUnit=etl has no type — write etl.service\n" },
	/* never a weaker check */
	{ "AllowUnit=etl.service", false, true,
	  "credentials/a.conf:7: AllowUnit= cannot be kept here: this kernel does not prove who a caller is "
	  "(SO_PEERPIDFD, Linux 6.5) — remove the line, or use a newer kernel\n" },
	{ "AllowExecutable=/usr/bin/env", false, true,
	  "credentials/a.conf:7: AllowExecutable= cannot be kept here: this kernel does not prove" },
	{ "AllowUser=4711\nAllowExecutable=/usr/bin/env", true, true, NULL },
	{ "AllowUser=4711\nAllowExecutable=/usr/bin/env", true, false,
	  "credentials/a.conf:8: AllowExecutable= needs to see programs of other users, which takes the capability "
	  "CAP_SYS_PTRACE — " },
	{ "AllowGroup=4711\nAllowExecutable=/usr/bin/env", true, false,
	  "credentials/a.conf:8: AllowExecutable= needs to see programs of other users" },
	/* its own programs it sees, and root may do anything */
	{ "AllowExecutable=/usr/bin/env /opt/*/bin/etl-?", true, false, NULL },
	{ "AllowExecutable=env", true, true,
	  "credentials/a.conf:7: AllowExecutable=env is not absolute — begin it with /\n" },
	{ "AllowExecutable=/no/such/program", true, true,
	  "credentials/a.conf:7: warning: AllowExecutable=/no/such/program is not there — " },
	{ "AllowExecutable=/proc/self/exe", true, true,
	  "credentials/a.conf:7: AllowExecutable=/proc/self/exe is a symbolic link, which no process runs — write /" },
};

TEST(what_is_written_is_kept_or_refused)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *said;

		proves = rows[i].proves;
		sees = rows[i].sees;
		check_row(rows[i].access);
		said = load(rows[i].access, "");
		if (rows[i].said)
			CHECK(!strncmp(said, rows[i].said, strlen(rows[i].said)));
		else
			CHECK_STR(said, "");
	}
}

/* One packet has to hold them. */
TEST(lists_have_an_end)
{
	struct buf many;

	buf_init(&many, 2000);
	buf_add_text(&many, "LoadCredentialUnit=");
	for (int i = 0; i < 64; i++)
		buf_add_text(&many, "a.service ");
	CHECK_STR(load(many.data, ""), "");
	buf_add_text(&many, "b.service");
	CHECK(strstr(load(many.data, ""), "LoadCredentialUnit= has more than 64 words"));
	buf_fini(&many);
}

TEST(a_socket_that_was_taken_away_is_a_warning)
{
	CHECK(strstr(
		load("LoadCredentialUnit=etl.service", "[Listener credential]\nDisabled=yes\n"),
		"credentials/a.conf:7: warning: LoadCredentialUnit= names units that reach no socket"));
	CHECK_STR(
		load("LoadCredentialUnit=etl.service",
		     "[Listener credential]\nDisabled=yes\n[Listener x]\nInterface=credential\nPath=/x\n"),
		"");
	CHECK_STR(load("", "[Listener credential]\nDisabled=yes\n"), "");
}

TEST(check_prints_the_rules)
{
	struct fixture f;

	proves = true;
	fixture_init(&f);
	fixture_good(&f);
	fixture_write(
		&f, "credentials/a.conf",
		fixture_expand(&f, CREDENTIAL
			       "LoadCredentialUnit=etl.service\nAllowUser=4711\n"
			       "AllowUnit=b.service c.service\nAllowExecutable=/usr/bin/env\n"));
	sees = false;
	CHECK(strstr(fixture_check(&f),
		     "credentials/a.conf:10: warning: AllowExecutable= needs to see"));
	CHECK_INT(f.status, 0); /* it is not the daemon: its unit may give it what we lack */
	CHECK(strstr(f.merged, "LoadCredentialUnit=etl.service"));
	CHECK(strstr(f.merged, "AllowUnit=b.service c.service"));
	CHECK(strstr(f.merged, "AllowExecutable=/usr/bin/env"));
	CHECK(strstr(f.merged, "[Listener credential]"));
	proves = false;
	fixture_check(&f);
	CHECK_INT(f.status, 78);
	fixture_fini(&f);
	fixture_init(&f);
	fixture_good(&f);
	fixture_check(&f);
	CHECK(!strstr(f.merged, "[Listener credential]"));
	fixture_fini(&f);
}

CHECK_MAIN()
