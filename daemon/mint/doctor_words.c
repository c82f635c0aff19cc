/* SPDX-License-Identifier: Apache-2.0 */
/* Answers and hosts as people have to understand them. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "daemon/mint/doctor_judge.h"
#include "proto/json.h"

enum { ANY = -1 };

/*
 * The step that fails with an answer, and what to click where the sentence of the error table is too short for somebody who has never done it. The first row that fits
 * counts; what is not here belongs to the grant. Names of Setup pages as in salesforce-oauth.md 3.
 */
static const struct {
	int grant_type;
	const char *error, *description; /* description: lower case, NULL: any */
	enum doctor_step step;
	const char *action; /* NULL: what the error table says */
} causes[] = {
	{ GRANT_JWT_BEARER, "invalid_grant", "expired authorization code", DOCTOR_CLOCK, NULL },
	{ ANY, "invalid_grant", "audience", DOCTOR_AUDIENCE, NULL },
	{ ANY, "invalid_grant", "invalid assertion", DOCTOR_KEY,
	  "in Salesforce: the app > Settings > OAuth Settings > Use digital signatures: upload the certificate that belongs to "
	  "PrivateKey=; and check ClientId= and Username=" },
	{ GRANT_JWT_BEARER, "invalid_client", NULL, DOCTOR_KEY,
	  "in Salesforce: the app > Settings > OAuth Settings > Use digital signatures: upload the certificate that belongs to "
	  "PrivateKey=" },
	{ ANY, "invalid_grant", "request not supported on this domain", DOCTOR_HOST, NULL },
	{ ANY, "#redirect", NULL, DOCTOR_HOST, NULL },
	{ ANY, "#unsettled", NULL, DOCTOR_HOST, NULL },
	{ ANY, "#host", NULL, DOCTOR_HOST,
	  "if the host is the org's, add it to AllowedHosts= in [Network] of sftokend.conf, and reload" },
	{ ANY, "invalid_grant", "user hasn't approved this consumer", DOCTOR_APPROVAL,
	  "in Salesforce: the app > Policies > OAuth Policies > Permitted Users: \"Admin approved users are pre-authorized\", then add the "
	  "profile or a permission set of the user; check Username=, and that LoginUrl= is the user's org" },
	{ ANY, "invalid_app_access", NULL, DOCTOR_APPROVAL,
	  "in Salesforce: the app > Policies > App Policies: add the profile or a permission set of the user" },
	{ ANY, "invalid_grant", "no client credentials user enabled", DOCTOR_APPROVAL,
	  "in Salesforce: the app > Policies > OAuth Policies > Client Credentials Flow: choose a user under Run As, and save" },
	{ ANY, "oauth_app_blocked", NULL, DOCTOR_APPROVAL,
	  "in Salesforce: Setup > Connected Apps OAuth Usage: Unblock, in the row of the app" },
	{ ANY, "app_not_found", NULL, DOCTOR_APPROVAL, NULL },
	{ ANY, "oauth_ec_app_not_found", NULL, DOCTOR_APPROVAL, NULL },
	{ ANY, "inactive_user", NULL, DOCTOR_APPROVAL,
	  "in Salesforce: Setup > Users: edit the user and tick Active, or choose another user" },
	{ ANY, "inactive_org", NULL, DOCTOR_APPROVAL, NULL },
	{ ANY, "invalid_grant", "ip restricted", DOCTOR_APPROVAL, NULL },
	{ ANY, "invalid_grant", "invalid login hours", DOCTOR_APPROVAL, NULL },
	{ ANY, "invalid_grant", "user is locked", DOCTOR_APPROVAL, NULL },
	{ ANY, "access_denied", NULL, DOCTOR_APPROVAL, NULL },
	{ ANY, "invalid_scope", NULL, DOCTOR_SCOPES, NULL },
	{ ANY, "invalid_grant", "client credentials flow not enabled", DOCTOR_GRANT,
	  "in Salesforce: the app > Settings > OAuth Settings: tick \"Enable Client Credentials Flow\", and then choose a user under "
	  "Policies > Client Credentials Flow > Run As" },
	{ ANY, "invalid_client_id", NULL, DOCTOR_GRANT, NULL },
	{ ANY, "invalid_client", NULL, DOCTOR_GRANT, NULL },
};

static bool has_text(const char *text, const char *needle)
{
	size_t size = strlen(needle);

	for (; *text; text++)
		if (!strncasecmp(text, needle, size))
			return true;
	return false;
}

/* The row of the error table whose sentence the message begins with: whoever wrote it has looked there. NULL: other words. */
static const struct oauth_error_row *row_of(const char *message)
{
	for (size_t i = 0; i < oauth_n_errors; i++)
		if (!strncmp(message, oauth_errors[i].sentence, strlen(oauth_errors[i].sentence)))
			return &oauth_errors[i];
	return NULL;
}

static size_t find_cause(const struct credential *c, const struct doctor_answer *answer)
{
	const struct oauth_error_row *row = row_of(answer->message);
	const char *error = answer->oauth_error[0]                    ? answer->oauth_error
			    : row && row->error && *row->error == '#' ? row->error
								      : "";
	size_t n = sizeof causes / sizeof causes[0], i = 0;

	for (; i < n; i++) {
		if (causes[i].grant_type != ANY && causes[i].grant_type != c->grant_type)
			continue;
		if (!strcasecmp(causes[i].error, error) &&
		    (!causes[i].description ||
		     has_text(answer->description, causes[i].description)))
			break;
	}
	return i;
}

/* How our own sentences go on with what to do; nothing else is taken for a seam. What is kept of it begins the action. */
static const struct {
	const char *seam;
	size_t skip;
} seams[] = {
	{ " — ", sizeof " — " - 1 }, { "; if no other ", 2 }, { "; if none was ", 2 },
	{ ": if it is right, ", 2 }, { "; look at ", 2 },     { ": add ", 2 },
	{ ": check ", 2 },           { ": give ", 2 },        { ": set ", 2 },
	{ ": sftoken ", 2 },         { ": write ", 2 },
};

const char *doctor_cut(const char *text, size_t *size)
{
	const char *at;

	for (size_t i = 0; i < sizeof seams / sizeof seams[0]; i++) {
		at = strstr(text, seams[i].seam);
		if (!at)
			continue;
		*size = (size_t)(at - text);
		return at + seams[i].skip;
	}
	*size = strlen(text);
	return text + *size;
}

/* A sentence is "what is wrong: what to do (what the server said)"; a message of ours may lack any part but the first. */
static void split(const char *message, struct doctor_cause *out)
{
	const struct oauth_error_row *row = row_of(message);
	const char *colon = row ? strstr(row->sentence, ": ") : NULL;
	const char *end = message + (row ? strlen(row->sentence) : 0), *action;
	size_t size;

	if (colon) { /* of the sentence, which is ours */
		size = (size_t)(colon - row->sentence);
		snprintf(out->message, sizeof out->message, "%.*s%s", (int)size, message, end);
		snprintf(out->action, sizeof out->action, "%s", colon + 2);
		return;
	}
	action = row ? "" : doctor_cut(message, &size);
	snprintf(out->message, sizeof out->message, "%.*s", (int)(row ? strlen(message) : size),
		 message);
	snprintf(out->action, sizeof out->action, "%s", action);
}

void doctor_read_answer(const struct credential *c, const struct doctor_answer *answer,
			struct doctor_cause *out)
{
	size_t i = find_cause(c, answer);
	bool known = i < sizeof causes / sizeof causes[0];

	split(answer->message, out);
	out->step = known ? causes[i].step : DOCTOR_GRANT;
	/* the key is what the client proves itself by */
	if (c->client_auth == PRIVATE_KEY_JWT && !strcasecmp(answer->oauth_error, "invalid_client"))
		out->step = DOCTOR_KEY;
	if (known && causes[i].action)
		snprintf(out->action, sizeof out->action, "%s", causes[i].action);
	if (answer->earlier && answer->retry_s > 0) {
		size_t at = strlen(out->message);

		snprintf(out->message + at, sizeof out->message - at,
			 "; this is the last answer, it can be asked again in %lld s",
			 (long long)answer->retry_s);
	}
}

/* --- userinfo --- */

/* User names and ids of Salesforce; nothing that is long enough to be a token. */
static void take_text(struct json_value v, char *to, size_t room)
{
	char *text = json_type(v) == JSON_STRING ? json_text(v, NULL) : NULL;
	size_t size = text ? strlen(text) : 0;

	if (!size || size >= room || size > 80)
		return;
	for (size_t i = 0; i < size; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("@._+-'", text[i]))
			return;
	memcpy(to, text, size + 1);
}

void doctor_read_userinfo(char *body, size_t size, struct doctor_userinfo *out)
{
	struct json_value key, value;
	struct json_iter i;

	if (!body || json_check(body, size, JSON_DEPTH_MAX, NULL) < 0 ||
	    json_type(json_root(body, size)) != JSON_OBJECT)
		return;
	i = json_iterate(json_root(body, size));
	while (json_next(&i, &key, &value)) {
		if (json_is(key, "preferred_username"))
			take_text(value, out->username, sizeof out->username);
		else if (json_is(key, "organization_id"))
			take_text(value, out->organization_id, sizeof out->organization_id);
	}
	/* "00D...!..." is a session: no user name is without this */
	if (!strchr(out->username, '@'))
		out->username[0] = '\0';
}

/* --- hosts and user names --- */

bool doctor_login_url_for(const char *host, char *out, size_t room)
{
	static const char *const pages[] = { ".lightning.force.com", ".my.salesforce-setup.com" };
	size_t size = strlen(host);

	for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
		size_t end = strlen(pages[i]);

		if (size <= end || strcasecmp(host + size - end, pages[i]) != 0)
			continue;
		snprintf(out, room, "https://%.*s.my.salesforce.com", (int)(size - end), host);
		return true;
	}
	return false;
}

/* Under which user names are registered; not all that there are, but what stands before the suffix of a sandbox. */
static bool common_end(const char *label, size_t size)
{
	static const char *const ends[] = { "com", "org", "net", "edu", "gov",  "io",  "de", "uk",
					    "fr",  "eu",  "nl",  "ch",  "at",   "it",  "es", "se",
					    "no",  "dk",  "fi",  "pl",  "us",   "ca",  "au", "nz",
					    "jp",  "in",  "br",  "biz", "info", "dev", "app" };

	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
		if (strlen(ends[i]) == size && !strncasecmp(label, ends[i], size))
			return true;
	return false;
}

bool doctor_sandbox_username(const char *username)
{
	const char *at = strrchr(username, '@'), *last = at ? strrchr(at, '.') : NULL, *before;

	if (!last || common_end(last + 1, strlen(last + 1)))
		return false;
	for (before = last; before > at && before[-1] != '.' && before[-1] != '@';)
		before--;
	/* "user@example.com.uat", not "user@example.travel" */
	return before[-1] == '.' && common_end(before, (size_t)(last - before));
}
