/* SPDX-License-Identifier: Apache-2.0 */
/* How clients prove who they are, and the grants that carry an assertion or a token of somebody else. sign.h is replaced: the signature is "S". */
#include <stdio.h>

#include "daemon/mint/flow.h"
#include "daemon/mint/oauth.h"
#include "daemon/mint/salesforce.h"
#include "daemon/mint/sign.h"
#include "proto/messages.h"
#include "tests/unit/answer.h"
#include "tests/unit/check.h"

#define TOKEN_URL "https://acme.my.salesforce.com/services/oauth2/token"

static char login_url[] = "https://acme.my.salesforce.com", client_id[] = "C:K",
	    issuer[] = "https://op.example", username[] = "etl@acme.example";
static struct secret *seen_key, *seen_passphrase;

int sign_rs256(struct secret *key, struct secret *passphrase, const void *bytes, size_t size,
	       struct buf *signature, struct err *err)
{
	(void)bytes;
	(void)size;
	(void)err;
	seen_key = key;
	seen_passphrase = passphrase;
	buf_add_text(signature, "S");
	return 0;
}

/* With everything that a way may need. */
static struct credential credential(int grant_type, int client_auth)
{
	return (struct credential){ .grant_type = grant_type,
				    .client_auth = client_auth,
				    .login_url = login_url,
				    .client_id = client_id,
				    .username = username };
}

static struct flow_run run_of(const struct credential *c)
{
	return (struct flow_run){ .credential = c,
				  .real_ms = INT64_C(1700000000999),
				  .allowed_hosts = &answer_hosts,
				  .unique = "0123456789abcdef0123456789abcdef" };
}

/* URL, form, and the pair of the Authorization header. */
static const char *sent(struct flow_run *run)
{
	static char text[8192];
	const struct flow_ops *ops = flow_find(run->credential->grant_type);
	struct http_request req = { 0 };
	struct err err = { 0 };

	if (ops->steps[0].ask(run, &req, &err) < 0)
		snprintf(text, sizeof text, "%s", err.text);
	else
		snprintf(text, sizeof text, "%s %s%s%s", req.url, secret_bytes(req.body),
			 req.basic ? " " : "", req.basic ? secret_bytes(req.basic) : "");
	http_request_fini(&req);
	return text;
}

TEST(each_way_to_prove_who_the_client_is)
{
	CLEANUP(secret_unrefp) struct secret *secret = secret_new("s: %", 4);
	CLEANUP(secret_unrefp) struct secret *token = secret_new("R", 1);
	struct credential c = credential(GRANT_REFRESH_TOKEN, CLIENT_SECRET_POST);
	struct flow_run run = run_of(&c);

	run.refresh_token = token;
	c.client_secret = secret;
	CHECK_STR(
		sent(&run), TOKEN_URL
		" grant_type=refresh_token&refresh_token=R&client_id=C%3AK&client_secret=s%3A+%25");
	c.client_auth = CLIENT_SECRET_BASIC;
	CHECK_STR(sent(&run), TOKEN_URL " grant_type=refresh_token&refresh_token=R C%3AK:s%3A+%25");
	c.client_auth = CLIENT_AUTH_NONE;
	CHECK_STR(sent(&run),
		  TOKEN_URL " grant_type=refresh_token&refresh_token=R&client_id=C%3AK");
	c.client_secret = NULL;
	c.client_auth = CLIENT_SECRET_BASIC;
	CHECK_STR(sent(&run), "ClientAuth=client_secret_basic needs ClientSecret=");
	c.client_auth = PRIVATE_KEY_JWT;
	CHECK_STR(sent(&run), "ClientAuth=private_key_jwt needs PrivateKey=");
}

/* The payload of the assertion that text holds between "client_assertion=" and the end. */
static const char *claims_of(const char *text)
{
	static char claims[2000];
	const char *jwt = strstr(text, "client_assertion=");
	const char *start = jwt ? strchr(jwt, '.') : NULL,
		   *end = start ? strchr(start + 1, '.') : NULL;
	CLEANUP(buf_finip) struct buf plain;

	buf_init(&plain, sizeof claims - 1);
	if (!end || oauth_base64url_decode(start + 1, (size_t)(end - start - 1), &plain) < 0)
		return "none";
	snprintf(claims, sizeof claims, "%s", plain.data);
	return claims;
}

TEST(a_signed_client_assertion)
{
	CLEANUP(secret_unrefp) struct secret *key = secret_new("KEY", 3);
	CLEANUP(secret_unrefp) struct secret *pin = secret_new("PIN", 3);
	static char token[] = "https://op.example/token";
	struct endpoints e = { .issuer = issuer, .token = token };
	struct credential c = credential(GRANT_CLIENT_CREDENTIALS, PRIVATE_KEY_JWT);
	struct flow_run run = run_of(&c);
	const char *text;

	CHECK_STR(sent(&run), "this grant needs ClientId= and PrivateKey=");
	c.private_key = key;
	c.passphrase = pin;
	text = sent(&run);
	CHECK(strstr(text, TOKEN_URL
		     " grant_type=client_credentials&client_id=C%3AK"
		     "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
		     "&client_assertion=eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.") == text);
	CHECK_STR(claims_of(text), "{\"iss\":\"C:K\",\"sub\":\"C:K\",\"aud\":\"" TOKEN_URL
				   "\",\"exp\":1700000120,\"iat\":1700000000,"
				   "\"jti\":\"0123456789abcdef0123456789abcdef\"}");
	CHECK(seen_key == key && seen_passphrase == pin);
	CHECK(!strstr(text, "client_secret"));
	run.endpoints = &e;
	CHECK(strstr(claims_of(sent(&run)), "\"aud\":\"https://op.example/token\""));
}

TEST(scopes_are_asked_for_where_the_server_takes_them)
{
	static char scopes[] = "api id";
	CLEANUP(secret_unrefp) struct secret *secret = secret_new("s", 1);
	CLEANUP(secret_unrefp) struct secret *token = secret_new("T", 1);
	static const struct {
		int grant;
		bool issuer, sent;
	} rows[] = { { GRANT_CLIENT_CREDENTIALS, false, false },
		     { GRANT_CLIENT_CREDENTIALS, true, true },
		     { GRANT_JWT_BEARER, true, false },
		     { GRANT_SAML_BEARER, true, false },
		     { GRANT_REFRESH_TOKEN, true, false },
		     { GRANT_TOKEN_EXCHANGE, false, true } };

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct credential c = credential(rows[i].grant, CLIENT_SECRET_POST);
		struct flow_run run = run_of(&c);

		check_row(grant_type_names[rows[i].grant]);
		c.scopes = scopes;
		c.client_secret = c.private_key = secret;
		c.issuer = rows[i].issuer ? issuer : NULL;
		run.refresh_token = run.subject_token = token;
		CHECK(strstr(sent(&run), "grant_type="));
		CHECK_INT(strstr(sent(&run), "scope=api+id") != NULL, rows[i].sent);
	}
}

/* --- SAML bearer --- */

static struct buf assertion_of(const char *text)
{
	const char *value = strstr(text, "&assertion=");
	struct buf xml;

	buf_init(&xml, 32768);
	value = value ? value + 11 : "";
	CHECK_INT(oauth_base64url_decode(value, strcspn(value, "&"), &xml), 0);
	return xml;
}

TEST(saml_is_signed_for_the_host_that_judges_it)
{
	static char sandbox[] = "https://acme--dev.sandbox.my.salesforce.com",
		    audience[] = "https://test.salesforce.com/", recipient[] = "urn:me";
	static char token_audience[] = "https://login.salesforce.com/services/oauth2/token",
		    op_token[] = "https://op.example/t";
	CLEANUP(secret_unrefp) struct secret *key = secret_new("KEY", 3);
	struct endpoints e = { .issuer = issuer, .token = op_token };
	const struct {
		char *login_url, *audience, *recipient;
		bool issuer;
		const char *want_audience, *want_recipient;
	} rows[] = {
		{ login_url, NULL, NULL, false, ">https://login.salesforce.com<",
		  "\"https://login.salesforce.com/services/oauth2/token\"" },
		{ sandbox, NULL, NULL, false, ">https://test.salesforce.com<",
		  "\"https://test.salesforce.com/services/oauth2/token\"" },
		{ login_url, audience, NULL, false, ">https://test.salesforce.com/<",
		  "\"https://test.salesforce.com/services/oauth2/token\"" },
		{ login_url, token_audience, NULL, false,
		  ">https://login.salesforce.com/services/oauth2/token<",
		  "\"https://login.salesforce.com/services/oauth2/token\"" },
		{ login_url, recipient, NULL, false, ">urn:me<", "\"" TOKEN_URL "\"" },
		{ login_url, NULL, recipient, false, ">https://login.salesforce.com<",
		  "\"urn:me\"" },
		{ issuer, NULL, NULL, true, ">https://op.example<", "\"https://op.example/t\"" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct credential c = credential(GRANT_SAML_BEARER, CLIENT_AUTH_NONE);
		struct flow_run run = run_of(&c);
		const char *text;
		CLEANUP(buf_finip) struct buf xml;

		check_row(rows[i].want_recipient);
		c.private_key = key;
		c.login_url = rows[i].login_url;
		c.audience = rows[i].audience;
		c.recipient = rows[i].recipient;
		run.endpoints = rows[i].issuer ? &e : NULL;
		text = sent(&run);
		CHECK(strstr(text, "/t") &&
		      strstr(text,
			     " grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Asaml2-bearer&assertion=PHNhbWw6QXNz"));
		CHECK(!strstr(text, "client_id"));
		xml = assertion_of(text);
		CHECK(strstr(
			xml.data,
			" ID=\"_0123456789abcdef0123456789abcdef\" IssueInstant=\"2023-11-14T22:13:20Z\""));
		CHECK(strstr(xml.data, "<saml:Issuer>C:K</saml:Issuer>") &&
		      strstr(xml.data, ">etl@acme.example</saml:NameID>"));
		CHECK(strstr(xml.data, rows[i].want_audience) &&
		      strstr(xml.data, rows[i].want_recipient));
	}
}

TEST(a_ready_assertion_goes_as_it_is)
{
	CLEANUP(secret_unrefp) struct secret *ready = secret_new("<Assertion>?~~?</Assertion>", 27);
	CLEANUP(secret_unrefp) struct secret *page = secret_new("<html/>", 7);
	struct credential c = credential(GRANT_SAML_BEARER, CLIENT_AUTH_NONE);
	struct flow_run run = run_of(&c);

	CHECK(strstr(sent(&run), "PrivateKey=, or Assertion="));
	run.assertion = ready;
	c.client_id = c.username = NULL;
	CHECK_STR(sent(&run),
		  TOKEN_URL " grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Asaml2-bearer"
			    "&assertion=PEFzc2VydGlvbj4_fn4_PC9Bc3NlcnRpb24-");
	run.assertion = page;
	CHECK(strstr(sent(&run), "exactly one Assertion"));
}

/* --- token exchange --- */

TEST(a_token_is_exchanged)
{
	static char handler[] = "My_Handler", saml2[] = "saml2", urn[] = "urn:x:y";
	CLEANUP(secret_unrefp) struct secret *token = secret_new("eyJ.a+b", 7);
	struct credential c = credential(GRANT_TOKEN_EXCHANGE, CLIENT_SECRET_POST);
	struct flow_run run = run_of(&c);

	CHECK(strstr(sent(&run), "SubjectToken="));
	run.subject_token = token;
	CHECK_STR(
		sent(&run), TOKEN_URL
		" grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token=eyJ.a%2Bb"
		"&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&client_id=C%3AK");
	c.subject_token_type = saml2;
	c.token_handler = handler;
	CHECK(strstr(
		sent(&run),
		"&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Asaml2&token_handler=My_Handler&client_id="));
	c.subject_token_type = urn;
	CHECK(strstr(sent(&run), "&subject_token_type=urn%3Ax%3Ay&"));
}

/* --- requests about a token --- */

static const char *asked(int status, struct http_request *req, const struct err *err)
{
	static char text[2000];

	snprintf(text, sizeof text, "%s", err->text);
	if (status == 0)
		snprintf(text, sizeof text, "%s %s%s%s", req->url,
			 req->body ? secret_bytes(req->body) : "-", req->bearer ? " Bearer " : "",
			 req->bearer ? secret_bytes(req->bearer) : "");
	http_request_fini(req);
	return text;
}

/* A server knows itself by its token endpoint, and need not take the name of another one (RFC 7523 3). */
TEST(a_signed_client_assertion_is_for_the_token_endpoint)
{
	static char instance[] = "https://inst.my.salesforce.com",
		    op_token[] = "https://op.example/t", in[] = "https://op.example/in",
		    out[] = "https://op.example/out";
	CLEANUP(secret_unrefp) struct secret *key = secret_new("KEY", 3);
	CLEANUP(secret_unrefp) struct secret *token = secret_new("T!", 2);
	struct endpoints e = {
		.issuer = issuer, .token = op_token, .introspection = in, .revocation = out
	};
	struct credential c = credential(GRANT_REFRESH_TOKEN, PRIVATE_KEY_JWT);
	struct grant g = { .access_token = token, .instance_url = instance };
	struct flow_run run = run_of(&c);
	struct http_request req;
	struct err err = { 0 };

	c.private_key = key;
	CHECK(strstr(claims_of(asked(flow_ask_introspection(&run, &g, &req, &err), &req, &err)),
		     "\"aud\":\"https://inst.my.salesforce.com/services/oauth2/token\""));
	c.issuer = issuer;
	run.endpoints = &e;
	CHECK(strstr(claims_of(asked(flow_ask_introspection(&run, &g, &req, &err), &req, &err)),
		     "\"aud\":\"https://op.example/t\""));
	CHECK(strstr(claims_of(asked(flow_ask_revocation(&run, login_url, token, true, &req, &err),
				     &req, &err)),
		     "\"aud\":\"https://op.example/t\""));
}

TEST(questions_about_a_token_go_where_its_server_wants_them)
{
	static char instance[] = "https://inst.my.salesforce.com",
		    op_token[] = "https://op.example/t", me[] = "https://op.example/me",
		    in[] = "https://op.example/in", out[] = "https://op.example/out";
	CLEANUP(secret_unrefp) struct secret *token = secret_new("T!", 2);
	CLEANUP(secret_unrefp) struct secret *secret = secret_new("s", 1);
	struct endpoints e = { .issuer = issuer,
			       .token = op_token,
			       .userinfo = me,
			       .introspection = in,
			       .revocation = out };
	struct endpoints none = { .issuer = issuer, .token = op_token };
	struct credential c = credential(GRANT_REFRESH_TOKEN, CLIENT_SECRET_POST);
	struct grant g = { .access_token = token, .instance_url = instance };
	struct flow_run run = run_of(&c);
	struct http_request req;
	struct err err = { 0 };

	CHECK_STR(asked(flow_ask_userinfo(&run, &g, &req, &err), &req, &err),
		  "https://inst.my.salesforce.com/services/oauth2/userinfo - Bearer T!");
	CHECK(strstr(asked(flow_ask_introspection(&run, &g, &req, &err), &req, &err),
		     "needs ClientSecret="));
	c.client_secret = secret;
	CHECK_STR(
		asked(flow_ask_introspection(&run, &g, &req, &err), &req, &err),
		"https://inst.my.salesforce.com/services/oauth2/introspect token=T%21&token_type_hint=access_token&client_id=C%3AK&client_secret=s");
	CHECK_STR(asked(flow_ask_revocation(&run, login_url, token, true, &req, &err), &req, &err),
		  "https://acme.my.salesforce.com/services/oauth2/revoke token=T%21");
	c.issuer = issuer;
	CHECK(strstr(asked(flow_ask_userinfo(&run, &g, &req, &err), &req, &err), "not known yet"));
	CHECK_INT(err.code, ERR_RETRY);
	run.endpoints = &none;
	CHECK(strstr(asked(flow_ask_introspection(&run, &g, &req, &err), &req, &err),
		     "has no introspection_endpoint"));
	CHECK(strstr(asked(flow_ask_revocation(&run, login_url, token, true, &req, &err), &req,
			   &err),
		     "has no revocation_endpoint"));
	run.endpoints = &e;
	CHECK_STR(asked(flow_ask_userinfo(&run, &g, &req, &err), &req, &err),
		  "https://op.example/me - Bearer T!");
	CHECK_STR(
		asked(flow_ask_introspection(&run, &g, &req, &err), &req, &err),
		"https://op.example/in token=T%21&token_type_hint=access_token&client_id=C%3AK&client_secret=s");
	CHECK_STR(
		asked(flow_ask_revocation(&run, login_url, token, true, &req, &err), &req, &err),
		"https://op.example/out token=T%21&token_type_hint=refresh_token&client_id=C%3AK&client_secret=s");
}

TEST(other_servers_need_not_say_an_instance)
{
	static char realm[] = "https://acme.my.salesforce.com/realms/a",
		    configured[] = "https://api.my.salesforce.com:443",
		    elsewhere[] = "https://api.example";
	static const char answer_text[] =
		"{\"access_token\":\"a\",\"token_type\":\"bearer\",\"id_token\":\"x\",\"expires_in\":86401}";
	static const struct {
		char *issuer, *instance_url;
		const char *want;
	} rows[] = { { NULL, configured, NULL },
		     { realm, NULL, "https://acme.my.salesforce.com" },
		     { realm, configured, "https://api.my.salesforce.com" },
		     { realm, elsewhere, NULL } };

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct credential c = credential(GRANT_CLIENT_CREDENTIALS, CLIENT_SECRET_POST);
		struct flow_run run = run_of(&c);
		struct http_response res = answer_json(200, answer_text);

		c.issuer = rows[i].issuer;
		c.login_url = rows[i].issuer ? rows[i].issuer : login_url;
		c.instance_url = rows[i].instance_url;
		CHECK_INT(flow_client_credentials.steps[0].answer(&run, &res),
			  rows[i].want ? FLOW_DONE : FLOW_FAILED);
		CHECK_STR(run.grant ? run.grant->instance_url : NULL, rows[i].want);
		CHECK(!run.grant || (run.grant->expires_in_ms == 0 && !run.grant->identity_url));
		answer_free(&res);
		flow_run_fini(&run, &flow_client_credentials);
	}
}

CHECK_MAIN()
