/* SPDX-License-Identifier: Apache-2.0 */
/* The flows step by step: what they send, and what they make of the answers. Linked without libcurl and libevent. */
#include <stdlib.h>
#include <unistd.h>

#include "daemon/mint/flow.h"
#include "daemon/mint/sign.h"
#include "proto/messages.h"
#include "tests/unit/answer.h"
#include "tests/unit/check.h"
#include "tests/unit/keys.h"

#define GOOD "{\"access_token\":\"00D1!a\",\"token_type\":\"Bearer\",\"instance_url\":\"https://a.my.salesforce.com\"}"

static char login_url[] = "https://acme.my.salesforce.com/", client_id[] = "3MVG9 &x",
	    username[] = "etl@example.com";

static struct credential credential(int grant_type)
{
	return (struct credential){ .grant_type = grant_type,
				    .login_url = login_url,
				    .client_id = client_id,
				    .username = username };
}

static struct flow_run run_of(const struct credential *c)
{
	return (struct flow_run){ .credential = c,
				  .real_ms = INT64_C(1700000000999),
				  .allowed_hosts = &answer_hosts };
}

TEST(the_flows_of_this_version_are_found)
{
	CHECK(flow_find(GRANT_CLIENT_CREDENTIALS) == &flow_client_credentials);
	CHECK(flow_find(GRANT_JWT_BEARER) == &flow_jwt_bearer);
	CHECK(flow_find(GRANT_REFRESH_TOKEN) == &flow_refresh_token);
	CHECK(flow_find(-1) == NULL);
	CHECK(flow_client_credentials.renewal == RENEW_ITSELF &&
	      flow_jwt_bearer.renewal == RENEW_ITSELF);
	CHECK_INT(flow_refresh_token.renewal, RENEW_REFRESH);
	CHECK(!flow_client_credentials.spends && !flow_jwt_bearer.spends &&
	      flow_refresh_token.spends);
}

TEST(client_credentials_go_in_the_body)
{
	CLEANUP(secret_unrefp) struct secret *secret = secret_new("s3+/=", 5);
	struct credential c = credential(GRANT_CLIENT_CREDENTIALS);
	struct flow_run run = run_of(&c);
	struct http_request req = { 0 };

	c.client_secret = secret;
	REQUIRE(flow_client_credentials.n_steps == 1);
	REQUIRE(flow_client_credentials.steps[0].ask(&run, &req, NULL) == 0);
	CHECK_STR(req.url, "https://acme.my.salesforce.com/services/oauth2/token");
	CHECK(req.post && !req.basic && !req.bearer && !req.fresh);
	CHECK_STR(secret_bytes(req.body),
		  "grant_type=client_credentials&client_id=3MVG9+%26x&client_secret=s3%2B%2F%3D");
	http_request_fini(&req);
	flow_run_fini(&run, &flow_client_credentials);
}

TEST(a_refresh_sends_the_token_and_no_scope)
{
	CLEANUP(secret_unrefp) struct secret *secret = secret_new("s=", 2);
	CLEANUP(secret_unrefp) struct secret *token = secret_new("5Aep!/+", 7);
	struct credential c = credential(GRANT_REFRESH_TOKEN);
	struct flow_run run = run_of(&c);
	struct http_request req = { 0 };

	run.refresh_token = token;
	REQUIRE(flow_refresh_token.n_steps == 1);
	REQUIRE(flow_refresh_token.steps[0].ask(&run, &req, NULL) == 0);
	CHECK_STR(req.url, "https://acme.my.salesforce.com/services/oauth2/token");
	CHECK(req.post && !req.basic && !req.bearer);
	CHECK_STR(secret_bytes(req.body),
		  "grant_type=refresh_token&refresh_token=5Aep%21%2F%2B&client_id=3MVG9+%26x");
	http_request_fini(&req);
	c.client_secret = secret;
	run.base_url = "https://inst.my.salesforce.com";
	REQUIRE(flow_refresh_token.steps[0].ask(&run, &req, NULL) == 0);
	CHECK_STR(req.url, "https://inst.my.salesforce.com/services/oauth2/token");
	CHECK_STR(
		secret_bytes(req.body),
		"grant_type=refresh_token&refresh_token=5Aep%21%2F%2B&client_id=3MVG9+%26x&client_secret=s%3D");
	http_request_fini(&req);
	flow_run_fini(&run, &flow_refresh_token);
}

/* Answers that cannot be used, to a refresh: what becomes of the token. */
TEST(a_token_that_came_is_not_lost)
{
	static const struct {
		const char *body, *salvaged;
		bool unknown;
		enum problem_class class;
	} rows[] = {
		{ "{\"refresh_token\":\"new\",\"access_tok", "new", false, PROBLEM_RETRY },
		{ "{\"access_token\":\"a\",\"refresh_tok", NULL, true, PROBLEM_RETRY },
		{ "{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"refresh_token\":\"new\",\"instance_url\":\"https://evil.example\"}",
		  "new", false, PROBLEM_ADMIN },
		{ "{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"instance_url\":\"https://evil.example\"}", NULL, false,
		  PROBLEM_ADMIN },
		{ "{\"error\":\"invalid_grant\"}", NULL, false, PROBLEM_LOGIN },
		{ "<html>", NULL, true, PROBLEM_RETRY },
	};
	struct credential c = credential(GRANT_REFRESH_TOKEN);
	struct flow_run run = run_of(&c);

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct http_response res = answer_json(200, rows[i].body);

		check_row(rows[i].body);
		CHECK_INT(flow_refresh_token.steps[0].answer(&run, &res), FLOW_FAILED);
		CHECK_STR(run.salvaged ? secret_bytes(run.salvaged) : NULL, rows[i].salvaged);
		CHECK_INT(run.problem.spend_unknown, rows[i].unknown);
		CHECK_INT(run.problem.class, rows[i].class);
		answer_free(&res);
	}
	flow_run_fini(&run, &flow_refresh_token);
	CHECK(run.salvaged == NULL);
}

TEST(what_is_missing_is_said)
{
	CLEANUP(secret_unrefp) struct secret *nonsense = secret_new("x", 1);
	struct credential c = credential(GRANT_CLIENT_CREDENTIALS);
	struct flow_run run = run_of(&c);
	struct http_request req = { 0 };
	struct err err = { 0 };

	CHECK_INT(flow_client_credentials.steps[0].ask(&run, &req, &err), -ERR_ADMIN);
	CHECK(strstr(err.text, "ClientSecret="));
	CHECK_INT(flow_jwt_bearer.steps[0].ask(&run, &req, &err), -ERR_ADMIN);
	CHECK(strstr(err.text, "PrivateKey="));
	c.private_key = nonsense;
	CHECK_INT(flow_jwt_bearer.steps[0].ask(&run, &req, &err), -ERR_ADMIN);
	CHECK(strstr(err.text, "no private key"));
	CHECK_INT(flow_refresh_token.steps[0].ask(&run, &req, &err), -ERR_LOGIN);
	CHECK(strstr(err.text, "sftoken import"));
	CHECK(!req.url && !req.body);
}

static bool write_file(const char *path, const struct secret *s)
{
	FILE *f = fopen(path, "w");
	bool fine = f && fwrite(secret_bytes(s), 1, secret_size(s), f) == secret_size(s);

	if (f)
		fclose(f);
	return fine;
}

/* Header and claims as PyJWT reads them after it has verified the signature; "" if it refuses. */
static void verify(const struct secret *public, const char *assertion, char *out, size_t room)
{
	char dir[] = "/tmp/sftokend-test-XXXXXX", key[64], jwt[64], command[300];
	CLEANUP(secret_unrefp) struct secret *text = secret_new(assertion, strlen(assertion));
	FILE *f;

	out[0] = '\0';
	if (!mkdtemp(dir))
		return;
	snprintf(key, sizeof key, "%s/key", dir);
	snprintf(jwt, sizeof jwt, "%s/jwt", dir);
	snprintf(command, sizeof command, "/usr/bin/python3 '" VERIFY_JWT "' %s < %s", key, jwt);
	if (write_file(key, public) && write_file(jwt, text) && (f = popen(command, "r"))) {
		if (!fgets(out, (int)room, f))
			out[0] = '\0';
		pclose(f);
	}
	unlink(key);
	unlink(jwt);
	rmdir(dir);
}

/* A run of the flow's only step; the assertion, which the caller frees. */
static char *assertion_of(const struct credential *c)
{
	static const char before
		[] = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
	struct flow_run run = run_of(c);
	struct http_request req = { 0 };
	char *assertion = NULL;

	if (CHECK_INT(flow_jwt_bearer.steps[0].ask(&run, &req, NULL), 0)) {
		CHECK_STR(req.url, "https://acme.my.salesforce.com/services/oauth2/token");
		CHECK(req.post && !req.basic && !req.bearer && !req.fresh);
		if (CHECK(!strncmp(secret_bytes(req.body), before, strlen(before))))
			assertion = strdup(secret_bytes(req.body) + strlen(before));
	}
	http_request_fini(&req);
	flow_run_fini(&run, &flow_jwt_bearer);
	return assertion;
}

TEST(an_assertion_has_four_claims_and_a_signature_that_others_verify)
{
	struct secret *public = NULL;
	CLEANUP(secret_unrefp) struct secret *key = keys_make("RSA", 2048, KEY_PKCS8, &public);
	struct credential c = credential(GRANT_JWT_BEARER);
	CLEANUP(cleanup_free) char *assertion = NULL;
	char read[1000];

	c.private_key = key;
	assertion = assertion_of(&c);
	REQUIRE(assertion && public);
	CHECK(strspn(assertion,
		     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") ==
	      strlen(assertion));
	CHECK(!strncmp(assertion, "eyJhbGciOiJSUzI1NiJ9.", 21)); /* {"alg":"RS256"} */
	verify(public, assertion, read, sizeof read);
	/* exp: whole seconds, 180 ahead of 1700000000.999 */
	CHECK_STR(read, "[{\"alg\":\"RS256\"},{\"iss\":\"3MVG9 &x\",\"sub\":\"etl@example.com\","
			"\"aud\":\"https://login.salesforce.com\",\"exp\":1700000180}]\n");
	assertion[strlen(assertion) - 20] ^= 3;
	verify(public, assertion, read, sizeof read);
	CHECK_STR(read, "");
	sign_forget();
	secret_unref(public);
}

TEST(claims_are_escaped)
{
	static char odd[] = "a\"b\\c\x01@\xc3\xa4.example",
		    audience[] = "https://test.salesforce.com";
	struct secret *public = NULL;
	CLEANUP(secret_unrefp) struct secret *key = keys_make("RSA", 2048, KEY_PKCS1, &public);
	struct credential c = credential(GRANT_JWT_BEARER);
	CLEANUP(cleanup_free) char *assertion = NULL;
	char read[1000];

	c.private_key = key;
	c.username = odd;
	c.audience = audience;
	assertion = assertion_of(&c);
	REQUIRE(assertion && public);
	verify(public, assertion, read, sizeof read);
	CHECK_STR(
		read,
		"[{\"alg\":\"RS256\"},{\"iss\":\"3MVG9 &x\",\"sub\":\"a\\\"b\\\\c\\u0001@\\u00e4.example\","
		"\"aud\":\"https://test.salesforce.com\",\"exp\":1700000180}]\n");
	sign_forget();
	secret_unref(public);
}

TEST(claims_that_are_too_long_are_refused)
{
	static char longest[5000];
	CLEANUP(secret_unrefp) struct secret *key = keys_make("RSA", 2048, KEY_PKCS8, NULL);
	struct credential c = credential(GRANT_JWT_BEARER);
	struct flow_run run = run_of(&c);
	struct http_request req = { 0 };

	memset(longest, 'u', sizeof longest - 1);
	c.private_key = key;
	c.username = longest;
	CHECK_INT(flow_jwt_bearer.steps[0].ask(&run, &req, NULL), -ERR_ADMIN);
	CHECK(!req.url && !req.body);
	sign_forget();
}

static enum verdict take(const struct flow_ops *ops, const char *body, struct flow_run *run)
{
	struct http_response res = answer_json(200, body);
	enum verdict v = ops->steps[0].answer(run, &res);

	answer_free(&res);
	return v;
}

TEST(an_answer_ends_the_flow)
{
	static const struct flow_ops *const flows[] = { &flow_client_credentials, &flow_jwt_bearer };

	for (size_t i = 0; i < 2; i++) {
		struct credential c = credential(flows[i]->grant_type);
		struct flow_run run = run_of(&c);

		CHECK_INT(take(flows[i], GOOD, &run), FLOW_DONE);
		CHECK(run.grant && !strcmp(secret_bytes(run.grant->access_token), "00D1!a"));
		CHECK_INT(run.problem.class, PROBLEM_NONE);
		CHECK_INT(take(flows[i], "{\"error\":\"inactive_user\"}", &run), FLOW_FAILED);
		CHECK(run.grant == NULL);
		CHECK_INT(run.problem.class, PROBLEM_ADMIN);
		flow_run_fini(&run, flows[i]);
	}
}

TEST(the_same_words_mean_different_things_to_different_grants)
{
	static const char expired[] =
		"{\"error\":\"invalid_grant\",\"error_description\":\"expired authorization code\"}";
	struct credential c = credential(GRANT_JWT_BEARER);
	struct flow_run run = run_of(&c);

	CHECK_INT(take(&flow_jwt_bearer, expired, &run), FLOW_FAILED);
	CHECK_INT(run.problem.class, PROBLEM_CLOCK);
	c.grant_type = GRANT_CLIENT_CREDENTIALS;
	CHECK_INT(take(&flow_client_credentials, expired, &run), FLOW_FAILED);
	CHECK_INT(run.problem.class, PROBLEM_ADMIN);
	flow_run_fini(&run, &flow_client_credentials);
}

CHECK_MAIN()
