/* SPDX-License-Identifier: Apache-2.0 */
/* The way to the host, and the host itself. */
#include "daemon/mint/doctor_parts.h"

#include <stdio.h>
#include <string.h>

/* Servers allow assertions three minutes (salesforce-oauth.md 5.3). */
enum { SKEW_OK_MS = 30 * 1000, SKEW_BAD_MS = 180 * 1000 };

/* --- name, tls --- */

static const struct trouble {
	enum http_why why;
	enum doctor_step step;
	enum check_actor actor;
	const char *message, *action; /* message: %s is the host */
	const char *other; /* action where it is no server of Salesforce; NULL: the same */
} troubles[] = {
	{ HTTP_WHY_NAME, DOCTOR_NAME, ACTOR_NOBODY, "%s has no address",
	  "check the spelling of LoginUrl=, and the name service of this machine (getent hosts NAME)" },
	{ HTTP_WHY_CONNECT, DOCTOR_NAME, ACTOR_NOBODY, "%s takes no connection", CHECK_NETWORK },
	{ HTTP_WHY_TIMEOUT, DOCTOR_NAME, ACTOR_NOBODY, "%s did not answer in time", CHECK_NETWORK },
	{ HTTP_WHY_PROXY, DOCTOR_NAME, ACTOR_ADMINISTRATOR,
	  "the proxy on the way to %s cannot be reached",
	  "check Proxy= in [Network] of sftokend.conf" },
	{ HTTP_WHY_CA_FILE, DOCTOR_TLS, ACTOR_ADMINISTRATOR,
	  "the certificates by which %s is judged cannot be read",
	  "check CaFile= in [Network] of sftokend.conf, or install ca-certificates" },
	{ HTTP_WHY_UNTRUSTED, DOCTOR_TLS, ACTOR_ADMINISTRATOR,
	  "the certificate of %s comes from an authority that this machine does not trust",
	  "if a proxy or firewall opens TLS on the way, name a file with its CA in CaFile= of [Network], or add it to the system "
	  "(update-ca-certificates); if none does, check LoginUrl=, and who answers there" },
	{ HTTP_WHY_EXPIRED, DOCTOR_TLS, ACTOR_ADMINISTRATOR,
	  "the certificate of %s has expired or is not valid yet, by the clock of this machine",
	  "check the clock of this machine (timedatectl); if it is right, the server needs a new certificate" },
	{ HTTP_WHY_WRONG_NAME, DOCTOR_TLS, ACTOR_ADMINISTRATOR,
	  "the certificate that %s shows is for another name",
	  "set LoginUrl= to the host's right name, as a rule https://YOUR-DOMAIN.my.salesforce.com; and check any proxy on the way",
	  "set LoginUrl= as the server names itself; and check any proxy on the way" },
	{ HTTP_WHY_TLS, DOCTOR_TLS, ACTOR_ADMINISTRATOR, "there is no TLS connection with %s",
	  "check host and port of LoginUrl=, and any proxy or firewall on the way" },
	{ HTTP_WHY_NONE, DOCTOR_NAME, ACTOR_NOBODY, "%s cannot be reached", CHECK_NETWORK },
};

static const struct trouble *find_trouble(const struct doctor_probe *p)
{
	size_t i = 0;

	if (p->outcome != HTTP_UNSENT)
		return NULL;
	while (troubles[i].why != p->why && troubles[i].why != HTTP_WHY_NONE)
		i++;
	return &troubles[i];
}

static const char *host_of(const struct doctor_facts *f, struct url *parts)
{
	return salesforce_parse_url(f->base_url, parts, NULL) == 0 ? parts->host : f->base_url;
}

const char *doctor_libcurl_words(const char *problem)
{
	const char *at = strstr(problem, ": ");

	if (at && !strncmp(at, ": check ", 8) && strstr(at + 2, ": "))
		at = strstr(at + 2, ": ");
	return at ? at + 2 : problem;
}

static void tell_trouble(const struct doctor_facts *f, const struct trouble *t,
			 struct doctor_finding *out)
{
	struct url parts;
	char text[DOCTOR_MESSAGE_MAX];
	const char *at = strstr(t->message, "%s");

	snprintf(text, sizeof text, "%.*s%.253s%s", (int)(at - t->message), t->message,
		 host_of(f, &parts), at + 2);
	doctor_say(out, CHECK_FAILED, t->actor, f->probe.problem[0] ? "%s (%s)" : "%s", text,
		   doctor_libcurl_words(f->probe.problem));
	doctor_act_server(out, f->credential,
			  f->credential->issuer && t->other ? t->other : t->action);
}

void doctor_judge_name(const struct doctor_facts *f, struct doctor_finding *out)
{
	const struct trouble *t = find_trouble(&f->probe);
	struct url parts;

	if (f->host_problem[0])
		SKIP("not contacted: see host");
	else if (!f->probe.done || f->probe.outcome == HTTP_REFUSED)
		FAIL(ACTOR_NOBODY, "it could not be tried: %s",
		     f->probe.problem[0] ? f->probe.problem : "no answer");
	else if (t && t->step == DOCTOR_NAME)
		tell_trouble(f, t, out);
	else
		OK("%.253s has an address and takes connections", host_of(f, &parts));
}

void doctor_judge_tls(const struct doctor_facts *f, struct doctor_finding *out)
{
	const struct trouble *t = find_trouble(&f->probe);
	struct url parts;

	if (f->outcome[DOCTOR_NAME] != CHECK_OK)
		SKIP("there is no connection: see name");
	else if (t)
		tell_trouble(f, t, out);
	else if (salesforce_parse_url(f->base_url, &parts, NULL) == 0 && !parts.https)
		SKIP("http on this machine");
	else
		OK("the certificate is good");
}

bool doctor_reached(const struct doctor_facts *f)
{
	return f->outcome[DOCTOR_NAME] == CHECK_OK && !doctor_failed(f, DOCTOR_TLS);
}

/* --- clock --- */

void doctor_judge_clock(const struct doctor_facts *f, struct doctor_finding *out)
{
	int64_t skew = f->probe.skew_ms, away = skew < 0 ? -skew : skew;
	const char *direction = skew > 0 ? "behind" : "ahead of";
	char text[32];

	if (doctor_blamed(f, DOCTOR_CLOCK, out))
		return;
	if (!f->probe.has_date) {
		SKIP("the clock of the server is not known");
		return;
	}
	if (away < SKEW_OK_MS) {
		OK("less than %d s from the clock of the server", SKEW_OK_MS / 1000);
		return;
	}
	doctor_say(
		out, away > SKEW_BAD_MS ? CHECK_FAILED : CHECK_WARNING, ACTOR_ADMINISTRATOR,
		"the clock of this machine is %s %s that of the server; sftokend corrects what it signs by the server's time, "
		"but the times that people and other programs see are wrong",
		doctor_span(away / 1000, text), direction);
	doctor_act(out, "let NTP set the clock (timedatectl set-ntp true)");
}

/* --- host --- */

/* The mistakes that can be seen in LoginUrl= alone. */
static bool judge_url(const struct doctor_facts *f, const struct url *url,
		      struct doctor_finding *out)
{
	bool generic = !strcmp(url->host, "login.salesforce.com") ||
		       !strcmp(url->host, "test.salesforce.com");
	char better[DOCTOR_TEXT_MAX];

	if (doctor_login_url_for(url->host, better, sizeof better)) {
		FAIL(ACTOR_ADMINISTRATOR, "%.253s serves pages, not tokens", url->host);
		doctor_act(out, "set LoginUrl=%s", better);
		return true;
	}
	if (generic && f->credential->grant_type == GRANT_CLIENT_CREDENTIALS) {
		FAIL(ACTOR_ADMINISTRATOR,
		     "client credentials work on the My Domain only, not on %s", url->host);
		doctor_act(out, "set LoginUrl=https://YOUR-DOMAIN.my.salesforce.com");
		return true;
	}
	return false;
}

/* What may be right, and often is not. */
static bool suspect_url(const struct doctor_facts *f, const struct url *url,
			struct doctor_finding *out)
{
	const char *username = f->credential->username;

	if (!strcmp(url->host, "login.salesforce.com") && username &&
	    doctor_sandbox_username(username)) {
		WARN(ACTOR_ADMINISTRATOR,
		     "Username= looks like one of a sandbox (its end), and LoginUrl= is that of production");
		doctor_act(
			out,
			"for a sandbox set LoginUrl=https://YOUR-DOMAIN--NAME.sandbox.my.salesforce.com, or https://test.salesforce.com");
		return true;
	}
	if (url->path && url->path[0] && strcmp(url->path, "/") != 0 && !f->credential->issuer &&
	    f->asked != DOCTOR_GIVEN) {
		WARN(ACTOR_ADMINISTRATOR,
		     "LoginUrl= has a path, which only Experience Cloud sites have");
		doctor_act(
			out,
			"without a site leave it out: set LoginUrl= to https:// and the host alone");
		return true;
	}
	return false;
}

static bool judge_probe(const struct doctor_facts *f, struct doctor_finding *out)
{
	const struct doctor_probe *p = &f->probe;

	if (p->moved[0]) {
		FAIL(ACTOR_ADMINISTRATOR,
		     "the host sends us to %s (HTTP %ld), which is not followed with secrets in hand",
		     p->moved, p->status);
		doctor_act(out,
			   f->credential->issuer ? "set Issuer=%s, if that is its new host"
						 : "set LoginUrl=%s, if that is the org's new host",
			   p->moved);
		return true;
	}
	if (f->asked == DOCTOR_GIVEN || p->outcome != HTTP_ANSWERED)
		return false;
	if (p->status >= 500) {
		WARN(ACTOR_NOBODY, "the server is in trouble, or under maintenance (HTTP %ld)",
		     p->status);
		doctor_act(out, f->credential->issuer ? "ask who runs the server"
						      : "see https://status.salesforce.com");
		return true;
	}
	if (p->page) {
		WARN(ACTOR_ADMINISTRATOR,
		     "a web page came where a login host has none: maintenance, or no Salesforce login host (HTTP %ld)",
		     p->status);
		doctor_act(out, f->credential->issuer
					? "check Issuer=, and ask who runs the server"
					: "check LoginUrl=, and https://status.salesforce.com");
		return true;
	}
	return false;
}

void doctor_judge_host(const struct doctor_facts *f, struct doctor_finding *out)
{
	struct url url;

	if (f->host_problem[0]) {
		doctor_fail_with(out, CHECK_FAILED, ACTOR_ADMINISTRATOR, f->host_problem);
		return;
	}
	if (doctor_blamed(f, DOCTOR_HOST, out) || salesforce_parse_url(f->base_url, &url, NULL) < 0)
		return;
	if (!judge_url(f, &url, out) && !judge_probe(f, out) && !suspect_url(f, &url, out))
		OK("tokens come from %.253s, which is allowed", f->base_url);
}
