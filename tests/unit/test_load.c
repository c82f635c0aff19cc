/* SPDX-License-Identifier: Apache-2.0 */
/* One whole configuration in its two halves: the key of the store, then the credentials with what is stored. */
#include "tests/unit/check.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/mint/load.h"
#include "tests/unit/config_fixture.h"

static struct fixture f;
static struct places places;
static struct load l;
static struct err err;

static void begin(const char *settings)
{
	fixture_init(&f);
	fixture_good(&f);
	fixture_write_bytes(&f, "store.key", "0123456789abcdef\n", 17, 0600);
	fixture_write(&f, "sftokend.conf", settings);
	places = (struct places){ .config_option = strdup(f.dir),
				  .state_option = strdup("/s"),
				  .runtime_option = strdup("/r") };
	places_resolve(&places, &err);
}

static void end(void)
{
	load_fini(&l);
	places_fini(&places);
	unsetenv("CREDENTIALS_DIRECTORY");
	fixture_fini(&f);
}

TEST(the_key_of_the_store_is_read_from_a_file)
{
	begin("[Store]\nKey=file:@DIR@/store.key\n");
	CHECK_INT(load_settings(&l, &places, f.uid, &err), 0);
	CHECK_INT(l.mistakes.n, 0);
	CHECK(!l.set);
	REQUIRE(l.store_key);
	CHECK_MEM(secret_bytes(l.store_key), secret_size(l.store_key), "0123456789abcdef", 16);
	CHECK_INT(load_credentials(&l, &places, f.uid, NULL, &err), 0);
	CHECK(l.set && l.set->n == 1 && l.mistakes.n == 0);
	end();
}

TEST(the_key_of_the_store_is_read_from_the_system)
{
	begin("[Store]\nKey=credential:store.key\n");
	setenv("CREDENTIALS_DIRECTORY", f.dir, 1);
	CHECK_INT(load_read(&l, &places, f.uid, NULL, &err), 0);
	CHECK_INT(l.mistakes.n, 0);
	CHECK(l.store_key && secret_size(l.store_key) == 16 && l.set);
	end();
}

TEST(without_a_key_the_store_makes_its_own)
{
	static const char *const rows[] = { "", "[Store]\nKey=auto\n",
					    "[Store]\nKey=file:/x\nKey=\n" };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin(rows[i]);
		check_row(rows[i]);
		CHECK_INT(load_read(&l, &places, f.uid, NULL, &err), 0);
		CHECK_INT(l.mistakes.n, 0);
		CHECK(!l.store_key && l.set);
		end();
	}
}

TEST(only_a_template_unit_is_started_for_events)
{
	static const struct {
		const char *unit;
		unsigned mistakes, warnings;
	} rows[] = {
		{ "sftoken-mail@.service", 0, 0 },
		{ "sftoken-mail@", 0, 0 },
		{ "sftoken-a:b_c.d\\x2d@", 0, 0 },
		{ "tell@.service", 0, 1 }, /* no polkit rule of ours is for it */
		{ "", 0, 0 },
		{ "mail.service", 1, 0 },
		{ "@.service", 1, 0 },
		{ "sftoken-mail@x.service", 1, 0 },
		{ "sftoken-mail@.timer", 1, 0 },
		{ "sftoken-mail@.service x", 1, 0 },
		{ "../x@.service", 1, 0 },
		{ "/bin/true", 1, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[100];

		snprintf(text, sizeof(text), "[Daemon]\nOnEvent=%s\n", rows[i].unit);
		begin(text);
		check_row(rows[i].unit);
		/* root is let in without polkit */
		CHECK_INT(load_read(&l, &places, f.uid, NULL, &err), 0);
		CHECK_INT(l.mistakes.n, rows[i].mistakes);
		CHECK_INT(l.warnings.n, rows[i].mistakes || f.uid == 0 ? 0 : rows[i].warnings);
		end();
	}
	check_row(NULL);
}

static void expect_mistake(const char *said)
{
	char *text = strdup(fixture_expand(&f, said));

	CHECK_INT(load_read(&l, &places, f.uid, NULL, &err), 0);
	CHECK(!l.store_key);
	if (CHECK_INT(l.mistakes.n, 1)) {
		CHECK_STR(l.mistakes.items[0].text, text);
		CHECK_STR(l.mistakes.items[0].file, fixture_path(&f, "sftokend.conf"));
		CHECK_INT(l.mistakes.items[0].line, 3);
	}
	/* --check says the same */
	CHECK(strstr(fixture_check(&f), "sftokend.conf:3: Key=: ") == f.problems);
	CHECK_INT(f.status, 78);
	free(text);
}

TEST(a_key_that_is_missing_or_not_safe_is_a_mistake)
{
	begin("[Store]\n\nKey=file:@DIR@/gone\n");
	expect_mistake("Key=: @DIR@/gone does not exist — put the secret there or mend the path");
	end();
	begin("[Store]\n\nKey=file:@DIR@/store.key\n");
	CHECK_INT(chmod(fixture_path(&f, "store.key"), 0640), 0);
	expect_mistake("Key=: group or others have access to @DIR@/store.key (mode 0640) — chmod "
		       "600 @DIR@/store.key");
	end();
	begin("[Store]\n\nKey=file:@DIR@/store.key\n");
	fixture_write_bytes(&f, "store.key", "0123456789abcde\n", 16, 0600);
	expect_mistake(
		"Key=: the key has less than 16 bytes — make one with: openssl rand -hex 32");
	end();
}

/* A person who checks has no $CREDENTIALS_DIRECTORY; the start and a reload have, or it is a mistake. */
TEST(what_the_service_manager_gives_is_not_checked_from_outside)
{
	begin("[Store]\n\nKey=credential:store.key\n");
	fixture_write(&f, "credentials/c.conf",
		      "[Credential]\nGrantType=client_credentials\nLoginUrl=https://"
		      "c.my.salesforce.com\nClientId=c\nClientSecret=credential:c.secret\n");
	fixture_check(&f);
	CHECK_INT(f.status, 0);
	CHECK(strstr(f.problems, "sftokend.conf:3: warning: Key=: credential:store.key is given by "
				 "the service manager: not checked here; "));
	CHECK(strstr(f.problems, "credentials/c.conf:5: warning: ClientSecret=: "
				 "credential:c.secret is given by"));
	CHECK_INT(load_read(&l, &places, f.uid, NULL, &err), 0);
	CHECK_INT(l.mistakes.n, 2);
	/* one that is set is looked into */
	setenv("CREDENTIALS_DIRECTORY", f.dir, 1);
	CHECK(strstr(fixture_check(&f), "credentials/c.conf:5: ClientSecret=: in "
					"$CREDENTIALS_DIRECTORY: c.secret does not exist"));
	CHECK_INT(f.status, 78);
	end();
	/* no reference that could ever be good */
	begin("[Store]\nKey=credential:a/b\n");
	CHECK(strstr(fixture_check(&f), "without a slash"));
	CHECK_INT(f.status, 78);
	end();
}

/* As uid 2, of a directory of root's whose service user is "daemon" (uid 1 on Debian). */
static void check_as_stranger(void)
{
	f.uid = 2;
	if (setresgid(2, 2, 2) < 0 || setresuid(2, 2, 2) < 0)
		_exit(1);
	fixture_check(&f);
	bool well = f.status == 78 && strstr(f.problems, "check as root (sudo), or as that user") &&
		    strstr(f.problems,
			   "secret.txt is not for you (uid 2) — check as root (sudo)") &&
		    !strstr(f.problems, "chown");

	if (!well)
		fprintf(stderr, "%s", f.problems);
	_exit(well ? 0 : 1);
}

TEST(a_stranger_is_not_told_to_take_the_files)
{
	int status = -1;
	pid_t pid;

	if (geteuid() != 0)
		return; /* a directory of somebody else is needed */
	begin("[Daemon]\nUser=1\n");
	CHECK_INT(chmod(f.dir, 0755), 0);
	pid = fork();
	if (pid == 0)
		check_as_stranger();
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	CHECK_INT(status, 0);
	end();
}

/* Both halves speak, so that nobody mends one mistake after the other. */
TEST(mistakes_of_both_halves_are_told_together)
{
	begin("[Store]\nKey=nothing\n");
	fixture_write(&f, "credentials/b.conf", "[Credential]\nGrantType=what\n");
	CHECK_INT(load_settings(&l, &places, f.uid, &err), 0);
	CHECK_INT(l.mistakes.n, 1);
	CHECK_INT(load_credentials(&l, &places, f.uid, NULL, &err), 0);
	CHECK_INT(l.mistakes.n, 4);
	CHECK(l.set != NULL);
	end();
}

static struct secret *one_secret(const char *name, enum stored_secret kind, void *arg)
{
	return !strcmp(name, "s") && kind == STORED_CLIENT_SECRET ? arg : NULL;
}

TEST(what_is_stored_reaches_the_credentials)
{
	struct secret *value = secret_new("given", 5);
	const struct credential_stored stored = { one_secret, value };

	begin("");
	fixture_write(&f, "credentials/s.conf",
		      "[Credential]\nGrantType=client_credentials\nLoginUrl=https://"
		      "s.my.salesforce.com\nClientId=s\nClientSecret=stored:\n");
	CHECK_INT(load_read(&l, &places, f.uid, &stored, &err), 0);
	CHECK_INT(l.mistakes.n, 0);
	const struct credential *c = l.set ? credential_set_find(l.set, "s") : NULL;

	REQUIRE(c);
	CHECK(secret_equal(c->client_secret, value));
	CHECK_STR(credential_missing(c), NULL);
	end();
	secret_unref(value);
}

TEST(a_mistake_of_a_section_is_said_once)
{
	begin("[Listener x]\nMode=0666\n");
	CHECK_INT(load_read(&l, &places, f.uid, NULL, &err), 0);
	if (CHECK_INT(l.mistakes.n, 1))
		CHECK_STR(l.mistakes.items[0].text,
			  "[Listener x] Path= is missing — say where the socket is");
	end();
}

TEST(another_key_needs_a_restart)
{
	struct load fresh = { 0 };

	begin("[Store]\nKey=auto\n");
	CHECK_INT(load_read(&l, &places, f.uid, NULL, &err), 0);
	fixture_write(&f, "sftokend.conf", "[Store]\n\n\nKey=file:@DIR@/store.key\n");
	CHECK_INT(load_read(&fresh, &places, f.uid, NULL, &err), 0);
	load_warn_restart(l.settings, l.settings, &l.warnings);
	CHECK_INT(l.warnings.n, 0);
	load_warn_restart(l.settings, fresh.settings, &fresh.warnings);
	if (CHECK_INT(fresh.warnings.n, 1)) {
		CHECK_STR(fresh.warnings.items[0].text,
			  "Key= has changed: restart the daemon to use it");
		CHECK_STR(fresh.warnings.items[0].file, fixture_path(&f, "sftokend.conf"));
		CHECK_INT(fresh.warnings.items[0].line, 4);
	}
	load_fini(&fresh);
	end();
}

CHECK_MAIN()
