/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/oauth_parts.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* json-c and proto/json both call a type json_type; in this file, json-c's goes by another name. */
#define json_type jsonc_type
#define json_bool jsonc_bool
#include <json-c/json.h>
#undef json_type
#undef json_bool

#include "base/clock.h"
#include "daemon/mint/salesforce.h"
#include "proto/json.h"
#include "proto/messages.h"

enum {
	ANSWER_DEPTH = 8, /* reliability.md 1.2.12 */
	EXPIRES_MAX_S = 86400,
	SCOPE_MAX = 4096,
	IDENTITY_MAX = 512,
};

/* --- reading --- */

static void erase_strings(json_object *o)
{
	json_object_object_foreach(o, key, value)
	{
		(void)key;
		if (json_object_is_type(value, json_type_string))
			explicit_bzero((void *)(uintptr_t)json_object_get_string(value),
				       (size_t)json_object_get_string_len(value));
	}
}

static void answer_free(json_object **o)
{
	if (*o)
		erase_strings(*o);
	json_object_put(*o);
	*o = NULL;
}

static void tokener_freep(json_tokener **t)
{
	if (*t)
		json_tokener_free(*t);
}

/* The body as one JSON object by both readers; NULL with the rule that it breaks. */
static json_object *read_object(const struct http_response *res, struct err *err)
{
	CLEANUP(tokener_freep) json_tokener *tokener = NULL;
	CLEANUP(answer_free) json_object *o = NULL;

	if (!res->body || json_check(res->body, res->size, ANSWER_DEPTH, err) < 0) {
		if (!res->body)
			err_set(err, ERR_PROTOCOL, "no body");
		return NULL;
	}
	if (json_type(json_root(res->body, res->size)) != JSON_OBJECT) {
		err_set(err, ERR_PROTOCOL, "not a JSON object");
		return NULL;
	}
	tokener = json_tokener_new_ex(ANSWER_DEPTH + 2);
	if (!tokener) {
		err_oom(err);
		return NULL;
	}
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(tokener, res->body, (int)res->size);
	if (json_tokener_get_error(tokener) != json_tokener_success ||
	    !json_object_is_type(o, json_type_object)) {
		err_set(err, ERR_PROTOCOL, "not JSON: %s",
			json_tokener_error_desc(json_tokener_get_error(tokener)));
		return NULL;
	}
	return TAKE(o);
}

/* A string member; NULL if there is none of that type. Belongs to o. */
static const char *text_of(json_object *o, const char *name)
{
	json_object *v = NULL;

	if (!json_object_object_get_ex(o, name, &v) || !json_object_is_type(v, json_type_string))
		return NULL;
	return json_object_get_string(v);
}

/* An integer, or a string of digits (Salesforce writes issued_at so), in min..max; else 0. */
static int64_t number_of(json_object *o, const char *name, int64_t min, int64_t max)
{
	json_object *v = NULL;
	const char *text = text_of(o, name);
	int64_t n = 0;

	if (text) {
		if (!*text || strlen(text) > 18 || text[strspn(text, "0123456789")])
			return 0;
		for (; *text; text++)
			n = n * 10 + (*text - '0');
	} else if (json_object_object_get_ex(o, name, &v) &&
		   json_object_is_type(v, json_type_int)) {
		n = json_object_get_int64(v);
	}
	return n >= min && n <= max ? n : 0;
}

static bool is_json_type(const char *content_type)
{
	return content_type && !strncasecmp(content_type, "application/json", 16) &&
	       !isalnum((unsigned char)content_type[16]) &&
	       !strchr("+-.", content_type[16] ? content_type[16] : ' ');
}

static bool is_page(const struct http_response *res)
{
	size_t at = 0;

	while (res->body && at < res->size && isspace((unsigned char)res->body[at]))
		at++;
	return res->body && at < res->size && res->body[at] == '<';
}

/* --- problems --- */

static void __attribute__((format(printf, 3, 4)))
put(char *to, size_t room, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(to, room, format, ap);
	va_end(ap);
}

static void start_problem(struct problem *p, const struct http_response *res)
{
	memset(p, 0, sizeof *p);
	p->outcome = res->outcome;
	p->http_status = res->outcome == HTTP_ANSWERED ? res->status : 0;
	p->retry_after_ms = res->retry_after_ms;
}

bool oauth_spends(int grant_type)
{
	return grant_type == GRANT_REFRESH_TOKEN || grant_type == GRANT_WEB_SERVER ||
	       grant_type == GRANT_DEVICE;
}

/*
 * Whether the server may have replaced the token that this answer is to. One with an OAuth error in it comes from the token endpoint, which then has replaced nothing; 429 and 503
 * are said before anything is done. What else comes with 2xx or 5xx may be a gateway's word about an answer that it has lost (reliability.md 1.2.8).
 */
static bool spend_unknown(const struct http_response *res, int grant_type)
{
	if (!oauth_spends(grant_type))
		return false;
	if (res->outcome != HTTP_ANSWERED)
		return res->outcome == HTTP_UNKNOWN || res->outcome == HTTP_TOO_BIG;
	return res->status / 100 == 2 || (res->status >= 500 && res->status != 503);
}

/* Class and message from a row of the table; detail in brackets behind the sentence. */
static void set_problem(struct problem *p, const struct oauth_error_row *row, const char *detail)
{
	p->class = row->class;
	if (detail && detail[0])
		put(p->message, sizeof p->message, "%s (%s)", row->sentence, detail);
	else
		put(p->message, sizeof p->message, "%s", row->sentence);
}

/* One of the situations of the table; detail NULL: the status. */
static void set_situation(struct problem *p, int grant_type, const char *situation,
			  const char *detail)
{
	char text[200];

	if (p->http_status)
		put(text, sizeof text, "HTTP %ld%s%s", p->http_status, detail ? ", " : "",
		    detail ? detail : "");
	else
		put(text, sizeof text, "%s", detail ? detail : "");
	set_problem(p, oauth_error_find(grant_type, situation, ""), text);
}

void oauth_situation(const struct http_response *res, int grant_type, const char *situation,
		     const char *detail, struct problem *problem)
{
	start_problem(problem, res);
	set_situation(problem, grant_type, situation, detail);
}

static void classify_unanswered(const struct http_response *res, int grant_type, struct problem *p)
{
	static const char *const situations[] = { [HTTP_UNSENT] = "#unsent",
						  [HTTP_UNKNOWN] = "#unknown",
						  [HTTP_TOO_BIG] = "#big",
						  [HTTP_REFUSED] = "#refused" };
	char detail[200];

	oauth_clean(detail, sizeof detail, res->problem ? res->problem : "");
	set_situation(p, grant_type, situations[res->outcome], detail);
}

/* Scheme, host and port of where a redirect points; the rest may hold secrets. */
static void classify_redirect(const struct http_response *res, int grant_type, struct problem *p)
{
	struct url parts;
	char url[300], detail[200] = "";
	size_t size;

	oauth_clean(url, sizeof url, res->location ? res->location : "");
	size = strncmp(url, "http", 4) == 0 ? strcspn(url, ":") + 3 : 0;
	if (size && size < strlen(url))
		url[size + strcspn(url + size, "/?#")] = '\0';
	if (size && salesforce_parse_url(url, &parts, NULL) == 0)
		put(detail, sizeof detail, "moved to %s", url);
	set_situation(p, grant_type, "#redirect", detail[0] ? detail : NULL);
}

static void classify_error(const struct http_response *res, int grant_type, json_object *o,
			   struct problem *p)
{
	const char *error = text_of(o, "error"), *description = text_of(o, "error_description");
	const struct oauth_error_row *row;
	char detail[300];

	oauth_clean_error(p->error, sizeof p->error, error ? error : "");
	oauth_clean(p->description, sizeof p->description, description ? description : "");
	row = oauth_error_find(grant_type, p->error, p->description);
	if (res->status == 429 && row->class != PROBLEM_RATE)
		row = oauth_error_find(grant_type, "#many", "");
	else if (res->status >= 500 && row->class != PROBLEM_RETRY && row->class != PROBLEM_RATE)
		row = oauth_error_find(grant_type, "#server", "");
	put(detail, sizeof detail, "HTTP %ld, %s%s%s", res->status,
	    p->error[0] ? p->error : "no error code", p->description[0] ? ": " : "",
	    p->description);
	set_problem(p, row, detail);
	if (p->class == PROBLEM_CLOCK && res->date_real_ms)
		p->skew_ms = res->date_real_ms - clock_real_ms();
}

/* An answer without an OAuth error in it. why: what the JSON reader said. */
static void classify_other(const struct http_response *res, int grant_type, const char *why,
			   struct problem *p)
{
	if (res->status == 429)
		set_situation(p, grant_type, "#many", NULL);
	else if (res->status >= 500)
		set_situation(p, grant_type, "#server", NULL);
	else if (is_page(res))
		set_situation(p, grant_type, "#page", NULL);
	else if (res->status == 401 && !res->size)
		set_situation(p, grant_type, "#unauthorized", NULL);
	else if (!is_json_type(res->content_type))
		set_situation(p, grant_type, "#type", NULL);
	else if (why)
		set_situation(p, grant_type, "#json", why);
	else
		set_situation(p, grant_type, "#status", NULL);
}

static bool unsettled(const struct http_response *res)
{
	return res->body && (memmem(res->body, res->size, "URL_NOT_RESET", 13) ||
			     memmem(res->body, res->size, "Destination URL not reset", 25));
}

void oauth_classify(const struct http_response *res, int grant_type, struct problem *problem)
{
	CLEANUP(answer_free) json_object *o = NULL;
	struct err err = { 0 };

	start_problem(problem, res);
	problem->spend_unknown = spend_unknown(res, grant_type);
	if (res->outcome != HTTP_ANSWERED) {
		classify_unanswered(res, grant_type, problem);
		return;
	}
	if (res->status >= 300 && res->status < 400) {
		classify_redirect(res, grant_type, problem);
		return;
	}
	if (unsettled(res)) {
		set_situation(problem, grant_type, "#unsettled", NULL);
		return;
	}
	o = read_object(res, &err);
	if (o && text_of(o, "error")) {
		problem->spend_unknown = false;
		classify_error(res, grant_type, o, problem);
	} else {
		classify_other(res, grant_type, o ? NULL : err.text, problem);
	}
}

/* --- the token --- */

/* Refuses the answer as a whole, in words of ours. */
static bool broken(struct problem *p, int grant_type, const char *why)
{
	set_situation(p, grant_type, "#json", why);
	return false;
}

static bool out_of_memory(struct problem *p, int grant_type)
{
	set_situation(p, grant_type, "#refused", "out of memory");
	return false;
}

static bool read_access_token(struct grant *g, json_object *o, int grant_type, struct problem *p)
{
	const char *token = text_of(o, "access_token"), *type = text_of(o, "token_type");
	size_t size = token ? strlen(token) : 0;

	if (!size)
		return broken(p, grant_type, "no access_token");
	if (!oauth_printable(token, OAUTH_TOKEN_MAX, '!'))
		return broken(p, grant_type,
			      "access_token is longer than 16 KiB or has bytes that no token has");
	if (!type || strcasecmp(type, "Bearer") != 0)
		return broken(p, grant_type, "token_type is not Bearer");
	g->access_token = secret_new(token, size);
	g->token_type = strdup("Bearer");
	if (!g->access_token || !g->token_type)
		return out_of_memory(p, grant_type);
	salesforce_jwt_life(token, size, &g->jwt_exp_s, &g->jwt_iat_s);
	return true;
}

/* Absent (or null): the old one stays good. Whatever else is no token is one that is lost: the server has replaced the old one all the same. */
static bool read_refresh_token(struct grant *g, json_object *o, int grant_type, struct problem *p)
{
	const char *token = text_of(o, "refresh_token");
	json_object *v = NULL;

	if (!oauth_spends(grant_type) || !json_object_object_get_ex(o, "refresh_token", &v) || !v)
		return true;
	if (!token || !token[0] || !oauth_printable(token, OAUTH_TOKEN_MAX, '!'))
		return broken(p, grant_type,
			      "refresh_token is no text of 1 byte to 16 KiB as tokens are");
	g->refresh_token = secret_new(token, strlen(token));
	return g->refresh_token || out_of_memory(p, grant_type);
}

/* A token answer, which says so itself, without a next refresh token: the old one stays good, whatever else is wrong with it. */
static bool keeps_token(json_object *o)
{
	json_object *v = NULL;

	return text_of(o, "access_token") &&
	       (!json_object_object_get_ex(o, "refresh_token", &v) || !v);
}

static bool read_instance(struct grant *g, json_object *o, int grant_type,
			  const struct config_list *allowed_hosts, const char *otherwise,
			  struct problem *p)
{
	const char *said = text_of(o, "instance_url"), *url = said ? said : otherwise;
	struct err err = { 0 };

	if (!url)
		return broken(p, grant_type, "no instance_url");
	g->instance_url = salesforce_instance_url(url, allowed_hosts, &err);
	if (g->instance_url)
		return true;
	if (err.code == ERR_ADMIN) {
		set_situation(p, grant_type, "#host", err.text);
		return false;
	}
	err_prefix(&err, "instance_url");
	return broken(p, grant_type, err.text);
}

/* What may be missing or strange without harm: then it counts as absent. */
static bool read_rest(struct grant *g, json_object *o, int grant_type, struct problem *p)
{
	const char *scope = text_of(o, "scope"), *id = text_of(o, "id");

	g->expires_in_ms = number_of(o, "expires_in", 1, EXPIRES_MAX_S) * 1000;
	g->issued_at_real_ms = number_of(o, "issued_at", 1, INT64_C(4102444800000));
	g->scope = strdup(scope && oauth_printable(scope, SCOPE_MAX, ' ') ? scope : "");
	if (!g->scope)
		return out_of_memory(p, grant_type);
	if (!id || !oauth_printable(id, IDENTITY_MAX, '!') ||
	    salesforce_identity(id, &g->organization_id, &g->user_id, NULL) < 0)
		return true;
	g->identity_url = strdup(id);
	return g->identity_url || out_of_memory(p, grant_type);
}

struct grant *oauth_read_token(const struct http_response *res, int grant_type,
			       const struct config_list *allowed_hosts, const char *instance_url,
			       struct problem *problem)
{
	CLEANUP(answer_free) json_object *o = NULL;
	CLEANUP(grant_unrefp) struct grant *g = NULL;

	start_problem(problem, res);
	if (res->outcome == HTTP_ANSWERED && res->status == 200 && is_json_type(res->content_type))
		o = read_object(res, NULL);
	if (!o || text_of(o, "error")) {
		oauth_classify(res, grant_type, problem);
		return NULL;
	}
	problem->spend_unknown = spend_unknown(res, grant_type) && !keeps_token(o);
	g = calloc(1, sizeof *g);
	if (!g) {
		out_of_memory(problem, grant_type);
		return NULL;
	}
	g->refs = 1;
	g->sent_ms = res->sent_ms;
	if (!read_access_token(g, o, grant_type, problem) ||
	    !read_refresh_token(g, o, grant_type, problem) ||
	    !read_instance(g, o, grant_type, allowed_hosts, instance_url, problem) ||
	    !read_rest(g, o, grant_type, problem))
		return NULL;
	problem->spend_unknown = false;
	return TAKE(g);
}

void oauth_read_introspection(const struct http_response *res, struct introspection *out,
			      struct problem *problem)
{
	enum { FIRST = 1000000000 }; /* 2001; seconds, not milliseconds */
	CLEANUP(answer_free) json_object *o = NULL;
	json_object *active = NULL;
	const char *username;

	*out = (struct introspection){ .active = -1 };
	start_problem(problem, res);
	if (res->outcome == HTTP_ANSWERED && res->status == 200)
		o = read_object(res, NULL);
	if (!o || !json_object_object_get_ex(o, "active", &active) ||
	    !json_object_is_type(active, json_type_boolean)) {
		oauth_classify(res, GRANT_CLIENT_CREDENTIALS, problem);
		return;
	}
	out->active = json_object_get_boolean(active);
	out->exp_s = number_of(o, "exp", FIRST, INT64_C(4102444800));
	out->iat_s = number_of(o, "iat", FIRST, INT64_C(4102444800));
	username = text_of(o, "username");
	if (username && oauth_printable(username, sizeof out->username - 1, '!'))
		memcpy(out->username, username, strlen(username) + 1);
}
