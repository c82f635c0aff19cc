/* SPDX-License-Identifier: Apache-2.0 */
/* Invariants 1, 4 and 5: tokens, the store, generations. Nothing here asks the daemon what it believes where Salesforce's own words can be used. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/watch_parts.h"

enum { SLACK_MS = 2000 };

struct watched watched[SIM_CREDENTIALS];

static struct {
	int64_t fault_since;
} disk;

void watch_begin(void)
{
	disk.fault_since = 0;
	watch_requests_died();
	memset(watched, 0, sizeof watched);
}

uint64_t watch_hash(const char *text)
{
	uint64_t h = 1469598103934665603u;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 1099511628211u;
	return h;
}

struct seen *watch_seen(size_t user, uint64_t hash)
{
	for (size_t i = 0; i < TOKENS; i++)
		if (watched[user].seen[i].hash == hash)
			return &watched[user].seen[i];
	return NULL;
}

/* --- what Salesforce says --- */

static bool access_token(const struct sf_reply *reply, char *token, size_t room)
{
	static const char key[] = "\"access_token\":\"";
	const char *at = reply->status == 200 ? strstr(reply->body, key) : NULL;
	size_t size = at ? strcspn(at + sizeof key - 1, "\"") : 0;

	if (!size || size >= room)
		return false;
	memcpy(token, at + sizeof key - 1, size);
	token[size] = '\0';
	return true;
}

static int64_t believable_end(size_t user, const char *token)
{
	const struct sf_user *u = sf_user(user);
	int64_t end = sf_session_end(token);

	if (!end || (!u->says_expiry && !u->jwt_format))
		end = sim_now() + world_session_ms(user);
	return end;
}

/* The token endpoint gives a token. What the daemon has already is no younger for that. */
static void note_token(size_t user, const struct sf_reply *reply)
{
	struct watched *w = &watched[user];
	char token[400];
	struct seen *s;

	if (!access_token(reply, token, sizeof token))
		return;
	s = watch_seen(user, watch_hash(token));
	if (s && s->received)
		return;
	if (!s) {
		s = &w->seen[w->n_seen++ % TOKENS];
		*s = (struct seen){ .hash = watch_hash(token) };
	}
	s->known_at = sim_now();
	s->limit = believable_end(user, token);
}

/* Introspection may move the end of what is believed by configuration. */
static void note_introspection(size_t user, const struct http_request *req)
{
	const char *form = req->body ? secret_bytes(req->body) : "", *at = strstr(form, "token=");
	char token[400];
	size_t size = at ? strcspn(at + 6, "&") : 0;
	struct seen *s;

	if (!size || size >= sizeof token)
		return;
	memcpy(token, at + 6, size);
	token[size] = '\0';
	s = watch_seen(user, watch_hash(token));
	if (s && sf_session_end(token) > s->limit)
		s->limit = sf_session_end(token);
}

void watch_note_reply(size_t user, const struct http_request *req, const struct sf_reply *reply)
{
	if (!reply->complete || reply->outcome != HTTP_ANSWERED)
		return;
	if (strstr(req->url, "/token"))
		note_token(user, reply);
	else if (strstr(req->url, "/introspect") && reply->status == 200)
		note_introspection(user, req);
}

void watch_note_received(size_t user, const struct http_request *req, const struct sf_reply *reply)
{
	char token[400];
	struct seen *s = NULL;

	if (strstr(req->url, "/token") && access_token(reply, token, sizeof token)) {
		s = watch_seen(user, watch_hash(token));
		if (s)
			s->received = true;
	} else if (reply->death && req->bearer) {
		s = watch_seen(user, watch_hash(secret_bytes(req->bearer)));
		if (s)
			s->dead_at = sim_now();
	}
}

/* --- what callers get --- */

void watch_given(size_t user, int64_t generation, const char *token, int64_t deadline_ms,
		 int validity)
{
	struct watched *w = &watched[user];
	uint64_t hash = watch_hash(token);
	const struct seen *s = watch_seen(user, hash);

	sim_looked(1);
	sim_looked(5);
	if (generation < w->generation ||
	    (generation == w->generation && hash != w->generation_hash))
		sim_broken(5, "%zu: generation %lld after %lld", user, (long long)generation,
			   (long long)w->generation);
	if (s && validity == VALIDITY_FRESH && sim_now() > s->limit + SLACK_MS)
		sim_broken(1, "%zu: %s is given as fresh %lld s after its believed end", user,
			   token, (long long)(sim_now() - s->limit) / 1000);
	if (validity == VALIDITY_FRESH && sim_now() > deadline_ms)
		sim_broken(1, "%zu: %s is given as fresh after its deadline", user, token);
	if (s && s->dead_at)
		sim_broken(1, "%zu: %s is given %lld s after its death was confirmed", user, token,
			   (long long)(sim_now() - s->dead_at) / 1000);
}

void watch_published(size_t user, const struct keeper *k)
{
	struct watched *w = &watched[user];
	int64_t generation = keeper_generation(k);
	uint64_t hash;

	if (!keeper_token(k))
		return;
	hash = watch_hash(secret_bytes(keeper_token(k)->access_token));
	sim_looked(5);
	if (generation < w->generation ||
	    (generation == w->generation && hash != w->generation_hash))
		sim_broken(5, "%zu: generation %lld is published after %lld", user,
			   (long long)generation, (long long)w->generation);
	if (generation == w->generation)
		return;
	w->generation = generation;
	w->generation_hash = hash;
	w->generation_at = sim_now();
}

/* Before anybody hears of a token of a refresh grant, its RESULT is on disk. */
void watch_marked(const struct keeper *k, bool begun)
{
	size_t user = world_user_of(keeper_name(k));
	struct watched *w = &watched[user];
	const struct stored *e = keeper_stored(k);

	if (sf_user(user)->kind != SF_REFRESH || keeper_generation(k) <= w->marked ||
	    !keeper_token(k))
		return;
	w->marked = keeper_generation(k);
	if (!begun || disk_fault() != DISK_GOOD || store_state(world_store()) != STORE_OK)
		return;
	sim_looked(4);
	if (e && (e->spend.state == SPEND_INTENT || disk_unsynced()))
		sim_broken(4, "%zu: generation %lld is told before its RESULT is on disk", user,
			   (long long)w->marked);
}

/* --- death and resurrection --- */

void watch_step(void)
{
	bool bad = disk_fault() != DISK_GOOD ||
		   (world_store() && store_state(world_store()) != STORE_OK);

	if (!bad)
		disk.fault_since = 0;
	else if (!disk.fault_since)
		disk.fault_since = sim_now();
}

/* From when on a power loss may have taken what was only written. */
static int64_t certain_until(void)
{
	return disk.fault_since ? disk.fault_since - UNSYNCED_MS : sim_now() - UNSYNCED_MS;
}

static void forget_unsynced(size_t user)
{
	struct watched *w = &watched[user];
	int64_t certain = certain_until();
	struct seen *s;

	if (w->generation_at >= certain)
		w->generation = w->marked = 0;
	for (s = w->seen; s < w->seen + TOKENS; s++) {
		if (s->known_at >= certain)
			s->received = false;
		if (s->dead_at >= certain)
			s->dead_at = 0;
	}
	while (w->n_posts && w->posts[(w->n_posts - 1) % POSTS].at >= certain)
		w->n_posts--;
	/* an import or a rotation that the broken disk has never had */
	if (disk.fault_since) {
		w->family = w->serial = 0;
		sf_forget_received(user);
	}
}

void watch_died(bool power)
{
	watch_requests_died();
	for (size_t user = 0; user < world_count(); user++) {
		struct watched *w = &watched[user];

		w->unknown = w->unknown || w->refresh_in_flight;
		w->in_flight = w->refresh_in_flight = 0;
		w->interventions++;
		if (power)
			forget_unsynced(user);
	}
}

/* A deadline of another boot is computed from the wall clock: if that was set meanwhile, nothing is promised but that it does not come later than a whole life from now. */
static void doubt_limits(size_t user)
{
	for (size_t i = 0; i < TOKENS; i++) {
		struct seen *s = &watched[user].seen[i];

		if (fate_clock_set_ms() >= s->known_at - SLACK_MS || sim_wall_error_ms())
			s->limit = sim_now() + 24 * HOURS;
	}
}

static void check_store(size_t user, bool power)
{
	struct watched *w = &watched[user];
	const struct stored *e = store_find(world_store(), world_name(user));
	unsigned family = 0, serial = 0, current;
	size_t who;

	if (sf_user(user)->kind != SF_REFRESH || !w->family)
		return;
	sim_looked(4);
	if (e && e->refresh.token)
		sf_parse_refresh(secret_bytes(e->refresh.token), &who, &family, &serial);
	if (family < w->family || (family == w->family && serial < w->serial))
		sim_broken(4, "%zu: after %s the store has R.%u.%u, the daemon had R.%u.%u", user,
			   power ? "a power loss" : "a restart", family, serial, w->family,
			   w->serial);
	current = sf_current(user, family);
	if (e && current && serial != current && e->spend.state != SPEND_UNKNOWN)
		sim_broken(4, "%zu: the store has R.%u.%u and knows nothing of R.%u.%u", user,
			   family, serial, family, current);
}

void watch_restarted(bool power)
{
	if (store_state(world_store()) == STORE_SUSPECT)
		sim_broken(4, "the store is suspect: %s", store_why(world_store()));
	for (size_t user = 0; user < world_count(); user++) {
		check_store(user, power);
		if (power)
			doubt_limits(user);
	}
}
