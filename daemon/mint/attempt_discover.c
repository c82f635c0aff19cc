/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where servers that are not Salesforce have their endpoints: asked for before the first step of a flow, through the same gate, and remembered for a day.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/mint/attempt_parts.h"
#include "daemon/mint/discovery.h"
#include "daemon/mint/salesforce.h"

enum { KNOWN_MS = 24 * 3600 * 1000 };

struct known {
	struct known *next;
	struct endpoints *endpoints;
	int64_t until_ms; /* BOOTTIME */
};

/* --- what is known --- */

static void forget(struct known **at)
{
	struct known *k = *at;

	*at = k->next;
	endpoints_unref(k->endpoints);
	free(k);
}

/* Of this issuer, and on the way whatever is too old. */
static struct known **find(struct attempts *a, const char *issuer)
{
	int64_t now_ms = clock_now_ms();
	struct known **at = &a->known;

	while (*at) {
		if ((*at)->until_ms <= now_ms)
			forget(at);
		else if (strcmp((*at)->endpoints->issuer, issuer) == 0)
			return at;
		else
			at = &(*at)->next;
	}
	return NULL;
}

static void forget_issuer(struct attempts *a, const char *issuer)
{
	struct known **at = find(a, issuer);

	if (at)
		forget(at);
}

/* Without memory it is asked for again the next time. */
static void remember(struct attempts *a, struct endpoints *e)
{
	struct known *k;

	forget_issuer(a, e->issuer);
	k = calloc(1, sizeof *k);
	if (!k)
		return;
	*k = (struct known){ a->known, endpoints_ref(e), clock_now_ms() + KNOWN_MS };
	a->known = k;
}

struct endpoints *attempts_endpoints(struct attempts *a, const struct credential *c)
{
	struct known **at = c->issuer ? find(a, c->issuer) : NULL;

	return at ? endpoints_ref((*at)->endpoints) : NULL;
}

void attempts_forget_endpoints(struct attempts *a)
{
	while (a->known)
		forget(&a->known);
}

/* --- asking --- */

bool attempt_begin_discovery(struct attempt *t, const struct credential *c)
{
	t->issuer = c->issuer ? strdup(c->issuer) : NULL;
	t->endpoints = attempts_endpoints(t->all, c);
	t->run.endpoints = t->endpoints;
	t->discovering = t->issuer && !t->endpoints;
	return t->issuer || !c->issuer;
}

int attempt_ask_discovery(struct attempt *t, struct http_request *req, struct err *err)
{
	return discovery_request(t->issuer, t->place, req, err);
}

static void found(struct attempt *t)
{
	t->discovering = false;
	t->run.endpoints = t->endpoints;
	remember(t->all, t->endpoints);
	if (t->discovered) {
		attempt_deliver(t);
	} else if (attempt_move(t, t->endpoints->token)) {
		attempt_resume(t);
	} else {
		t->run.problem = (struct problem){ .class = PROBLEM_RETRY,
						   .outcome = HTTP_REFUSED,
						   .message = "out of memory" };
		attempt_deliver(t);
	}
}

void attempt_take_discovery(struct attempt *t, const struct http_response *res)
{
	switch (discovery_read(res, t->issuer, t->place, &t->hosts, &t->endpoints,
			       &t->run.problem)) {
	case DISCOVERY_FOUND:
		found(t);
		break;
	case DISCOVERY_ELSEWHERE:
		t->place++;
		attempt_resume(t);
		break;
	case DISCOVERY_FAILED:
		attempt_deliver(t);
		break;
	}
}

void attempt_judge_endpoints(struct attempt *t, const struct http_response *res)
{
	bool moved = res->outcome == HTTP_ANSWERED &&
		     (res->status == 404 || res->status == 405 || res->status / 100 == 3);

	if (!moved || !t->run.endpoints)
		return;
	forget_issuer(t->all, t->issuer);
	log_event(LOG_LEVEL_NOTICE, "issuer.forgotten", F_STR("issuer", t->issuer),
		  F_INT("status", res->status));
}

struct attempt *attempt_discover(struct attempts *a, const struct credential *c,
				 void (*done)(const struct endpoints *e, const struct problem *p,
					      void *arg),
				 void *arg)
{
	struct attempt *t = attempt_new(a, c->login_url, ATTEMPT_DEMANDED, arg);

	if (!t)
		return NULL;
	t->discovered = done;
	t->discovering = true;
	t->issuer = c->issuer ? strdup(c->issuer) : NULL;
	t->leaving = true;
	if (!t->issuer || salesforce_hosts(&t->hosts, &a->hosts, c->login_url, NULL) < 0) {
		attempt_free(t);
		return NULL;
	}
	attempt_enter(t);
	return t;
}
