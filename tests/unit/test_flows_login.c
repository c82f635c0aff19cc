/* SPDX-License-Identifier: Apache-2.0 */
/* The two logins that ask a server: what they send, and what they make of the answers. */
#include "daemon/mint/flow.h"
#include "proto/messages.h"
#include "tests/unit/answer.h"
#include "tests/unit/check.h"

#define GOOD \
	"{\"access_token\":\"00D1!a\",\"token_type\":\"Bearer\",\"refresh_token\":\"5Aep1\"," \
	"\"instance_url\":\"https://a.my.salesforce.com\"}"
#define CODE \
	"{\"device_code\":\"D=1\",\"user_code\":\"ABCD1234\",\"verification_uri\":\"https://login.salesforce.com/setup/connect\",\"interval\":5}"

static char login_url[] = "https://acme.my.salesforce.com", client_id[] = "CK";

static struct credential credential(int grant_type)
{
	return (struct credential){ .grant_type = grant_type,
				    .login_url = login_url,
				    .client_id = client_id };
}

static struct flow_run run_of(const struct credential *c)
{
	return (struct flow_run){ .credential = c, .now_ms = 1000, .allowed_hosts = &answer_hosts };
}

static const char *sent(struct flow_run *run, const struct flow_ops *ops, size_t step)
{
	static char text[800];
	struct http_request req = { 0 };

	text[0] = '\0';
	if (ops->steps[step].ask(run, &req, NULL) == 0)
		snprintf(text, sizeof text, "%s %s", req.url, secret_bytes(req.body));
	http_request_fini(&req);
	return text;
}

static enum verdict answered(struct flow_run *run, const struct flow_ops *ops, size_t step,
			     long status, const char *body)
{
	struct http_response res = answer_json(status, body);
	enum verdict v = ops->steps[step].answer(run, &res);

	answer_free(&res);
	return v;
}

static enum verdict unanswered(struct flow_run *run, size_t step, enum http_outcome outcome)
{
	struct http_response res = {
		.outcome = outcome, .content_type = "", .location = "", .problem = "no answer"
	};

	return flow_login_device.steps[step].answer(run, &res);
}

/* --- web server --- */

TEST(a_code_is_exchanged_once_with_its_verifier)
{
	CLEANUP(secret_unrefp) struct secret *code = secret_new("aPrx==", 6);
	CLEANUP(secret_unrefp) struct secret *verifier = secret_new("v-._~", 5);
	CLEANUP(secret_unrefp) struct secret *secret = secret_new("s&", 2);
	struct credential c = credential(GRANT_WEB_SERVER);
	struct flow_login login = { code, verifier, "http://localhost:1717/OauthRedirect" };
	struct flow_run run = run_of(&c);
	struct http_request req = { 0 };

	run.login = &login;
	c.client_secret = secret;
	REQUIRE(flow_login_web_server.steps[0].ask(&run, &req, NULL) == 0);
	CHECK_STR(req.url, "https://acme.my.salesforce.com/services/oauth2/token");
	CHECK_STR(
		secret_bytes(req.body),
		"grant_type=authorization_code&code=aPrx%3D%3D&redirect_uri=http%3A%2F%2Flocalhost%3A1717%2FOauthRedirect"
		"&code_verifier=v-._~&client_id=CK&client_secret=s%26");
	CHECK(req.post && req.fresh && !req.basic && !req.bearer);
	http_request_fini(&req);
	CHECK_INT(answered(&run, &flow_login_web_server, 0, 200, GOOD), FLOW_DONE);
	CHECK_STR(secret_bytes(run.grant->refresh_token), "5Aep1");
	flow_run_fini(&run, &flow_login_web_server);
}

TEST(a_login_without_a_code_is_no_request)
{
	struct credential c = credential(GRANT_WEB_SERVER);
	struct flow_run run = run_of(&c);
	struct http_request req = { 0 };
	struct err err = { 0 };

	CHECK_INT(flow_login_web_server.steps[0].ask(&run, &req, &err), -ERR_LOGIN);
	CHECK(strstr(err.text, "log in again"));
	CHECK(!req.fresh && !req.url && !req.body);
}

/* A lost answer to a login spends nothing that we have; the same words as to a refresh mean another thing. */
TEST(what_a_server_says_of_a_code_is_no_word_on_a_refresh_token)
{
	static const struct {
		long status;
		const char *body;
		enum problem_class class;
	} rows[] = {
		{ 400,
		  "{\"error\":\"invalid_grant\",\"error_description\":\"expired authorization code\"}",
		  PROBLEM_LOGIN },
		{ 400,
		  "{\"error\":\"invalid_grant\",\"error_description\":\"invalid code verifier\"}",
		  PROBLEM_LOGIN },
		{ 400, "{\"error\":\"invalid_grant\"}", PROBLEM_LOGIN },
		{ 400, "{\"error\":\"invalid_client\"}", PROBLEM_ADMIN },
		{ 401, "{\"error\":\"invalid_client\"}", PROBLEM_ADMIN },
		{ 500, "{}", PROBLEM_RETRY },
		{ 200, "{\"access_token\":\"a\",\"refresh_token\":\"5Aep1\",\"access",
		  PROBLEM_RETRY },
	};
	struct credential c = credential(GRANT_WEB_SERVER);
	struct flow_run run = run_of(&c);

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		check_row(rows[i].body);
		CHECK_INT(answered(&run, &flow_login_web_server, 0, rows[i].status, rows[i].body),
			  FLOW_FAILED);
		CHECK_INT(run.problem.class, rows[i].class);
		CHECK(!run.problem.spend_unknown && !run.salvaged);
	}
	flow_run_fini(&run, &flow_login_web_server);
}

TEST(renewal_is_a_refresh_whatever_the_login_was)
{
	static const int grants[] = { GRANT_WEB_SERVER, GRANT_DEVICE, GRANT_REFRESH_TOKEN };
	CLEANUP(secret_unrefp) struct secret *token = secret_new("R", 1);

	for (size_t i = 0; i < 3; i++) {
		struct credential c = credential(grants[i]);
		const struct flow_ops *ops = flow_find(grants[i]);
		struct flow_run run = run_of(&c);

		run.refresh_token = token;
		REQUIRE(ops && ops->n_steps == 1);
		CHECK(ops->spends && ops->renewal == RENEW_REFRESH && ops->grant_type == grants[i]);
		CHECK_STR(
			sent(&run, ops, 0),
			"https://acme.my.salesforce.com/services/oauth2/token grant_type=refresh_token&refresh_token=R&client_id=CK");
		/* after a code these words are a login's end */
		CHECK_INT(
			answered(
				&run, ops, 0, 400,
				"{\"error\":\"invalid_grant\",\"error_description\":\"expired authorization code\"}"),
			FLOW_FAILED);
		CHECK_INT(run.problem.class, PROBLEM_RETRY);
		CHECK_INT(answered(&run, ops, 0, 500, ""), FLOW_FAILED);
		CHECK(run.problem.spend_unknown);
		CHECK_INT(answered(&run, ops, 0, 200, GOOD), FLOW_DONE);
		CHECK_STR(secret_bytes(run.grant->refresh_token), "5Aep1");
		flow_run_fini(&run, ops);
	}
	CHECK(flow_find(GRANT_USER_AGENT) == &flow_user_agent && flow_user_agent.n_steps == 0 &&
	      flow_user_agent.renewal == RENEW_PERSON && !flow_user_agent.spends);
}

/* --- device --- */

TEST(salesforces_device_flow)
{
	static char scopes[] = "api refresh_token";
	struct credential c = credential(GRANT_DEVICE);
	struct flow_run run = run_of(&c);

	c.scopes = scopes;
	CHECK_STR(
		sent(&run, &flow_login_device, 0),
		"https://acme.my.salesforce.com/services/oauth2/token response_type=device_code&client_id=CK&scope=api+refresh_token");
	REQUIRE(answered(&run, &flow_login_device, 0, 200, CODE) == FLOW_NEED_USER);
	CHECK_STR(run.prompt.user_code, "ABCD1234");
	CHECK_STR(run.prompt.verification_uri, "https://login.salesforce.com/setup/connect");
	CHECK_STR(run.prompt.verification_uri_complete,
		  "https://login.salesforce.com/setup/connect?user_code=ABCD1234");
	CHECK_INT(run.prompt.expires_in_ms, 600000);
	CHECK_INT(run.prompt.interval_ms, 5000);
	CHECK_INT(run.delay_ms, 5000);
	CHECK_STR(
		sent(&run, &flow_login_device, 1),
		"https://acme.my.salesforce.com/services/oauth2/token grant_type=device&code=D%3D1&client_id=CK");
	CHECK_INT(answered(&run, &flow_login_device, 1, 400,
			   "{\"error\":\"authorization_pending\"}"),
		  FLOW_AGAIN);
	CHECK_INT(run.delay_ms, 5000);
	CHECK_INT(answered(&run, &flow_login_device, 1, 400, "{\"error\":\"slow_down\"}"),
		  FLOW_AGAIN);
	CHECK_INT(run.delay_ms, 10000);
	CHECK_INT(answered(&run, &flow_login_device, 1, 400,
			   "{\"error\":\"authorization_pending\"}"),
		  FLOW_AGAIN);
	CHECK_INT(run.delay_ms, 10000);
	CHECK_INT(answered(&run, &flow_login_device, 1, 200, GOOD), FLOW_DONE);
	CHECK_STR(secret_bytes(run.grant->refresh_token), "5Aep1");
	flow_run_fini(&run, &flow_login_device);
}

TEST(the_device_flow_of_rfc_8628)
{
	static char issuer[] = "https://op.example", device[] = "https://op.example/device",
		    token[] = "https://op.example/token", scopes[] = "openid";
	CLEANUP(secret_unrefp) struct secret *secret = secret_new("s", 1);
	struct endpoints e = { .issuer = issuer, .token = token };
	struct credential c = credential(GRANT_DEVICE);
	struct flow_run run = run_of(&c);
	struct http_request req = { 0 };
	struct err err = { 0 };

	c.dialect = DIALECT_RFC8628;
	c.issuer = issuer;
	c.scopes = scopes;
	c.client_secret = secret;
	CHECK_INT(flow_login_device.steps[0].ask(&run, &req, &err), -ERR_ADMIN);
	CHECK(strstr(err.text, "Issuer="));
	run.endpoints = &e;
	CHECK_INT(flow_login_device.steps[0].ask(&run, &req, &err), -ERR_ADMIN);
	e.device_authorization = device;
	CHECK_STR(
		sent(&run, &flow_login_device, 0),
		"https://op.example/device scope=openid+offline_access&client_id=CK&client_secret=s");
	REQUIRE(answered(
			&run, &flow_login_device, 0, 200,
			"{\"device_code\":\"D\",\"user_code\":\"WDJB-MJHT\",\"verification_uri\":\"https://op.example/d\","
			"\"verification_uri_complete\":\"https://op.example/d?c=WDJB-MJHT\",\"expires_in\":30}") ==
		FLOW_NEED_USER);
	CHECK_STR(run.prompt.verification_uri_complete, "https://op.example/d?c=WDJB-MJHT");
	CHECK_INT(run.prompt.expires_in_ms, 30000);
	CHECK_STR(
		sent(&run, &flow_login_device, 1),
		"https://op.example/token grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=D&client_id=CK&client_secret=s");
	flow_run_fini(&run, &flow_login_device);
}

/* Until the code is too old; what says that it never will be confirmed ends it at once. */
TEST(a_device_code_is_asked_for_until_its_end)
{
	static const struct {
		long status;
		const char *body, *word;
		enum problem_class class;
	} ends[] = {
		{ 400, "{\"error\":\"access_denied\"}", "refused", PROBLEM_LOGIN },
		{ 400, "{\"error\":\"expired_token\"}", "in time", PROBLEM_LOGIN },
		{ 400, "{\"error\":\"invalid_grant\"}", "expired, or was used", PROBLEM_LOGIN },
		{ 400, "{\"error\":\"invalid_client_id\"}", "ClientId=", PROBLEM_ADMIN },
		{ 400, "{\"error\":\"invalid_request\"}", "invalid", PROBLEM_BUG },
		{ 200, "{\"access_token\":\"a\",\"token_type\":\"Bearer\"}", "damaged",
		  PROBLEM_RETRY },
	};
	struct credential c = credential(GRANT_DEVICE);
	struct flow_run run = run_of(&c);

	REQUIRE(answered(&run, &flow_login_device, 0, 200, CODE) == FLOW_NEED_USER);
	CHECK_INT(answered(&run, &flow_login_device, 1, 503, ""), FLOW_AGAIN);
	CHECK_INT(answered(&run, &flow_login_device, 1, 400, "{\"error\":\"server_error\"}"),
		  FLOW_AGAIN);
	CHECK_INT(unanswered(&run, 1, HTTP_REFUSED), FLOW_AGAIN);
	CHECK_INT(run.delay_ms, 5000);
	CHECK_INT(unanswered(&run, 1, HTTP_UNKNOWN), FLOW_AGAIN);
	CHECK_INT(run.delay_ms, 10000);
	for (size_t i = 0; i < 5; i++)
		CHECK_INT(unanswered(&run, 1, HTTP_UNSENT), FLOW_AGAIN);
	CHECK_INT(run.delay_ms, 60000);
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		check_row(ends[i].body);
		CHECK_INT(answered(&run, &flow_login_device, 1, ends[i].status, ends[i].body),
			  FLOW_FAILED);
		CHECK_INT(run.problem.class, ends[i].class);
		CHECK(strstr(run.problem.message, ends[i].word));
	}
	run.now_ms = 1000 + 600000 - 60000 - 1;
	CHECK_INT(answered(&run, &flow_login_device, 1, 400,
			   "{\"error\":\"authorization_pending\"}"),
		  FLOW_AGAIN);
	run.now_ms++;
	CHECK_INT(answered(&run, &flow_login_device, 1, 400,
			   "{\"error\":\"authorization_pending\"}"),
		  FLOW_FAILED);
	CHECK_INT(run.problem.class, PROBLEM_LOGIN);
	CHECK(strstr(run.problem.message, "in time"));
	flow_run_fini(&run, &flow_login_device);
}

/* What is shown to people must be what it seems. */
TEST(strange_codes_and_pages_are_not_shown)
{
	static const char *const bodies[] = {
		"{\"device_code\":\"D\",\"user_code\":\"A\"}",
		"{\"device_code\":\"D\",\"verification_uri\":\"https://a.example\"}",
		"{\"device_code\":\"\",\"user_code\":\"A\",\"verification_uri\":\"https://a.example\"}",
		"{\"device_code\":1,\"user_code\":\"A\",\"verification_uri\":\"https://a.example\"}",
		"{\"device_code\":\"D\",\"user_code\":\"A\\u001b[2J\",\"verification_uri\":\"https://a.example\"}",
		"{\"device_code\":\"D\",\"user_code\":\"A\",\"verification_uri\":\"http://a.example\"}",
		"{\"device_code\":\"D\",\"user_code\":\"A\",\"verification_uri\":\"javascript:alert(1)\"}",
		"{\"device_code\":\"D\",\"user_code\":\"A\",\"verification_uri\":\"https://login.salesforce.com@evil.example\"}",
		"{\"device_code\":\"D\",\"user_code\":\"A\",\"verification_uri\":\"https://\"}",
		"{\"device_code\":\"D\",\"user_code\":\"A\",\"verification_uri\":\"https://a.example/ b\"}",
		"[]",
		"{}",
		"",
	};
	struct credential c = credential(GRANT_DEVICE);
	struct flow_run run = run_of(&c);

	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		check_row(bodies[i]);
		CHECK_INT(answered(&run, &flow_login_device, 0, 200, bodies[i]), FLOW_FAILED);
		CHECK(run.problem.message[0] && !run.prompt.user_code);
	}
	CHECK_INT(answered(&run, &flow_login_device, 0, 400,
			   "{\"error\":\"unsupported_grant_type\"}"),
		  FLOW_FAILED);
	CHECK_INT(run.problem.class, PROBLEM_ADMIN);
	flow_run_fini(&run, &flow_login_device);
}

CHECK_MAIN()
