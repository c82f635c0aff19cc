/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model of Salesforce (facts: salesforce-oauth.md 1, 4, 5): sessions, refresh tokens that rotate, reuse that ends a grant, five grants a user, idle limits, errors, and a network that
 * loses what it likes. It shares nothing with the daemon but the shape of a request. Tokens name themselves: A_USER_FAMILY_NUMBER and R.USER.FAMILY.SERIAL.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/salesforce_parts.h"

struct sf sf;

void sf_reset(void)
{
	memset(&sf, 0, sizeof sf);
}

void sf_add(size_t user, const struct sf_user *u)
{
	sf.orgs[user] = (struct org){ .user = *u };
}

const struct sf_user *sf_user(size_t user)
{
	return &sf.orgs[user].user;
}

int64_t sf_real_ms(void)
{
	return sim_true_real_ms() + sf.skew;
}

void sf_set_skew(int64_t ms)
{
	sf.skew = ms;
}

int64_t sf_skew(void)
{
	return sf.skew;
}

void sf_set_trouble(enum sf_trouble trouble)
{
	sf.trouble = trouble;
}

enum sf_trouble sf_trouble(void)
{
	return sf.trouble;
}

void sf_set_noise(unsigned per_million)
{
	sf.noise = per_million;
}

void sf_refuse(size_t user, const char *error, const char *description)
{
	sf.orgs[user].refused = error;
	sf.orgs[user].refused_why = description;
}

void sf_mend(size_t user)
{
	sf.orgs[user].refused = NULL;
}

bool sf_refused(size_t user)
{
	return sf.orgs[user].refused;
}

/* --- sessions --- */

bool sf_numbers(const char *text, char between, unsigned numbers[3])
{
	for (size_t i = 0; i < 3; i++) {
		char *end;
		unsigned long value = strtoul(text, &end, 10);

		if (*text < '0' || *text > '9' || value > UINT32_MAX || (i < 2 && *end != between))
			return false;
		numbers[i] = (unsigned)value;
		text = end + 1;
	}
	return true;
}

static struct session *session_of(const char *token, size_t *user)
{
	const char *at = token;
	unsigned n[3];
	struct session *s;

	while ((at = strstr(at, "A_")) && !sf_numbers(at + 2, '_', n))
		at++; /* claims before it may look like one */
	if (!at || n[0] >= SIM_CREDENTIALS)
		return NULL;
	*user = n[0];
	s = &sf.orgs[n[0]].sessions[n[2] % SESSIONS];
	return s->number == n[2] ? s : NULL; /* long ago */
}

static bool alive(const struct session *s)
{
	return s && !s->ended && sim_now() < s->until;
}

int64_t sf_session_end(const char *token)
{
	size_t user;
	const struct session *s = session_of(token, &user);

	return alive(s) ? s->until : 0;
}

bool sf_use(const char *token)
{
	size_t user;
	struct session *s = session_of(token, &user);
	const struct org *o;

	if (!alive(s))
		return false;
	o = &sf.orgs[user];
	/* the time of the last use is written anew only when half of the idle time is over */
	if (o->user.sliding && s->until - sim_now() < o->user.session_ms / 2)
		s->until = sim_now() + o->user.session_ms;
	return true;
}

void sf_end_sessions(size_t user)
{
	for (size_t i = 0; i < SESSIONS; i++)
		sf.orgs[user].sessions[i].ended = true;
}

static void end_sessions_of(struct org *o, unsigned family)
{
	for (size_t i = 0; i < SESSIONS; i++)
		if (o->sessions[i].family == family)
			o->sessions[i].ended = true;
}

/* The session that this grant gives: a new one, or again the last one that lives. */
static struct session *give_session(struct org *o, unsigned family)
{
	struct session *s = &o->sessions[o->n_sessions % SESSIONS];

	if (o->user.reuse != SF_NEW && o->n_sessions && alive(s)) {
		if (o->user.reuse == SF_SAME_EXTENDED)
			s->until = sim_now() + o->user.session_ms;
		return s;
	}
	s = &o->sessions[++o->n_sessions % SESSIONS];
	*s = (struct session){
		.number = o->n_sessions,
		.family = family,
		.from = sim_now(),
		.until = sim_now() + o->user.session_ms,
	};
	return s;
}

/* --- grants --- */

static struct family *family_of(struct org *o, unsigned family)
{
	for (size_t i = 0; i < GRANTS; i++)
		if (o->families[i].number == family && family)
			return &o->families[i];
	return NULL;
}

void sf_login(size_t user, char *token, size_t room)
{
	struct org *o = &sf.orgs[user];
	struct family *oldest = &o->families[0];

	for (size_t i = 1; i < GRANTS; i++)
		if (o->families[i].number < oldest->number)
			oldest = &o->families[i];
	if (oldest->number)
		end_sessions_of(o, oldest->number);
	*oldest = (struct family){
		.number = ++o->n_families,
		.serial = 1,
		.used = sim_now(),
		.received = 1,
	};
	snprintf(token, room, "R.%zu.%u.%u.5Aep861", user, oldest->number, oldest->serial);
	sim_note("salesforce: %zu logs in, grant %u", user, oldest->number);
}

bool sf_parse_refresh(const char *token, size_t *user, unsigned *family, unsigned *serial)
{
	unsigned n[3];

	if (strncmp(token, "R.", 2) != 0 || !sf_numbers(token + 2, '.', n) ||
	    n[0] >= SIM_CREDENTIALS)
		return false;
	*user = n[0];
	*family = n[1];
	*serial = n[2];
	return true;
}

unsigned sf_current(size_t user, unsigned family)
{
	const struct family *f = family_of(&sf.orgs[user], family);

	return f && !f->revoked ? f->serial : 0;
}

int64_t sf_last_refresh(size_t user, unsigned family)
{
	const struct family *f = family_of(&sf.orgs[user], family);

	return f ? f->used : 0;
}

void sf_received(size_t user, unsigned family, unsigned serial)
{
	struct family *f = family_of(&sf.orgs[user], family);

	if (f && serial > f->received)
		f->received = serial;
}

void sf_forget_received(size_t user)
{
	for (size_t i = 0; i < GRANTS; i++)
		sf.orgs[user].families[i].received = 0;
}

static const char dead_grant[] = "expired access/refresh token";

/* Whether the grant goes through; else *why. */
static bool spend(size_t user, unsigned family, unsigned serial, struct sf_reply *reply,
		  const char **why)
{
	struct org *o = &sf.orgs[user];
	struct family *f = family_of(o, family);

	*why = dead_grant;
	if (!f || f->revoked)
		return false;
	if (serial != f->serial) {
		sim_note("salesforce: %zu sends R.%u.%u again, R.%u.%u is in force: alarm", user,
			 family, serial, family, f->serial);
		watch_alarm(user, family, serial,
			    f->received < f->serial && serial + 1 == f->serial);
		f->revoked = true;
		end_sessions_of(o, family);
		return false;
	}
	if (sim_now() - f->used > 30 * DAYS) {
		sim_note("salesforce: %zu has left grant %u alone for 30 days", user, family);
		f->revoked = true;
		return false;
	}
	watch_spent(user, family, f->used);
	f->used = sim_now();
	f->serial += o->user.rotates;
	reply->rotated = o->user.rotates;
	return true;
}

/* --- answers --- */

void sf_write_error(struct sf_reply *reply, long status, const char *error, const char *description)
{
	reply->status = status;
	reply->size = (size_t)snprintf(reply->body, sizeof reply->body,
				       "{\"error\":\"%s\",\"error_description\":\"%s\"}", error,
				       description);
}

static void base64url(const char *text, char *out)
{
	static const char
		digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned value = 0, bits = 0;

	for (; *text; text++) {
		value = value << 8 | (unsigned char)*text;
		for (bits += 8; bits >= 6; bits -= 6)
			*out++ = digits[value >> (bits - 6) & 63];
	}
	if (bits)
		*out++ = digits[value << (6 - bits) & 63];
	*out = '\0';
}

/* Either opaque, or with the life in it. */
static void write_access(const struct org *o, size_t user, const struct session *s, char *text,
			 size_t room)
{
	char claims[100], coded[150];
	int64_t from_s = (sim_true_real_ms() - sim_now() + s->from + sf.skew) / 1000;

	if (!o->user.jwt_format) {
		snprintf(text, room, "A_%zu_%u_%u", user, s->family, s->number);
		return;
	}
	snprintf(claims, sizeof claims, "{\"exp\":%lld,\"iat\":%lld}",
		 (long long)(from_s + o->user.session_ms / 1000), (long long)from_s);
	base64url(claims, coded);
	snprintf(text, room, "eyJhbGciOiJSUzI1NiJ9.%s.A_%zu_%u_%u", coded, user, s->family,
		 s->number);
}

static void write_token(size_t user, unsigned family, struct sf_reply *reply)
{
	struct org *o = &sf.orgs[user];
	const struct session *s = give_session(o, family);
	char access[300], expiry[40] = "", refresh[80] = "";

	write_access(o, user, s, access, sizeof access);
	if (o->user.says_expiry)
		snprintf(expiry, sizeof expiry, ",\"expires_in\":%lld",
			 (long long)((s->until - sim_now()) / 1000));
	if (reply->rotated)
		snprintf(refresh, sizeof refresh, ",\"refresh_token\":\"R.%zu.%u.%u.5Aep861\"",
			 user, family, sf_current(user, family));
	reply->status = 200;
	reply->size = (size_t)snprintf(
		reply->body, sizeof reply->body,
		"{\"access_token\":\"%s\"%s,\"token_type\":\"Bearer\",\"instance_url\":\"https://example.my.salesforce.com\","
		"\"id\":\"https://login.salesforce.com/id/00D000000000001AAA/005000000000001AAA\",\"issued_at\":\"%lld\"%s}",
		access, refresh, (long long)sf_real_ms(), expiry);
}

static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* Text up to the first byte that is no digit. */
static void base64url_text(const char *from, char *out, size_t room)
{
	unsigned value = 0, bits = 0;

	for (; digit(*from) >= 0 && room > 1; from++) {
		value = value << 6 | (unsigned)digit(*from);
		bits += 6;
		if (bits < 8)
			continue;
		bits -= 8;
		*out++ = (char)(value >> bits & 255);
		room--;
	}
	*out = '\0';
}

/* The assertion's exp lies ahead of this clock, and not far (salesforce-oauth.md 5.3). */
static bool in_time(const char *form)
{
	const char *assertion = strstr(form, "assertion="),
		   *dot = assertion ? strchr(assertion, '.') : NULL;
	char claims[400] = "";
	const char *exp;
	int64_t exp_s = 0;

	if (dot)
		base64url_text(dot + 1, claims, sizeof claims);
	exp = strstr(claims, "\"exp\":");
	if (exp)
		exp_s = strtoll(exp + strlen("\"exp\":"), NULL, 10);
	return exp_s * 1000 > sf_real_ms() && exp_s * 1000 < sf_real_ms() + 5 * MINUTES;
}

static void answer_token(size_t user, const char *form, struct sf_reply *reply)
{
	struct org *o = &sf.orgs[user];
	const char *refresh = strstr(form, "refresh_token=R."), *why = "";
	unsigned family = 0, serial = 0;
	size_t who;

	reply->answered = true;
	if (o->refused) {
		sf_write_error(reply, 400, o->refused, o->refused_why);
		return;
	}
	if (o->user.kind == SF_REFRESH) {
		if (!refresh ||
		    !sf_parse_refresh(refresh + strlen("refresh_token="), &who, &family, &serial) ||
		    who != user || !spend(user, family, serial, reply, &why)) {
			sf_write_error(reply, 400, "invalid_grant", why[0] ? why : dead_grant);
			return;
		}
	}
	if (o->user.kind == SF_JWT && !in_time(form)) {
		sf_write_error(reply, 400, "invalid_grant", "expired authorization code");
		return;
	}
	write_token(user, family, reply);
}

static void answer_userinfo(const char *token, struct sf_reply *reply)
{
	size_t user;

	reply->death = !alive(session_of(token, &user));
	reply->status = reply->death ? 401 : 200;
	reply->size = (size_t)snprintf(reply->body, sizeof reply->body,
				       reply->death ? "{\"error\":\"invalid_token\"}"
						    : "{\"user_id\":\"005\"}");
}

static void answer_introspection(const char *form, struct sf_reply *reply)
{
	size_t user;
	const struct session *s = session_of(form, &user);

	reply->status = 200;
	if (alive(s))
		reply->size = (size_t)snprintf(
			reply->body, sizeof reply->body, "{\"active\":true,\"exp\":%lld}",
			(long long)(sf_real_ms() + s->until - sim_now()) / 1000);
	else
		reply->size = (size_t)snprintf(reply->body, sizeof reply->body,
					       "{\"active\":false}");
}

void sf_answer(size_t user, const struct http_request *req, struct sf_reply *reply)
{
	const char *form = req->body ? secret_bytes(req->body) : "";

	if (strstr(req->url, "/userinfo"))
		answer_userinfo(req->bearer ? secret_bytes(req->bearer) : "", reply);
	else if (strstr(req->url, "/introspect"))
		answer_introspection(form, reply);
	else
		answer_token(user, form, reply);
}
