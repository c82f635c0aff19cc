/* SPDX-License-Identifier: Apache-2.0 */
/* ImportSecret, Revoke, Adopt, History and what Status says of the store: each answer, and what was asked of keeper, registry and store for it. */
#include "check.h"

#include <stdlib.h>

#include "daemon/mint/manager_parts.h"
#include "manager_fixture.h"

#define DONE "{\"parameters\":{}}"
#define INVALID(parameter, message)                                                                \
	"{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"" parameter \
	"\",\"message\":\"" message "\"}}"
#define UNAVAILABLE(message) \
	"{\"error\":\"io.sftoken.Manager.SecretStoreUnavailable\",\"parameters\":{\"message\":\"" message "\"}}"

static const char *import(const char *credential, const char *kind, const char *value)
{
	static char parameters[60000];

	snprintf(parameters, sizeof(parameters),
		 "{\"credential\":\"%s\",\"kind\":\"%s\",\"value\":\"%s\"}", credential, kind,
		 value);
	return manager_call("ImportSecret", parameters);
}

static void set_failure(enum err_code code, const char *text)
{
	manager_fake.status = err_set(&manager_fake.err, code, "%s", text);
}

/* --- ImportSecret --- */

TEST(a_refresh_token_is_given_to_its_keeper)
{
	static const struct {
		const char *sent, *given;
	} rows[] = {
		{ "5Aep861", "5Aep861" }, { "5Aep861\\n", "5Aep861" }, { "5Aep861\\r\\n", "5Aep861" }, { "!~", "!~" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		manager_begin();
		check_row(rows[i].sent);
		CHECK_STR(import("refresh", "refresh_token", rows[i].sent), DONE);
		CHECK_STR(manager_fake.given, rows[i].given);
		CHECK_INT(manager_fake.given_size, strlen(rows[i].given));
		CHECK_STR(manager_fake.base_url, "-");
		CHECK(manager_fake.flushes > 0);
		manager_end();
	}
	check_row(NULL);
}

TEST(an_import_is_in_the_log_without_its_value)
{
	manager_begin();
	CHECK_STR(import("refresh", "refresh_token", "5Aep861"), DONE);
	CHECK_STR(
		manager_fake.log,
		"manager.import credential=refresh kind=refresh_token outcome=done reason=- uid=0 pid=4711\n");
	manager_fake.log[0] = '\0';
	set_failure(ERR_ADMIN, "the key is no key");
	import("bearer", "private_key", "s3cr3t");
	CHECK_STR(
		manager_fake.log,
		"manager.import credential=bearer kind=private_key outcome=refused reason=the key is no key uid=0 pid=4711\n");
	manager_end();
}

TEST(each_kind_goes_to_its_place)
{
	static const struct {
		const char *credential, *kind, *value, *stored;
		enum stored_secret place;
	} rows[] = {
		{ "refresh", "client_secret", "1234ABCD\\n", "1234ABCD", STORED_CLIENT_SECRET },
		{ "bearer", "private_key", "-----BEGIN X-----\\nAA==\\n-----END X-----\\n", "-----BEGIN X-----\nAA==\n-----END X-----\n", STORED_PRIVATE_KEY },
		{ "other", "assertion", "<saml \\u00fc>\\n\\t</saml>\\n", "<saml \xc3\xbc>\n\t</saml>", STORED_ASSERTION },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		manager_begin();
		check_row(rows[i].kind);
		CHECK_STR(import(rows[i].credential, rows[i].kind, rows[i].value), DONE);
		for (int place = 0; place < STORED_SECRETS; place++)
			CHECK_STR(manager_fake.supplied[place],
				  place == (int)rows[i].place ? rows[i].stored : "");
		CHECK_INT(manager_fake.supplied_size, strlen(rows[i].stored));
		CHECK_STR(manager_fake.given, "");
		manager_end();
	}
	check_row(NULL);
}

#define BAD_BYTE(at)                                                                             \
	INVALID("value", "the secret has a space, a line break or another character at byte " at \
			 " that does not belong there")
#define NO_REFRESH                                                                                \
	INVALID("kind",                                                                           \
		"\\\"bearer\\\" takes no refresh token: its GrantType= is jwt_bearer, see sftokend.credential(5)")

TEST(what_is_no_secret_of_its_kind_is_refused)
{
	static const struct {
		const char *credential, *kind, *value, *reply;
	} rows[] = {
		{ "refresh", "refresh_token", "", INVALID("value", "the secret is empty") },
		{ "refresh", "refresh_token", "\\n", INVALID("value", "the secret is empty") },
		{ "refresh", "refresh_token", "a b", BAD_BYTE("2") },
		{ "refresh", "refresh_token", "a\\n\\n", BAD_BYTE("2") },
		{ "refresh", "refresh_token", "\\u00e4", BAD_BYTE("1") },
		{ "refresh", "refresh_token", "a\\u007f", BAD_BYTE("2") },
		{ "refresh", "client_secret", "ab\\tc", BAD_BYTE("3") },
		{ "refresh", "sfdx_auth_url", "force://a b", BAD_BYTE("10") },
		{ "bearer", "private_key", "a\\u0001", BAD_BYTE("2") },
		{ "bearer", "private_key", "a\\u007f", BAD_BYTE("2") },
		{ "bearer", "assertion", "", INVALID("value", "the secret is empty") },
		{ "bearer", "refresh_token", "5Aep861", NO_REFRESH },
		{ "bearer", "sfdx_auth_url", "force://a", NO_REFRESH },
		{ "refresh", "sfdx_auth_url", "http://a", INVALID("value", "this does not begin with force://") },
		{ "refresh", "password", "x", "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"kind\"}}" },
		{ "nobody", "refresh_token", "x", "{\"error\":\"io.sftoken.Manager.NoSuchCredential\",\"parameters\":{\"credential\":\"nobody\"}}" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		manager_begin();
		check_row(rows[i].value);
		CHECK_STR(import(rows[i].credential, rows[i].kind, rows[i].value), rows[i].reply);
		CHECK_STR(manager_fake.given, "");
		CHECK_INT(manager_fake.supplied_size, 0);
		manager_end();
	}
	check_row(NULL);
}

TEST(a_line_is_at_most_16_kib)
{
	char value[16 * 1024 + 2];

	memset(value, 'a', sizeof(value));
	value[16 * 1024] = '\0';
	manager_begin();
	CHECK_STR(import("refresh", "refresh_token", value), DONE);
	value[16 * 1024] = 'a';
	value[16 * 1024 + 1] = '\0';
	CHECK_STR(import("refresh", "refresh_token", value),
		  INVALID("value", "the secret is longer than 16 KiB"));
	CHECK_STR(import("bearer", "private_key", value), DONE);
	manager_end();
}

TEST(the_store_and_the_keeper_may_refuse)
{
	static const struct {
		const char *kind;
		enum err_code code;
		const char *reply;
	} rows[] = {
		{ "refresh_token", ERR_RETRY, UNAVAILABLE("why") },
		{ "refresh_token", ERR_INPUT, INVALID("value", "why") },
		{ "client_secret", ERR_RETRY, UNAVAILABLE("why") },
		{ "client_secret", ERR_INPUT, INVALID("kind", "why") },
		{ "private_key", ERR_ADMIN, INVALID("value", "why") },
		{ "assertion", ERR_INTERNAL, UNAVAILABLE("why") },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		manager_begin();
		check_row(rows[i].kind);
		set_failure(rows[i].code, "why");
		CHECK_STR(import("refresh", rows[i].kind, "x"), rows[i].reply);
		manager_end();
	}
	check_row(NULL);
}

static void use_sfdx(const char *client_id, const char *secret)
{
	manager_fake.sfdx[0] = client_id;
	manager_fake.sfdx[1] = secret;
	manager_fake.sfdx[2] = "5Aep861";
	manager_fake.sfdx[3] = "https://example.my.salesforce.com";
}

TEST(an_auth_url_is_taken_apart)
{
	manager_begin();
	use_sfdx("3MVG9app", "1234");
	CHECK_STR(import("refresh", "sfdx_auth_url", "force://x"), DONE);
	CHECK_STR(manager_fake.given, "5Aep861");
	CHECK_STR(manager_fake.base_url, "https://example.my.salesforce.com");
	CHECK_STR(manager_fake.supplied[STORED_CLIENT_SECRET], "1234");
	manager_end();

	manager_begin(); /* the secret is known: nothing is tried with the old refresh token meanwhile */
	use_sfdx("3MVG9app", "1234");
	manager_keepers[1].credential.client_secret = secret_new("1234", 4);
	CHECK_STR(import("refresh", "sfdx_auth_url", "force://x"), DONE);
	CHECK_STR(manager_fake.given, "5Aep861");
	CHECK_INT(manager_fake.supplied_size, 0);
	secret_unref(manager_keepers[1].credential.client_secret);
	manager_end();

	manager_begin(); /* no secret in it: the one that is there stays */
	use_sfdx("3MVG9app", NULL);
	CHECK_STR(import("refresh", "sfdx_auth_url", "force://x"), DONE);
	CHECK_STR(manager_fake.given, "5Aep861");
	CHECK_INT(manager_fake.supplied_size, 0);
	manager_end();

	manager_begin(); /* the secret of this credential is in a file */
	use_sfdx("3MVG9app", "1234");
	CHECK_STR(import("other", "sfdx_auth_url", "force://x"), DONE);
	CHECK_STR(manager_fake.given, "5Aep861");
	CHECK_INT(manager_fake.supplied_size, 0);
	manager_end();
}

TEST(an_auth_url_of_another_app_changes_nothing)
{
	manager_begin();
	use_sfdx("3MVG9another", "1234");
	CHECK_STR(
		import("refresh", "sfdx_auth_url", "force://x"),
		INVALID("value",
			"the auth URL is of another app: its client id is not the ClientId= of \\\"refresh\\\""));
	CHECK_STR(manager_fake.given, "");
	CHECK_INT(manager_fake.supplied_size, 0);
	CHECK(!strstr(manager_fake.log, "3MVG9another"));
	manager_end();
}

/* The client secret cannot be stored: the refresh token is not given either. */
TEST(half_an_auth_url_is_not_imported)
{
	manager_begin();
	use_sfdx("3MVG9app", "1234");
	set_failure(ERR_RETRY, "no room");
	manager_fake.supply_alone = true;
	CHECK_STR(import("refresh", "sfdx_auth_url", "force://x"), UNAVAILABLE("no room"));
	CHECK_STR(manager_fake.given, "");
	manager_end();
}

TEST(the_value_is_erased_in_the_message)
{
	char value[] = "s3cr3t\n", zeros[sizeof(value)] = { 0 };
	struct import_secret_call params = { "refresh", SECRET_CLIENT_SECRET, value };
	struct fake_caller *c;

	manager_begin();
	c = manager_caller(0);
	manager_call_import(connection_data(c->connection), NULL, &params);
	CHECK_STR(manager_replied(), DONE);
	CHECK_MEM(value, sizeof(value), zeros, sizeof(zeros));
	manager_end();
}

/* --- Revoke --- */

TEST(a_revocation_is_waited_for)
{
	for (int forget = 0; forget < 2; forget++) {
		manager_begin();
		CHECK_STR(manager_call(
				  "Revoke",
				  forget ? "{\"credential\":\"refresh\",\"forgetSecrets\":true}"
					 : "{\"credential\":\"refresh\",\"forgetSecrets\":false}"),
			  NULL);
		REQUIRE(manager_fake.revocation.done);
		CHECK_INT(manager_fake.revocation.forget, forget);
		CHECK_STR(manager_fake.log,
			  forget ? "manager.revoke credential=refresh forget=yes uid=0 pid=4711\n"
				 : "manager.revoke credential=refresh forget=no uid=0 pid=4711\n");
		manager_fake.revocation.done(0, NULL, manager_fake.revocation.arg);
		CHECK_STR(manager_replied(), DONE);
		manager_end();
		CHECK(!manager_fake.revocation.forgotten);
	}
}

TEST(a_revocation_that_fails_says_why)
{
	static const struct {
		struct err err;
		const char *reply;
	} rows[] = {
		{ { ERR_RETRY, 0, "no answer" }, "{\"error\":\"io.sftoken.Broker.Unavailable\",\"parameters\":{\"credential\":\"refresh\",\"message\":\"no answer\",\"retryAfterSeconds\":5}}" },
		{ { ERR_RETRY, 61001, "busy" }, "{\"error\":\"io.sftoken.Broker.Unavailable\",\"parameters\":{\"credential\":\"refresh\",\"message\":\"busy\",\"retryAfterSeconds\":62}}" },
		{ { ERR_ADMIN, 0, "not so" }, "{\"error\":\"io.sftoken.Broker.Rejected\",\"parameters\":{\"credential\":\"refresh\",\"oauthError\":\"revocation_refused\",\"description\":\"not so\",\"httpStatus\":0}}" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		manager_begin();
		check_row(rows[i].reply);
		manager_call("Revoke", "{\"credential\":\"refresh\",\"forgetSecrets\":true}");
		REQUIRE(manager_fake.revocation.done);
		manager_fake.revocation.done(-(int)rows[i].err.code, &rows[i].err,
					     manager_fake.revocation.arg);
		CHECK_STR(manager_replied(), rows[i].reply);
		manager_end();
	}
	check_row(NULL);
}

TEST(nothing_to_revoke_is_said_at_once)
{
	manager_begin();
	set_failure(ERR_INPUT, "there is nothing");
	CHECK_STR(manager_call("Revoke", "{\"credential\":\"refresh\",\"forgetSecrets\":true}"),
		  INVALID("credential", "there is nothing"));
	CHECK_STR(
		manager_call("Revoke", "{\"credential\":\"nobody\",\"forgetSecrets\":true}"),
		"{\"error\":\"io.sftoken.Manager.NoSuchCredential\",\"parameters\":{\"credential\":\"nobody\"}}");
	manager_end();
}

TEST(a_caller_may_go_before_the_end_of_a_revocation)
{
	struct fake_caller *c;

	manager_begin();
	c = manager_caller(0);
	manager_call("Revoke", "{\"credential\":\"refresh\",\"forgetSecrets\":true}");
	CHECK(!manager_fake.revocation.forgotten);
	fake_hang_up(c);
	CHECK(manager_fake.revocation.forgotten);
	manager_end();
}

/* --- Adopt --- */

TEST(only_a_suspect_store_is_adopted)
{
	for (int state = STORE_OK; state <= STORE_SUSPECT; state++) {
		manager_begin();
		manager_fake.store = (enum store_state)state;
		CHECK_STR(manager_call("Adopt", "{}"), DONE);
		CHECK_INT(manager_fake.adopts, state == STORE_SUSPECT);
		CHECK_INT(manager_fake.adopted, state == STORE_SUSPECT);
		CHECK_STR(manager_fake.log,
			  state == STORE_SUSPECT
				  ? "manager.adopt outcome=done reason=- uid=0 pid=4711\n"
				  : "manager.adopt outcome=unchanged reason=- uid=0 pid=4711\n");
		manager_end();
	}
}

TEST(a_store_that_cannot_be_written_stays_suspect)
{
	manager_begin();
	manager_fake.store = STORE_SUSPECT;
	set_failure(ERR_RETRY, "no room");
	CHECK_STR(manager_call("Adopt", "{}"), UNAVAILABLE("no room"));
	CHECK_INT(manager_fake.adopted, 0);
	manager_end();
}

/* --- History, Status, SetEnabled --- */

TEST(the_history_is_told_as_it_is)
{
	manager_begin();
	CHECK_STR(manager_call("History", "{\"credential\":\"refresh\"}"),
		  "{\"parameters\":{\"attempts\":[]}}");
	manager_fake.notes[0] = (struct keeper_note){ 1790000000, "demanded", "transient", 503, "busy" };
	manager_fake.notes[1] = (struct keeper_note){ 1789999999, "scheduled", "not_sent", 0, NULL };
	manager_fake.n_notes = 2;
	CHECK_STR(
		manager_call("History", "{\"credential\":\"refresh\"}"),
		"{\"parameters\":{\"attempts\":[{\"time\":1790000000,\"kind\":\"demanded\",\"outcome\":\"transient\",\"httpStatus\":503,\"message\":\"busy\"},"
		"{\"time\":1789999999,\"kind\":\"scheduled\",\"outcome\":\"not_sent\",\"httpStatus\":null,\"message\":null}]}}");
	CHECK_STR(
		manager_call("History", "{\"credential\":\"nobody\"}"),
		"{\"error\":\"io.sftoken.Manager.NoSuchCredential\",\"parameters\":{\"credential\":\"nobody\"}}");
	manager_end();
}

/* Twenty of the longest messages, each byte of which is escaped, fit into one reply. */
TEST(the_longest_history_fits)
{
	char message[ERR_TEXT_MAX + 1];
	const char *reply;

	memset(message, '"', ERR_TEXT_MAX);
	message[ERR_TEXT_MAX] = '\0';
	manager_begin();
	for (size_t i = 0; i < KEEPER_NOTES; i++)
		manager_fake.notes[i] = (struct keeper_note){ INT64_MAX, "demanded", "login_required", 599, message };
	manager_fake.n_notes = KEEPER_NOTES;
	reply = manager_call("History", "{\"credential\":\"refresh\"}");
	REQUIRE(reply);
	CHECK(strlen(reply) > KEEPER_NOTES * 2 * ERR_TEXT_MAX);
	manager_end();
}

TEST(the_status_tells_what_people_must_know)
{
	const char *reply;

	manager_begin();
	CHECK(strstr(manager_call("Status", "{}"), "\"store\":\"ok\""));
	CHECK(!strstr(manager_replied(), "why the store"));
	manager_fake.store = STORE_SUSPECT;
	manager_fake.key_note = "the key lies beside the store";
	manager_keepers[0].missing = "its key is missing";
	manager_keepers[1].unknown = "nobody knows";
	manager_keepers[2].unknown = "nobody knows, too";
	reply = manager_call("Status", "{}");
	CHECK(strstr(reply, "\"store\":\"suspect\""));
	CHECK(strstr(
		reply,
		"\"warnings\":[\"why the store is not ok\",\"the key lies beside the store\","
		"\"bearer: its key is missing\",\"refresh: nobody knows\",\"other: nobody knows, too\""));
	manager_fake.store = STORE_READONLY;
	CHECK(strstr(manager_call("Status", "{}"), "\"store\":\"readonly\""));
	manager_end();
}

TEST(a_disable_that_the_store_cannot_take_is_told)
{
	for (int store = STORE_OK; store <= STORE_READONLY; store++) {
		manager_begin();
		manager_keepers[1].enabled = true;
		manager_fake.store = (enum store_state)store;
		CHECK_STR(manager_call("SetEnabled",
				       "{\"credential\":\"refresh\",\"enabled\":false}"),
			  DONE);
		CHECK(!manager_keepers[1].enabled);
		CHECK_INT(!!strstr(manager_fake.log, "manager.not_kept credential=refresh"),
			  store == STORE_READONLY);
		manager_end();
	}
}

/* --- Diagnose --- */

static const struct doctor_finding good = { .outcome = CHECK_OK,
					    .actor = ACTOR_NONE,
					    .message = "well" };
static const struct doctor_finding bad = {
	.outcome = CHECK_FAILED, .actor = ACTOR_ADMINISTRATOR, .message = "ill", .action = "do"
};

static void speak(size_t i, enum doctor_step step, const struct doctor_finding *f, bool last)
{
	const struct doctor *d = &manager_fake.doctors[i];

	d->handlers.found(step, f, last, d->handlers.arg);
	if (last)
		manager_fake.doctors[i] = (struct doctor){ 0 }; /* as the real one */
}

static struct fake_caller *diagnose(const char *credential)
{
	struct fake_caller *c = manager_caller(0);
	char parameters[100];

	snprintf(parameters, sizeof(parameters), "{\"credential\":\"%s\"}", credential);
	fake_call(c, "io.sftoken.Manager.Diagnose", parameters, true);
	return c;
}

TEST(a_doctor_is_heard_step_by_step)
{
	struct fake_caller *c;

	manager_begin();
	c = diagnose("refresh");
	CHECK_INT(c->n_replies, 0);
	speak(0, DOCTOR_CONFIGURATION, &good, false);
	CHECK_STR(
		manager_replied(),
		"{\"parameters\":{\"step\":\"configuration\",\"outcome\":\"ok\",\"message\":\"well\",\"action\":null,\"actor\":null},\"continues\":true}");
	manager_settled(manager_under_test(), &manager_keepers[0]);
	CHECK_INT(manager_fake.doctors[0].settled, 0);
	manager_settled(manager_under_test(), &manager_keepers[1]);
	CHECK_INT(manager_fake.doctors[0].settled, 1);
	manager_removed(manager_under_test(), &manager_keepers[1]);
	manager_replaced(manager_under_test(), &manager_keepers[1], &manager_keepers[2]);
	CHECK_INT(manager_fake.doctors[0].forgotten, 2);
	speak(0, DOCTOR_TOKEN, &bad, true);
	CHECK_STR(
		manager_replied(),
		"{\"parameters\":{\"step\":\"token\",\"outcome\":\"failed\",\"message\":\"ill\",\"action\":\"do\",\"actor\":\"administrator\"}}");
	CHECK(c->final);
	/* the connection is good for the next call */
	fake_call(c, "io.sftoken.Manager.Diagnose", "{\"credential\":\"refresh\"}", true);
	CHECK(manager_fake.doctors[0].keeper == &manager_keepers[1]);
	fake_hang_up(c);
	CHECK(!manager_fake.doctors[0].keeper);
	manager_end();
}

#define LIMITED \
	"{\"error\":\"io.sftoken.Broker.RateLimited\",\"parameters\":{\"retryAfterSeconds\":2}}"

TEST(one_doctor_a_credential)
{
	struct fake_caller *c;

	manager_begin();
	c = diagnose("refresh");
	diagnose("refresh");
	CHECK_STR(manager_replied(), LIMITED);
	diagnose("other");
	CHECK(!manager_replied());
	fake_hang_up(c);
	diagnose("refresh");
	CHECK(!manager_replied());
	diagnose("nobody");
	CHECK_STR(
		manager_replied(),
		"{\"error\":\"io.sftoken.Manager.NoSuchCredential\",\"parameters\":{\"credential\":\"nobody\"}}");
	manager_end();
}

/* --- who --- */

TEST(only_administrators_may)
{
	static const char *const calls[][2] = {
		{ "ImportSecret", "{\"credential\":\"refresh\",\"kind\":\"refresh_token\",\"value\":\"x\"}" },
		{ "Revoke", "{\"credential\":\"refresh\",\"forgetSecrets\":true}" },
		{ "Adopt", "{}" },
		{ "History", "{\"credential\":\"refresh\"}" },
		{ "Diagnose", "{\"credential\":\"refresh\"}" },
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		manager_begin();
		check_row(calls[i][0]);
		manager_fake.store = STORE_SUSPECT;
		manager_caller(1000);
		CHECK_STR(manager_call(calls[i][0], calls[i][1]),
			  "{\"error\":\"org.varlink.service.PermissionDenied\",\"parameters\":{}}");
		CHECK_STR(manager_fake.given, "");
		CHECK(!manager_fake.revocation.done && !manager_fake.adopts);
		manager_end();
	}
	check_row(NULL);
}

CHECK_MAIN()
