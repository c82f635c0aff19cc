/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/doctor_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* As long ahead as people are told of it (notices.c). */
enum { CERTIFICATE_SOON_S = 7 * 24 * 3600 };

const char *const doctor_step_names[DOCTOR_STEPS] = { "configuration", "name",     "tls",  "clock",
						      "host",          "audience", "key",  "grant",
						      "approval",      "scopes",   "token" };

/* --- saying it --- */

void doctor_say(struct doctor_finding *out, enum check_outcome outcome, enum check_actor actor,
		const char *format, ...)
{
	va_list ap;

	out->outcome = outcome;
	out->actor = actor;
	va_start(ap, format);
	vsnprintf(out->message, sizeof out->message, format, ap);
	va_end(ap);
}

void doctor_act(struct doctor_finding *out, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(out->action, sizeof out->action, format, ap);
	va_end(ap);
}

void doctor_act_server(struct doctor_finding *out, const struct credential *c, const char *text)
{
	static const char key[] = "LoginUrl=";
	const char *at = c->issuer ? strstr(text, key) : NULL;
	size_t used = 0;

	out->action[0] = '\0';
	for (; at; at = strstr(text, key)) {
		snprintf(out->action + used, sizeof out->action - used,
			 "%.*sIssuer=", (int)(at - text), text);
		used = strlen(out->action);
		text = at + sizeof key - 1;
	}
	snprintf(out->action + used, sizeof out->action - used, "%s", text);
}

const char *doctor_span(int64_t seconds, char text[32])
{
	if (seconds < 120)
		snprintf(text, 32, "%lld s", (long long)seconds);
	else if (seconds < 120 * 60)
		snprintf(text, 32, "%lld min", (long long)seconds / 60);
	else if (seconds < 48 * 3600)
		snprintf(text, 32, "%lld h", (long long)seconds / 3600);
	else
		snprintf(text, 32, "%lld days", (long long)seconds / 86400);
	return text;
}

bool doctor_failed(const struct doctor_facts *f, enum doctor_step step)
{
	return f->outcome[step] == CHECK_FAILED;
}

/* The daemon only tries again; what the file lacks somebody has to give. */
static bool of_a_file(const struct doctor_answer *answer)
{
	return !answer->oauth_error[0] && (!strncmp(answer->message, "Assertion=: ", 12) ||
					   !strncmp(answer->message, "SubjectToken=: ", 15));
}

static enum check_actor actor_of(const struct doctor_answer *answer)
{
	if (of_a_file(answer))
		return ACTOR_ADMINISTRATOR;
	switch (answer->error) {
	case BROKER_LOGIN_REQUIRED:
		return ACTOR_PERSON;
	case BROKER_REJECTED:
	case BROKER_NOT_SERVED:
		return ACTOR_ADMINISTRATOR;
	default:
		return ACTOR_NOBODY;
	}
}

bool doctor_blamed(const struct doctor_facts *f, enum doctor_step step, struct doctor_finding *out)
{
	struct doctor_cause cause;

	if (f->asked != DOCTOR_REFUSED)
		return false;
	doctor_read_answer(f->credential, &f->answer, &cause);
	if (cause.step != step)
		return false;
	FAIL(actor_of(&f->answer), "%s", cause.message);
	doctor_act(out, "%s", cause.action);
	return true;
}

void doctor_fail_with(struct doctor_finding *out, enum check_outcome outcome,
		      enum check_actor actor, const char *text)
{
	size_t size;
	const char *action = doctor_cut(text, &size);

	doctor_say(out, outcome, actor, "%.*s", (int)size, text);
	doctor_act(out, "%s", action);
}

/* --- configuration --- */

static void judge_store(const struct doctor_facts *f, struct doctor_finding *out)
{
	if (f->store == STORE_SUSPECT && f->spends)
		doctor_fail_with(out, CHECK_FAILED, ACTOR_ADMINISTRATOR, f->store_why);
	else
		doctor_fail_with(out, CHECK_WARNING, ACTOR_ADMINISTRATOR, f->store_why);
}

/* Rules that keep callers away who are named otherwise: who wonders why looks here. */
static void add_rules(const struct credential *c, struct doctor_finding *out)
{
	const struct {
		const char *key;
		const struct config_list *list;
	} rules[] = {
		{ "AllowUnit", &c->allow_units },
		{ "AllowExecutable", &c->allow_executables },
		{ "LoadCredentialUnit", &c->load_units },
	};

	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
		size_t n = rules[i].list->n, at = strlen(out->message);

		if (n == 0)
			continue;
		snprintf(out->message + at, sizeof out->message - at, "; %s=%.80s", rules[i].key,
			 rules[i].list->items[0]);
		at = strlen(out->message);
		if (n > 1)
			snprintf(out->message + at, sizeof out->message - at, " and %zu more",
				 n - 1);
	}
}

/* What follows is judged by what was read. */
static void add_stale(const struct doctor_facts *f, struct doctor_finding *out)
{
	size_t at = strlen(out->message);

	if (out->outcome == CHECK_OK) {
		WARN(ACTOR_ADMINISTRATOR, "%s", f->stale);
		doctor_act(out, "sftoken reload");
	} else {
		snprintf(out->message + at, sizeof out->message - at, "; %s (sftoken reload)",
			 f->stale);
	}
}

static void judge_configuration(const struct doctor_facts *f, struct doctor_finding *out)
{
	const struct credential *c = f->credential;

	if (f->missing[0]) {
		doctor_fail_with(out, CHECK_FAILED, ACTOR_ADMINISTRATOR, f->missing);
	} else if (f->disabled) {
		FAIL(ACTOR_ADMINISTRATOR,
		     "the credential is disabled: nothing is renewed or served");
		doctor_act(out, "sftoken enable %.128s", c->name);
	} else if (f->store != STORE_OK) {
		judge_store(f, out);
	} else {
		OK("GrantType=%s, from %.200s", grant_type_names[c->grant_type],
		   c->files.n ? c->files.items[0].path : "memory");
		if (c->files.n > 1)
			snprintf(out->message + strlen(out->message), 40, " and %zu drop-ins",
				 c->files.n - 1);
		add_rules(c, out);
	}
	if (f->stale[0])
		add_stale(f, out);
}

/* --- audience --- */

static bool ends_with(const char *text, const char *end)
{
	size_t size = strlen(text), end_size = strlen(end);

	return size > end_size && !strcmp(text + size - end_size, end);
}

static bool on_salesforce(const struct credential *c)
{
	struct url url;

	return salesforce_parse_url(c->login_url, &url, NULL) == 0 &&
	       ends_with(url.host, ".salesforce.com");
}

static void unusual_audience(const char *audience, const char *usual, struct doctor_finding *out)
{
	WARN(ACTOR_ADMINISTRATOR, "Audience=%.200s, but for this LoginUrl= it is as a rule %s",
	     audience, usual);
	doctor_act(out, "leave Audience= out");
}

static void judge_audience(const struct doctor_facts *f, struct doctor_finding *out)
{
	const struct credential *c = f->credential;
	struct credential plain = *c;
	CLEANUP(cleanup_free) char *audience = salesforce_audience(c);
	CLEANUP(cleanup_free) char *usual = NULL;

	plain.audience = NULL;
	usual = salesforce_audience(&plain);
	if (doctor_blamed(f, DOCTOR_AUDIENCE, out))
		return;
	if (c->grant_type != GRANT_JWT_BEARER && c->grant_type != GRANT_SAML_BEARER)
		SKIP("this grant names no audience");
	else if (!audience || !usual)
		SKIP("out of memory");
	else if (strcmp(audience, usual) != 0 && f->asked != DOCTOR_GIVEN && on_salesforce(c))
		unusual_audience(audience, usual, out);
	else
		OK("%.253s (%s)", audience, c->audience ? "Audience=" : "by LoginUrl=");
}

/* --- key --- */

/* The key is fine; of its certificate nothing is known but what Certificate= names. */
static void judge_certificate(const struct doctor_facts *f, struct doctor_finding *out)
{
	if (f->certificate_problem[0]) {
		doctor_fail_with(out, CHECK_WARNING, ACTOR_ADMINISTRATOR, f->certificate_problem);
	} else if (f->certificate_day[0] && f->certificate_left_s <= CERTIFICATE_SOON_S) {
		WARN(ACTOR_ADMINISTRATOR, "the certificate of the private key ends on %s",
		     f->certificate_day);
		doctor_act(out,
			   "make a new one for the key, and upload it to the app in Salesforce");
	} else if (f->certificate_day[0]) {
		OK("the private key can be used, its certificate ends on %s", f->certificate_day);
	} else {
		OK("the private key can be used");
	}
}

static void judge_key(const struct doctor_facts *f, struct doctor_finding *out)
{
	const char *print = f->fingerprint;

	if (doctor_blamed(f, DOCTOR_KEY, out))
		; /* and its fingerprint below */
	else if (!f->credential->private_key_ref)
		SKIP("this credential signs nothing");
	else if (!f->credential->private_key)
		SKIP("it is not given yet: see configuration");
	else if (f->key_problem[0])
		doctor_fail_with(out, CHECK_FAILED, ACTOR_ADMINISTRATOR, f->key_problem);
	else
		judge_certificate(f, out);
	if (print[0] && out->outcome != CHECK_SKIPPED) {
		size_t at = strlen(out->message);

		snprintf(out->message + at, sizeof out->message - at, "; its public key is %s",
			 print);
	}
}

/* --- grant --- */

bool doctor_may_ask(const struct doctor_facts *f)
{
	struct doctor_facts now = *f;
	struct doctor_finding host = { 0 };

	now.asked = DOCTOR_NOT_ASKED;
	doctor_judge_host(&now, &host);
	return f->renewal == RENEW_ITSELF && !f->missing[0] && !f->disabled && doctor_reached(f) &&
	       host.outcome != CHECK_FAILED && !f->key_problem[0];
}

/* Why nothing was asked; false: nothing was in the way. */
static bool skip_grant(const struct doctor_facts *f, struct doctor_finding *out)
{
	/* not the clock: a wrong one alone stops no grant */
	static const enum doctor_step before[] = { DOCTOR_NAME, DOCTOR_TLS, DOCTOR_HOST,
						   DOCTOR_AUDIENCE, DOCTOR_KEY };

	if (f->missing[0] || f->disabled || doctor_failed(f, DOCTOR_CONFIGURATION)) {
		SKIP("nothing is asked: see configuration");
		return true;
	}
	if (f->asked == DOCTOR_GIVEN || f->asked == DOCTOR_NO_ANSWER)
		return false;
	for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
		if (!doctor_failed(f, before[i]))
			continue;
		SKIP(f->asked == DOCTOR_REFUSED && f->answer.oauth_error[0]
			     ? "the token endpoint refuses: see %s"
			     : "not asked: see %s",
		     doctor_step_names[before[i]]);
		return true;
	}
	return false;
}

static void judge_refusal(const struct doctor_facts *f, struct doctor_finding *out)
{
	struct doctor_cause cause;

	if (doctor_blamed(f, DOCTOR_GRANT, out))
		return;
	doctor_read_answer(f->credential, &f->answer, &cause);
	SKIP("the token endpoint refuses: see %s", doctor_step_names[cause.step]);
}

static void need_login(const struct doctor_facts *f, struct doctor_finding *out)
{
	const char *name = f->credential->name;

	if (f->credential->grant_type == GRANT_REFRESH_TOKEN)
		doctor_act(out,
			   "sftoken login %.128s, or sftoken import %.128s --kind refresh_token",
			   name, name);
	else
		doctor_act(out, "sftoken login %.128s", name);
}

/* What is stored of a refresh token, and what the last requests brought: nothing is spent to look. */
static void judge_refresh(const struct doctor_facts *f, struct doctor_finding *out)
{
	bool denied = f->asked == DOCTOR_REFUSED && f->answer.error == BROKER_LOGIN_REQUIRED;
	char text[32];

	if (!f->has_refresh) {
		FAIL(ACTOR_PERSON, "there is no refresh token yet");
		need_login(f, out);
	} else if (f->refresh_foreign) {
		FAIL(ACTOR_PERSON,
		     "the stored refresh token belongs to another LoginUrl=, ClientId= or Username=");
		need_login(f, out);
	} else if (f->unknown[0]) {
		doctor_say(out, f->usable ? CHECK_WARNING : CHECK_FAILED, ACTOR_NOBODY, "%s",
			   f->unknown);
		doctor_act(
			out,
			"wait; if it does not mend itself: sftoken login %.128s, or sftoken import",
			f->credential->name);
	} else if (denied || f->refresh_refused) {
		if (!denied || !doctor_blamed(f, DOCTOR_GRANT, out))
			FAIL(ACTOR_PERSON,
			     "the refresh token is dead: Salesforce does not take it any more");
		need_login(f, out);
	} else if (f->asked == DOCTOR_REFUSED) {
		judge_refusal(f, out);
	} else if (f->refresh_age_s >= 0) {
		OK("a refresh token is stored, accepted or given %s ago (none is spent to look)",
		   doctor_span(f->refresh_age_s, text));
	} else {
		OK("a refresh token is stored (none is spent to look)");
	}
}

static void judge_person(const struct doctor_facts *f, struct doctor_finding *out)
{
	char text[32];

	if (f->token && f->usable) {
		OK("the token of the last login is there, for another %s",
		   doctor_span(f->left_s, text));
		return;
	}
	FAIL(ACTOR_PERSON, "there is no token, and this grant gets one by a login alone");
	doctor_act(out, "sftoken login %.128s", f->credential->name);
}

static void judge_asked(const struct doctor_facts *f, struct doctor_finding *out)
{
	char text[32];

	switch (f->asked) {
	case DOCTOR_GIVEN:
		OK("the token endpoint gave a token, for %s", doctor_span(f->left_s, text));
		break;
	case DOCTOR_REFUSED:
		judge_refusal(f, out);
		break;
	case DOCTOR_NO_ANSWER:
		FAIL(ACTOR_NOBODY, "the token endpoint has not answered");
		doctor_act_server(out, f->credential, CHECK_NETWORK);
		break;
	case DOCTOR_NOT_ASKED:
		SKIP("not asked now, too many requests for this credential: see MaxRequestsPerHour= in sftokend.conf(5); again in %s",
		     doctor_span(f->answer.retry_s, text));
		break;
	}
}

static void judge_grant(const struct doctor_facts *f, struct doctor_finding *out)
{
	bool refresh = f->renewal == RENEW_REFRESH;

	/* what is known of a refresh token needs no connection */
	if (skip_grant(f, out) && !(refresh && !f->disabled && !f->missing[0] &&
				    (!f->has_refresh || f->refresh_refused || f->unknown[0])))
		return;
	if (refresh)
		judge_refresh(f, out);
	else if (f->renewal == RENEW_PERSON)
		judge_person(f, out);
	else
		judge_asked(f, out);
}

/* --- approval --- */

static void judge_approval(const struct doctor_facts *f, struct doctor_finding *out)
{
	if (doctor_blamed(f, DOCTOR_APPROVAL, out))
		return;
	if (f->asked == DOCTOR_GIVEN)
		OK("the app may act for the user");
	else if (f->token && !doctor_failed(f, DOCTOR_GRANT))
		OK("the app could act for the user when the present token was given");
	else
		SKIP("no token was given that would tell");
}

/* --- scopes --- */

static bool has_word(const char *list, const char *word, size_t size)
{
	for (; *list; list += strcspn(list, " ") + (list[strcspn(list, " ")] == ' '))
		if (strcspn(list, " ") == size && !strncmp(list, word, size))
			return true;
	return false;
}

static bool has_scope(const char *list, const char *word)
{
	return has_word(list, word, strlen(word));
}

/* The first of Scopes= that was not given; "": none. full covers all but refresh_token. */
static void find_lacking(const struct doctor_facts *f, const char *given, char *out, size_t room)
{
	const char *at = f->credential->scopes ? f->credential->scopes : "";

	out[0] = '\0';
	while (*at) {
		size_t size = strcspn(at, " ");

		if (size && size < room && !has_word(given, at, size) &&
		    !has_scope(given, "full")) {
			snprintf(out, room, "%.*s", (int)size, at);
			return;
		}
		at += size + (at[size] == ' ');
	}
}

static void judge_scopes(const struct doctor_facts *f, struct doctor_finding *out)
{
	const char *given = f->token ? f->token->scope : "";
	char lacking[100];

	if (doctor_blamed(f, DOCTOR_SCOPES, out))
		return;
	if (!f->token || !given[0]) {
		SKIP(f->token ? "the server does not say which were given" : "there is no token");
		return;
	}
	find_lacking(f, given, lacking, sizeof lacking);
	if (!f->credential->issuer && !has_scope(given, "api") && !has_scope(given, "full")) {
		WARN(ACTOR_ADMINISTRATOR,
		     "api is not among them (%.200s): calls of the REST and Bulk API are refused",
		     given);
		doctor_act(
			out,
			"in Salesforce: the app > Settings > OAuth Settings > Selected OAuth Scopes: add \"Manage user data via APIs (api)\"");
	} else if (f->renewal == RENEW_REFRESH && !f->has_refresh &&
		   !has_scope(given, "refresh_token") && !has_scope(given, "offline_access")) {
		WARN(ACTOR_ADMINISTRATOR,
		     "refresh_token is not among them (%.200s): the token cannot be renewed",
		     given);
		doctor_act(
			out,
			"in Salesforce: the app > Settings > OAuth Settings > Selected OAuth Scopes: add \"Perform requests at any time "
			"(refresh_token, offline_access)\", then log in again");
	} else if (lacking[0]) {
		WARN(ACTOR_ADMINISTRATOR, "%s of Scopes= was not given (given: %.200s)", lacking,
		     given);
		doctor_act(
			out,
			"in Salesforce: the app > Settings > OAuth Settings > Selected OAuth Scopes: add it; or take it out of Scopes=");
	} else {
		OK("%.250s", given);
	}
}

/* --- token --- */

static void tell_alive(const struct doctor_facts *f, struct doctor_finding *out)
{
	const struct doctor_userinfo *u = &f->userinfo;

	OK("alive at %.200s: %s%s%s%s", f->token->instance_url,
	   u->username[0] ? u->username : "a user who is not named",
	   u->organization_id[0] ? ", organization " : "", u->organization_id,
	   f->token->jwt_exp_s ? "; in JWT format, it lives to its end even where it is revoked"
			       : "");
}

/* OpenID Connect Core 5.3.1: userinfo wants a token of a grant with openid. What the server does not name is what was asked for (RFC 6749 5.1). */
static bool not_for_userinfo(const struct doctor_facts *f)
{
	const struct credential *c = f->credential;
	const char *scopes = f->token->scope;

	if (!c->issuer || (f->userinfo.status != 401 && f->userinfo.status != 403))
		return false;
	if (!scopes || !*scopes)
		scopes = c->scopes ? c->scopes : "";
	return !has_scope(scopes, "openid");
}

static void judge_token(const struct doctor_facts *f, struct doctor_finding *out)
{
	const struct doctor_userinfo *u = &f->userinfo;

	if (!f->token) {
		SKIP("there is none");
	} else if (!u->done) {
		SKIP("%s", u->problem[0] ? u->problem : "not asked");
	} else if (not_for_userinfo(f)) {
		SKIP("this server tells nothing about such a token (userinfo needs the scope openid)");
	} else if (u->liveness == TOKEN_ALIVE) {
		tell_alive(f, out);
	} else if (u->liveness == TOKEN_DEAD) {
		FAIL(ACTOR_ADMINISTRATOR,
		     "the token is dead at %.200s (HTTP %ld): revoked, or its session was ended",
		     f->token->instance_url, u->status);
		doctor_act(
			out,
			"sftoken refresh %.128s; if each new one dies soon, look who ends it (Setup > Session Management), and whether the profile locks sessions to an address",
			f->credential->name);
	} else if (u->status == 403) {
		WARN(ACTOR_ADMINISTRATOR,
		     "%.200s lives, but does not let the token in from here (HTTP 403)",
		     f->token->instance_url);
		doctor_act(
			out,
			"check \"API Enabled\" and the login IP ranges of the user's profile, and \"Lock sessions to the IP address\" in Setup > Session Settings");
	} else {
		WARN(ACTOR_NOBODY, "%.200s did not say whether the token is alive (%s)",
		     f->token->instance_url,
		     u->problem[0] ? doctor_libcurl_words(u->problem) : "no answer");
		doctor_act_server(out, f->credential, CHECK_NETWORK);
	}
}

void doctor_judge(struct doctor_facts *f, enum doctor_step step, struct doctor_finding *out)
{
	static void (*const judges[DOCTOR_STEPS])(const struct doctor_facts *f,
						  struct doctor_finding *out) = {
		judge_configuration, doctor_judge_name, doctor_judge_tls, doctor_judge_clock,
		doctor_judge_host,   judge_audience,    judge_key,        judge_grant,
		judge_approval,      judge_scopes,      judge_token,
	};

	*out = (struct doctor_finding){ .outcome = CHECK_SKIPPED, .actor = ACTOR_NONE };
	judges[step](f, out);
	f->outcome[step] = out->outcome;
}

void doctor_interrupted(struct doctor_facts *f, enum doctor_step step, struct doctor_finding *out)
{
	*out = (struct doctor_finding){ .outcome = CHECK_SKIPPED, .actor = ACTOR_NONE };
	if (f->interrupted) {
		SKIP("interrupted");
	} else {
		FAIL(ACTOR_NOBODY, "the credential was changed or removed meanwhile");
		doctor_act(out, "ask again");
	}
	f->interrupted = true;
	f->outcome[step] = out->outcome;
}
