/* SPDX-License-Identifier: Apache-2.0 */
/* Keepers whose attempts need what others write anew, and those whose server is not Salesforce. */
#include <sys/stat.h>

#include "tests/unit/keeper_fixture.h"
#include "tests/unit/turns.h"

static char name[] = "etl";

static struct keeper *keeper(struct credential like)
{
	like.session_timeout_ms = 7200000;
	like.introspect = INTROSPECT_NO;
	return keeper_like(like);
}

static void want(struct keeper *k)
{
	const struct link_want w = { .credential = name,
				     .deadline_ms = { loop_now_ms(loop) + 30000, true } };

	keeper_want(k, &w);
}

static void wait_for_call(void)
{
	while (!fake_http_in_flight())
		turns(loop, 1);
}

static void answered(const char *what, long status, const char *body)
{
	const struct http_request *req;

	wait_for_call();
	req = &fake_http_calls->req;
	if (!strstr(req->url, what) && !(req->body && strstr(secret_bytes(req->body), what)))
		CHECK_STR(req->body ? secret_bytes(req->body) : req->url, what);
	fake_http_answer(HTTP_ANSWERED, status, body);
}

/* --- files --- */

static char folder[] = "/tmp/keeper-flows-XXXXXX", file[80];

static void write_file(const char *text)
{
	char fresh[90];
	FILE *f;

	snprintf(fresh, sizeof fresh, "%s.new", file);
	f = fopen(fresh, "we");
	REQUIRE(f != NULL);
	fputs(text, f);
	fclose(f);
	CHECK_INT(chmod(fresh, 0600), 0);
	CHECK_INT(rename(fresh, file), 0);
}

static struct keeper *exchanging(void)
{
	char ref[90];

	if (!file[0])
		CHECK(mkdtemp(folder) != NULL);
	snprintf(file, sizeof file, "%s/token", folder);
	unlink(file);
	snprintf(ref, sizeof ref, "file:%s", file);
	return keeper((struct credential){ .grant_type = GRANT_TOKEN_EXCHANGE,
					   .login_url = strdup("https://acme.my.salesforce.com"),
					   .subject_token_ref = strdup(ref) });
}

TEST(a_subject_token_is_read_at_each_attempt)
{
	struct keeper *k;

	start();
	k = exchanging();
	write_file("one\n");
	want(k);
	answered("subject_token=one&", 200, TOKEN("00D1!a"));
	write_file("two");
	keeper_look_at_files(k); /* nothing is wrong: it can wait */
	CHECK_INT(fake_http_in_flight(), 0);
	CHECK(keeper_refresh(k));
	answered("subject_token=two&", 200, TOKEN("00D1!b"));
	keeper_free(k);
	stop();
}

TEST(a_missing_file_may_come_at_any_time_and_a_new_one_is_tried_at_once)
{
	struct keeper *k;

	start();
	k = exchanging();
	want(k);
	CHECK_INT(fake_http_submitted, 0);
	CHECK_INT(keeper_schedule(k)->state, STATE_BACKOFF);
	CHECK_INT(keeper_problem(k).error, BROKER_UNAVAILABLE);
	CHECK(!keeper_problem(k).permanent && keeper_schedule(k)->n_requests == 0 &&
	      keeper_schedule(k)->next_attempt_ms - loop_now_ms(loop) <= 2000);
	CHECK(strstr(keeper_problem(k).message, "SubjectToken=") &&
	      strstr(keeper_problem(k).message, file));
	keeper_look_at_files(k); /* still not there */
	CHECK_INT(fake_http_submitted, 0);
	write_file("one");
	keeper_look_at_files(k);
	answered("subject_token=one&", 400, "{\"error\":\"invalid_grant\"}");
	CHECK_INT(keeper_schedule(k)->state, STATE_SUSPENDED);
	keeper_look_at_files(k); /* the same as was refused */
	CHECK_INT(fake_http_in_flight(), 0);
	write_file("two");
	keeper_look_at_files(k);
	answered("subject_token=two&", 200, TOKEN("00D1!a"));
	CHECK(keeper_usable(k));
	keeper_free(k);
	stop();
	unlink(file);
}

TEST(a_demand_reads_a_file_that_was_mended)
{
	struct keeper *k;

	start();
	k = exchanging();
	write_file("one");
	CHECK_INT(chmod(file, 0644), 0);
	want(k);
	want(k); /* nothing has changed */
	CHECK_INT(fake_http_in_flight(), 0);
	CHECK(strstr(keeper_problem(k).message, "chmod 600"));
	CHECK_INT(chmod(file, 0600), 0);
	want(k);
	answered("subject_token=one&", 200, TOKEN("00D1!a"));
	CHECK(keeper_usable(k));
	keeper_free(k);
	stop();
	unlink(file);
	rmdir(folder);
}

TEST(a_stored_assertion_is_the_one_that_was_given)
{
	struct keeper *k;

	start();
	k = keeper((struct credential){ .grant_type = GRANT_SAML_BEARER,
					.login_url = strdup("https://acme.my.salesforce.com"),
					.assertion_ref = strdup("stored:"),
					.assertion = secret_new("<Assertion/>", 12) });
	want(k);
	answered("assertion=PEFzc2VydGlvbi8-", 200, TOKEN("00D1!a"));
	keeper_look_at_files(k);
	keeper_free(k);
	stop();
}

/* --- other servers --- */

#define PLACES \
	"{\"issuer\":\"https://op.example\",\"token_endpoint\":\"https://op.example/token\",\"userinfo_endpoint\":\"https://op.example/me\"," \
	"\"revocation_endpoint\":\"https://op.example/gone\"}"
#define OTHER "{\"access_token\":\"T\",\"token_type\":\"Bearer\"}"

static struct keeper *other(int grant_type)
{
	return keeper((struct credential){ .grant_type = grant_type,
					   .login_url = strdup("https://op.example"),
					   .issuer = strdup("https://op.example") });
}

TEST(a_token_of_another_server_is_asked_about_and_revoked_there)
{
	const struct link_report report = { .credential = name, .generation = { 0, true } };
	struct link_report r = report;
	struct keeper *k;
	struct err err;

	start();
	k = other(GRANT_CLIENT_CREDENTIALS);
	want(k);
	answered("openid-configuration", 200, PLACES);
	answered("https://op.example/token", 200, OTHER);
	CHECK(keeper_usable(k));
	CHECK_STR(keeper_token(k)->instance_url, "https://op.example");
	r.generation.value = keeper_generation(k);
	keeper_report(k, &r);
	answered("https://op.example/me", 200, "{}");
	CHECK(keeper_usable(k));
	CHECK(keeper_revoke(k, false, on_revoked, NULL, &err));
	wait_for_call();
	CHECK_STR(fake_http_calls->req.url, "https://op.example/gone");
	answered("token=T&token_type_hint=access_token&client_id=CK&client_secret=s", 200, "");
	CHECK_INT(revoked_status, 0);
	CHECK(!keeper_usable(k));
	keeper_free(k);
	stop();
}

TEST(endpoints_that_are_not_known_yet_are_asked_for_before_a_revocation)
{
	CLEANUP(secret_unrefp) struct secret *token = secret_new("R1", 2);
	struct keeper *k;
	struct err err;

	start();
	k = other(GRANT_REFRESH_TOKEN);
	CHECK_INT(keeper_give_refresh(k, token, NULL, &err), 0);
	answered("openid-configuration", 503, "");
	CHECK(keeper_revoke(k, true, on_revoked, NULL, &err));
	answered("openid-configuration", 503, "");
	CHECK_INT(loop_run(loop, &err), 0);
	CHECK_INT(revoked_status, -ERR_RETRY);
	CHECK(keeper_stored(k)->refresh.token);
	CHECK(keeper_revoke(k, true, on_revoked, NULL, &err));
	answered("openid-configuration", 200, PLACES);
	answered("token=R1&token_type_hint=refresh_token", 400,
		 "{\"error\":\"unsupported_token_type\"}");
	CHECK_INT(revoked_status, -ERR_ADMIN);
	CHECK(keeper_stored(k)->refresh.token);
	CHECK(keeper_revoke(k, true, on_revoked, NULL, &err));
	answered("token=R1&token_type_hint=refresh_token", 200, "");
	CHECK_INT(revoked_status, 0);
	CHECK(!keeper_stored(k)->refresh.token);
	keeper_free(k);
	stop();
}

CHECK_MAIN()
