/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what the browser brought (or the device flow) to the token in the keeper.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/mint/login_parts.h"
#include "daemon/mint/oauth.h"
#include "daemon/mint/salesforce.h"

/* --- into the keeper --- */

static void applied(int status, const struct err *err, void *arg)
{
	struct login *l = arg;
	const struct grant *g = l->grant;
	bool disabled = l->keeper && keeper_schedule(l->keeper)->state == STATE_DISABLED;

	l->applying = NULL;
	/* Salesforce has refused nothing: it is our store, as with SecretStoreUnavailable at the begin */
	if (status < 0)
		login_end(l, status == -ERR_INTERNAL ? LOGIN_FAILED : LOGIN_CANCELLED,
			  "the login could not be kept: %.200s; log in again", err->text);
	else
		login_end(l, LOGIN_SUCCEEDED, "logged in as %.80s%s%s%.20s, %.80s%s%.60s",
			  g->username ? g->username : "a user whose name is not known", l->before,
			  g->organization_id ? ", organization " : "",
			  g->organization_id ? g->organization_id : "", g->instance_url,
			  disabled ? "; it is disabled, not served: sftoken enable " : "",
			  disabled ? l->credential->name : "");
}

/* Whose token this one replaces, if that was somebody else. */
static void note_before(struct login *l)
{
	const struct grant *old = keeper_newest(l->keeper), *g = l->grant;
	const char *name = old && old->username ? old->username : old ? old->user_id : NULL;
	bool same = true;

	if (old && old->user_id && g->user_id)
		same = login_same_id(old->user_id, g->user_id);
	if (same && old && old->username && g->username)
		same = strcasecmp(old->username, g->username) == 0;
	if (!same && name)
		snprintf(l->before, sizeof l->before, " (before: %.60s)", name);
}

static void apply(struct login *l)
{
	note_before(l);
	l->phase = LOGIN_APPLIES;
	l->applying = keeper_take_login(l->keeper, l->grant, l->date_real_ms, applied, l);
	if (!l->applying)
		login_end(l, LOGIN_FAILED, "out of memory");
}

/* It is refused after all: nothing changes, and the server forgets it. */
static void __attribute__((format(printf, 2, 3))) reject(struct login *l, const char *format, ...)
{
	struct problem p = { .class = PROBLEM_ADMIN };
	va_list args;

	va_start(args, format);
	vsnprintf(p.message, sizeof p.message, format, args);
	va_end(args);
	if (l->keeper)
		keeper_discard(l->keeper, l->grant);
	login_end_problem(l, &p);
}

/* --- who is it? --- */

static bool is_owner(const struct grant *g, const struct login_user *u)
{
	return login_same_id(g->organization_id, u->organization_id) &&
	       login_same_id(g->user_id, u->user_id);
}

static void take_user(struct login *l, const struct login_user *u)
{
	const char *wanted = l->credential->username;

	if (u->username[0]) {
		free(l->grant->username);
		l->grant->username = strdup(u->username);
	}
	/* whoever logs in can open the link with fewer scopes: silence must not pass for the right name */
	if (wanted && !u->username[0])
		reject(l,
		       "the server does not say whose login this was (userinfo), and Username= asks for %.80s: let the app give "
		       "the scope api or openid (and Scopes=, if that is set), or log in again later",
		       wanted);
	else if (wanted && strcasecmp(wanted, u->username) != 0)
		reject(l,
		       "this was a login as %.80s, but Username= is %.80s: log in as that user (in a private window, if the "
		       "browser remembers the other one), or change Username=",
		       u->username, wanted);
	else
		apply(l);
}

static void user_known(const struct http_response *res, void *arg)
{
	struct login *l = arg;
	struct login_user user = { 0 };
	bool known = salesforce_userinfo_answer(res) == TOKEN_ALIVE && login_user_read(res, &user);

	l->call = NULL;
	/* a token that came by way of the browser may be anybody's (RFC 6819 4.4.2.6) */
	if (l->flow == LOGIN_USER_AGENT && (!known || !is_owner(l->grant, &user)))
		reject(l, "%s",
		       known ? "the token belongs to another user than the address says: it is not used"
			     : "the server does not confirm whose token this is (userinfo): log in again");
	else
		take_user(l, &user);
}

/* AllowedHosts= may have another mind than when the endpoints were found. */
static int check_host(const struct login *l, const char *url, struct err *err)
{
	struct config_list hosts = { 0 };
	int r = salesforce_hosts(&hosts, &l->context->settings->network.allowed_hosts,
				 l->credential->login_url, err);

	if (r == 0)
		r = salesforce_check_url(url, &hosts, err);
	salesforce_hosts_fini(&hosts);
	return r;
}

static int ask_user(const struct login *l, struct http_request *req, struct err *err)
{
	CLEANUP(endpoints_unrefp)
	struct endpoints *e = attempts_endpoints(l->context->attempts, l->credential);
	const struct flow_run run = { .credential = l->credential, .endpoints = e };
	int r = flow_ask_userinfo(&run, l->grant, req, err);

	return r == 0 ? check_host(l, req->url, err) : r;
}

void login_check_user(struct login *l)
{
	const struct login_user nobody = { 0 };
	struct http_request req = { 0 };
	struct err err = { 0 };

	l->phase = LOGIN_ASKS;
	login_hold_stop(l);
	if (ask_user(l, &req, &err) == 0)
		l->call = attempt_request(l->context->attempts, &req, user_known, l);
	login_count(l);
	http_request_fini(&req);
	if (l->call)
		return;
	if (l->flow == LOGIN_USER_AGENT)
		reject(l, "out of memory");
	else
		take_user(l, &nobody);
}

/* --- the token --- */

void login_exchanged(const struct attempt_result *r, void *arg)
{
	struct login *l = arg;

	l->call = NULL;
	l->exchanging = false;
	if (l->told) { /* the person has given up: what came all the same is ended */
		if (r->grant && l->keeper)
			keeper_discard(l->keeper, r->grant);
		login_forget(l);
		return;
	}
	timer_clear(l->timer);
	if (!r->grant) {
		login_end_problem(l, r->problem);
		return;
	}
	l->grant = grant_ref(r->grant);
	l->date_real_ms = r->date_real_ms;
	if (!l->grant->refresh_token)
		reject(l,
		       "the server gave no refresh token, so that the token could not be renewed: let the app give the scope "
		       "refresh_token (offline_access), and ask for it in Scopes= if that is set");
	else
		login_check_user(l);
}

static void exchange(struct login *l, const struct login_answer *a)
{
	struct flow_login login = {
		.code = secret_new(a->code, strlen(a->code)),
		.verifier = l->verifier,
		.redirect_uri = l->redirect_uri,
	};
	const struct attempt_order order = {
		.credential = l->credential,
		.kind = ATTEMPT_DEMANDED,
		.flow = &flow_login_web_server,
		.login = &login,
		.done = login_exchanged,
		.arg = l,
	};

	timer_clear(l->timer);
	l->phase = LOGIN_EXCHANGES;
	l->exchanging = true;
	if (login.code)
		l->call = attempt_start(l->context->attempts, &order);
	login_count(l);
	secret_unref(login.code);
	if (l->call) {
		login_hold_stop(l);
		return;
	}
	l->exchanging = false;
	login_end(l, LOGIN_FAILED, "out of memory");
}

static void take_fragment(struct login *l, const struct login_answer *a)
{
	const struct oauth_fragment f = { a->access_token, a->token_type, a->instance_url, a->id,
					  a->scope,        a->expires_in, a->issued_at };
	const struct config_list *allowed = &l->context->settings->network.allowed_hosts;
	struct config_list hosts = { 0 };
	struct problem p = { 0 };

	timer_clear(l->timer);
	if (salesforce_hosts(&hosts, allowed, l->credential->login_url, NULL) == 0)
		l->grant = oauth_read_fragment(&f, &hosts, loop_now_ms(l->context->loop), &p);
	salesforce_hosts_fini(&hosts);
	if (l->grant)
		login_check_user(l);
	else
		login_end_problem(l, &p);
}

/* --- what the browser brought --- */

static bool is_our_state(const struct login *l, const struct login_answer *a)
{
	CLEANUP(secret_unrefp)
	struct secret *state = a->state ? secret_new(a->state, strlen(a->state)) : NULL;

	return state && secret_equal(state, l->state_secret);
}

/* RFC 9207 2.4: who answers must be whom was asked. Salesforce has many names and sends none so far: one that may be contacted will do. */
static bool is_our_issuer(const struct login *l, const char *iss)
{
	if (l->credential->issuer)
		return strcmp(iss, l->credential->issuer) == 0;
	return check_host(l, iss, NULL) == 0;
}

static int consume(struct login *l, const struct login_answer *a, struct err *err)
{
	bool token = l->flow == LOGIN_USER_AGENT;
	struct problem p;

	if (!a->error && !(token ? a->access_token : a->code))
		return err_set(
			err, ERR_INPUT,
			"it has no %s: copy the whole address that the browser shows at the end",
			token ? "access_token" : "code");
	if (a->iss ? !is_our_issuer(l, a->iss) : l->names_itself) {
		login_end(
			l, LOGIN_FAILED,
			"another server than the one that was asked has answered (iss): it is not believed");
	} else if (a->error) {
		oauth_classify_redirect(token ? GRANT_USER_AGENT : GRANT_WEB_SERVER, a->error,
					a->error_description, &p);
		login_end_problem(l, &p);
	} else if (token) {
		take_fragment(l, a);
	} else {
		exchange(l, a);
	}
	return 0;
}

int login_complete(struct login *l, const struct secret *url, struct err *err)
{
	struct login_answer a;
	int r;

	if (l->flow == LOGIN_DEVICE)
		return err_set(err, ERR_INPUT, "a login by device takes no address");
	r = login_answer_read(url, l->redirect_uri, &a, err);
	if (r < 0)
		return r;
	if (!is_our_state(l, &a))
		r = err_set(err, ERR_DENIED, "the state is not that of this login");
	else if (l->phase != LOGIN_WAITS)
		r = 1;
	else
		r = consume(l, &a, err);
	login_answer_fini(&a);
	return r;
}
