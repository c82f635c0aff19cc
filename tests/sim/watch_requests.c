/* SPDX-License-Identifier: Apache-2.0 */
/* Invariants 2, 3, 8, 9 and 10: what is sent to Salesforce. */
#include <string.h>

#include "tests/sim/watch_parts.h"

enum { PER_HOUR = 30, PER_LIFE = 8, PER_MONTH = 900, PROBES = 100, SCHEDULED = 8, DEMANDED = 64 };

static unsigned scheduled_in_flight, in_flight;

static const struct schedule *schedule_of(size_t user)
{
	const struct keeper *k = world_keeper(user);

	return k ? keeper_schedule(k) : NULL;
}

/* --- 2: the budget --- */

unsigned watch_posts_since(size_t user, int64_t since)
{
	const struct watched *w = &watched[user];
	unsigned n = 0;

	while (n < w->n_posts && n < POSTS && w->posts[(w->n_posts - 1 - n) % POSTS].at > since)
		n++;
	return n;
}

static void check_budget(size_t user)
{
	const struct watched *w = &watched[user];
	/* counted when it begins; in the queue of its host it may wait as long as another one takes */
	unsigned n = watch_posts_since(user, sim_now() - HOURS + 20 * SECONDS);
	int64_t shortest = HOURS, most;

	for (unsigned i = 0; i < n; i++) {
		int64_t life = w->posts[(w->n_posts - 1 - i) % POSTS].life;

		if (life > 0 && life < shortest)
			shortest = life;
	}
	most = PER_HOUR;
	if (PER_LIFE * HOURS >
	    PER_HOUR * shortest) /* a window of that length slides over the hour */
		most = PER_LIFE * ((HOURS + shortest - 1) / shortest);
	sim_looked(2);
	if (n > most)
		sim_broken(2, "%zu: %u requests within an hour, at most %lld", user, n,
			   (long long)most);
}

static void note_post(size_t user)
{
	struct watched *w = &watched[user];
	const struct schedule *s = schedule_of(user);

	w->posts[w->n_posts % POSTS].at = sim_now();
	w->posts[w->n_posts % POSTS].life = s && s->life_ms ? s->life_ms : world_session_ms(user);
	w->n_posts++;
	check_budget(user);
}

/* So many a month for a life of two hours; more for a shorter one, and for a token that comes again until it is another. */
static void note_grant(size_t user)
{
	struct watched *w = &watched[user];
	const struct schedule *s = schedule_of(user);
	double load = s && s->life_ms && s->life_ms < 2 * HOURS
			      ? (double)s->life_ms / (double)(2 * HOURS)
			      : 1;

	if (sf_user(user)->reuse != SF_NEW)
		load /= 4;
	/* between the end that was learned and the real one it is asked for every four minutes */
	if (sf_user(user)->reuse != SF_NEW && s && s->source == EXPIRY_LEARNED)
		load /= 4;
	if (w->month != sim_now() / (30 * DAYS)) {
		w->month = sim_now() / (30 * DAYS);
		w->month_load = 0;
	}
	w->month_load += load;
	sim_looked(2);
	if (w->month_load > PER_MONTH)
		sim_broken(2, "%zu: more than %d requests in a month", user, PER_MONTH);
}

/* --- 3 and 8: a refresh token is sent --- */

static void check_spend(size_t user, unsigned family, unsigned serial)
{
	struct watched *w = &watched[user];
	const struct schedule *s = schedule_of(user);
	bool again = w->sent_family == family && w->sent_serial == serial;

	sim_looked(8);
	if (store_state(world_store()) != STORE_OK)
		sim_broken(8, "%zu: R.%u.%u is sent while the store is not to be written", user,
			   family, serial);
	if (disk_unsynced())
		sim_broken(3, "%zu: R.%u.%u is sent and its INTENT is not on disk", user, family,
			   serial);
	sim_looked(3);
	if (again && w->unknown && s && s->has_token && !s->dead &&
	    sim_to_true(s->deadline_ms) > sim_now())
		sim_broken(
			3,
			"%zu: R.%u.%u is sent again while its outcome is unknown and the token lives %lld s more",
			user, family, serial,
			(long long)(sim_to_true(s->deadline_ms) - sim_now()) / 1000);
	w->sent_family = family;
	w->sent_serial = serial;
	if (!again)
		w->unknown = false;
}

void watch_alarm(size_t user, unsigned family, unsigned serial, bool lost)
{
	sim_looked(3);
	if (!lost)
		sim_broken(
			3,
			"%zu: R.%u.%u is sent again, and the answer to the first time was not lost",
			user, family, serial);
}

/* --- 10: permanent errors --- */

/* family: of the refresh token that is sent, 0: none. That of another login may be on disk although the import has failed for the person, who was not told: the daemon died. */
static void check_permanent(size_t user, unsigned family)
{
	struct watched *w = &watched[user];

	if (family && family != w->permanent_family)
		w->permanent_at = 0;
	if (!w->permanent_at)
		return;
	sim_looked(10);
	w->posts_since++;
	if (sim_now() - w->permanent_at > DAYS && sf_user(user)->kind != SF_REFRESH) {
		w->permanent_at = sim_now();
		w->posts_since = 1;
	}
	if (sf_user(user)->kind != SF_REFRESH && w->posts_since > PROBES + w->interventions)
		sim_broken(10, "%zu: %u requests in a day after a permanent error", user,
			   w->posts_since);
	if (sf_user(user)->kind == SF_REFRESH &&
	    w->posts_since > (w->permanent_login ? 0 : w->interventions))
		sim_broken(10, "%zu: its refresh token is sent after a permanent error", user);
}

static void note_permanent(size_t user, const struct sf_reply *reply)
{
	struct watched *w = &watched[user];
	bool dead = strstr(reply->body, "expired access/refresh token");

	if (reply->status != 400 || (!dead && !sf_refused(user))) {
		if (reply->status == 200)
			w->permanent_at = 0;
		return;
	}
	if (!reply->complete || w->permanent_at)
		return;
	w->permanent_at = sim_now();
	w->permanent_login = dead;
	w->permanent_family = w->sent_family;
	w->posts_since = w->interventions = 0;
}

void watch_login(size_t user, const char *token)
{
	struct watched *w = &watched[user];
	size_t who;

	sf_parse_refresh(token, &who, &w->family, &w->serial);
	w->permanent_at = 0;
	w->unknown = false;
	w->blocked_at_spend = fate_blocked_ms();
	w->excused = false;
}

void watch_mended(size_t user)
{
	watched[user].permanent_at = 0;
	watched[user].excused = true;
}

void watch_intervened(size_t user)
{
	watched[user].interventions++;
}

void watch_excuse(size_t user)
{
	watched[user].excused = true;
}

/* --- all requests --- */

void watch_request(size_t user, const struct http_request *req, bool token_endpoint, bool refresh)
{
	const struct schedule *s = schedule_of(user);
	struct watched *w = &watched[user];
	const char *at = refresh && req->body ? strstr(secret_bytes(req->body), "refresh_token=R.")
					      : NULL;
	unsigned family, serial;
	size_t who;

	in_flight++;
	sim_looked(9);
	if (in_flight > SCHEDULED + DEMANDED)
		sim_broken(9, "%u requests to one host", in_flight);
	if (!token_endpoint)
		return;
	w->in_flight++;
	scheduled_in_flight += s && !s->demanded;
	if (scheduled_in_flight > SCHEDULED + DEMANDED)
		sim_broken(9, "%u requests to one host that nobody waits for", scheduled_in_flight);
	note_post(user);
	if (!at || !sf_parse_refresh(at + strlen("refresh_token="), &who, &family, &serial)) {
		check_permanent(user, 0);
		return;
	}
	check_permanent(user, family);
	if (++w->refresh_in_flight > 1)
		sim_broken(9, "%zu: two requests with its refresh token", user);
	check_spend(user, family, serial);
}

void watch_done(size_t user, bool token_endpoint)
{
	in_flight -= in_flight > 0;
	if (!token_endpoint)
		return;
	scheduled_in_flight -= scheduled_in_flight > 0;
	watched[user].in_flight -= watched[user].in_flight > 0;
	watched[user].refresh_in_flight -= watched[user].refresh_in_flight > 0;
}

void watch_requests_died(void)
{
	in_flight = scheduled_in_flight = 0;
}

void watch_reply(size_t user, const struct http_request *req, const struct sf_reply *reply)
{
	struct watched *w = &watched[user];

	watch_note_reply(user, req, reply);
	if (!strstr(req->url, "/token"))
		return;
	if (!reply->complete && sf_trouble() == SF_FINE)
		fate_disturb(user);
	/* whatever it was, it is not said any more */
	if (!reply->complete && !w->permanent_login)
		w->permanent_at = 0;
	/* a refusal of which the end is missing is one all the same */
	if (sf_user(user)->kind == SF_REFRESH && !reply->answered &&
	    !(reply->outcome == HTTP_ANSWERED && reply->status / 100 == 4))
		w->unknown = true;
	if (reply->complete && reply->answered && reply->status == 200) {
		w->unknown = false;
		note_grant(user);
	}
}

void watch_received(size_t user, const struct http_request *req, const struct sf_reply *reply)
{
	struct watched *w = &watched[user];
	const char *at = strstr(reply->body, "\"refresh_token\":\"R.");
	unsigned family, serial;
	size_t who;

	watch_note_received(user, req, reply);
	if (!strstr(req->url, "/token") || !reply->answered)
		return;
	note_permanent(user, reply);
	if (!at || !reply->complete || reply->status != 200)
		return;
	sf_parse_refresh(at + strlen("\"refresh_token\":\""), &who, &family, &serial);
	sf_received(user, family, serial);
	if (family >= w->family) {
		w->family = family;
		w->serial = serial;
	}
}
