/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What others may know of a keeper, and how a token comes in from elsewhere.
 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/mint/keeper_parts.h"

const struct credential *keeper_credential(const struct keeper *k)
{
	return k->credential;
}

const char *keeper_name(const struct keeper *k)
{
	return k->credential->name;
}

struct tally *keeper_tally(const struct keeper *k)
{
	return k->tally;
}

const char *keeper_origin(const struct keeper *k)
{
	return k->origin;
}

const struct schedule *keeper_schedule(const struct keeper *k)
{
	return &k->schedule;
}

const struct grant *keeper_token(const struct keeper *k)
{
	return k->schedule.has_token && !k->schedule.dead ? k->token : NULL;
}

const struct grant *keeper_newest(const struct keeper *k)
{
	return k->token;
}

int64_t keeper_generation(const struct keeper *k)
{
	return k->schedule.generation;
}

int64_t keeper_withdrawn(const struct keeper *k)
{
	if (keeper_token(k))
		return 0;
	return k->schedule.dead ? k->schedule.generation : k->withdrawn;
}

bool keeper_usable(const struct keeper *k)
{
	struct schedule_rules rules = { .limits = &k->context->settings->limits };

	return schedule_usable(&rules, &k->schedule, loop_now_ms(k->context->loop));
}

bool keeper_ready(const struct keeper *k)
{
	enum state s = k->schedule.state;

	return keeper_usable(k) || s == STATE_LOGIN_REQUIRED || s == STATE_SUSPENDED ||
	       s == STATE_DISABLED;
}

void keeper_set_told(struct keeper *k, const struct stored_told *told)
{
	struct err err = { 0 };

	k->stored->told = *told;
	/* while nothing can be written, the store says so once and tries by itself */
	(void)store_write(k->context->store, k->stored, STORE_SOON, &err);
}

int64_t keeper_refresh_after_ms(const struct keeper *k)
{
	return k->schedule.next_attempt_ms ? k->schedule.next_attempt_ms : k->schedule.normal_ms;
}

void keeper_set_dirty(struct keeper *k, bool dirty)
{
	if (k->dirty == dirty || k->retired)
		return;
	k->dirty = dirty;
	if (dirty)
		TAILQ_INSERT_TAIL(&k->context->dirty, k, dirty_link);
	else
		TAILQ_REMOVE(&k->context->dirty, k, dirty_link);
}

struct keeper_sent *keeper_sent(struct keeper *k)
{
	return &k->sent;
}

const struct keeper_wall *keeper_wall(struct keeper *k)
{
	const struct schedule *s = &k->schedule;
	struct keeper_wall *w = &k->wall;
	int64_t refresh = keeper_refresh_after_ms(k);
	int64_t to_wall = clock_real_ms() - loop_now_ms(k->context->loop);

	if (w->generation != s->generation) {
		memset(w, 0, sizeof *w);
		w->generation = s->generation;
		w->issued = (s->issued_ms + to_wall) / 1000;
	}
	if (w->deadline_ms != s->deadline_ms) {
		w->deadline_ms = s->deadline_ms;
		w->expires = (s->deadline_ms + to_wall) / 1000;
	}
	if (w->refresh_after_ms != refresh) {
		w->refresh_after_ms = refresh;
		w->refresh_after = (refresh + to_wall) / 1000;
	}
	return w;
}

void keeper_clock_set(struct keeper *k)
{
	const struct stored_token *t = &k->stored->token;
	struct schedule_event e = { .type = SCHEDULE_CLOCK };

	memset(&k->wall, 0, sizeof k->wall);
	if (t->deadline_real_ms) {
		e.clock.deadline_ms = loop_now_ms(k->context->loop) + t->deadline_real_ms -
				      clock_real_ms();
		k->by_clock = true;
		keeper_step(k, &e);
		k->by_clock = false;
	}
	keeper_mark(k);
}

/* --- problems --- */

static int broker_error(const struct problem *p)
{
	switch (p->class) {
	case PROBLEM_LOGIN:
		return BROKER_LOGIN_REQUIRED;
	case PROBLEM_ADMIN:
	case PROBLEM_BUG:
		return p->error[0] ? BROKER_REJECTED : BROKER_NOT_SERVED;
	default:
		return BROKER_UNAVAILABLE;
	}
}

static struct keeper_problem of_problem(const struct problem *p)
{
	return (struct keeper_problem){
		.error = broker_error(p),
		.message = p->message,
		.oauth_error = p->error[0] ? p->error : NULL,
		.description = p->description[0] ? p->description : NULL,
		.http_status = p->http_status,
	};
}

static const char budget_text[] =
	"too many token requests for this credential: see MaxRequestsPerHour= in sftokend.conf(5)";

struct keeper_problem keeper_problem(const struct keeper *k)
{
	const struct schedule *s = &k->schedule;
	struct keeper_problem p = { .error = -1 };

	if (s->state == STATE_DISABLED) {
		p.error = BROKER_NOT_SERVED;
		p.message = "disabled by an administrator: sftoken enable resumes it";
		p.permanent = true;
		return p;
	}
	switch (s->trouble) {
	case TROUBLE_NONE:
		return p;
	case TROUBLE_PROBLEM:
		p = of_problem(&k->problem);
		break;
	case TROUBLE_SAME:
		p.error = BROKER_NOT_SERVED;
		p.message =
			"Salesforce gives the same token again that it refuses: end the user's session in Setup, Session Management";
		break;
	case TROUBLE_BUDGET:
		p.error = BROKER_UNAVAILABLE;
		p.message = budget_text;
		break;
	case TROUBLE_LOGIN:
		p.error = BROKER_LOGIN_REQUIRED;
		p.message = keeper_login_text(
			(struct keeper *)(uintptr_t)k); /* the text is a cache of what is said */
		break;
	case TROUBLE_UNKNOWN:
		p.error = BROKER_UNAVAILABLE;
		p.message = keeper_unknown(k);
		if (!p.message)
			p.message = k->problem.message;
		break;
	}
	p.permanent = s->permanent;
	p.retry_at_ms = s->next_attempt_ms;
	return p;
}

struct keeper_problem keeper_no_refresh(const struct keeper *k)
{
	if (keeper_rules(k).renewal == RENEW_PERSON)
		return (struct keeper_problem){
			.error = BROKER_LOGIN_REQUIRED,
			.permanent = true,
			.message = keeper_login_text((struct keeper *)(uintptr_t)k),
		};
	return (struct keeper_problem){ .error = BROKER_UNAVAILABLE,
					.message = budget_text,
					.retry_at_ms = k->schedule.next_attempt_ms };
}

/* --- tokens from elsewhere --- */

static char *list_join(const struct link_have *have)
{
	struct buf b;
	struct json_iter i;
	struct json_value key, value;

	buf_init(&b, PACKET_MAX);
	buf_add_text(&b, "");
	if (have->scopes.raw.start) {
		i = json_iterate(have->scopes.raw);
		while (json_next(&i, &key, &value)) {
			if (b.len)
				buf_add_char(&b, ' ');
			buf_add_text(&b, json_text(value, NULL));
		}
	}
	for (size_t n = 0; !have->scopes.raw.start && n < have->scopes.n; n++) {
		if (n)
			buf_add_char(&b, ' ');
		buf_add_text(&b, have->scopes.items[n]);
	}
	return b.failed ? (buf_fini(&b), NULL) : b.data ? b.data : strdup("");
}

static bool copy_text(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return *to || !from;
}

static struct grant *grant_of(const struct link_have *have)
{
	CLEANUP(grant_unrefp) struct grant *g = calloc(1, sizeof *g);

	if (!g)
		return NULL;
	g->refs = 1;
	g->access_token = secret_new(have->token, strlen(have->token));
	g->scope = list_join(have);
	g->sent_ms = have->issued_ms.value;
	if (!g->access_token || !g->scope || !copy_text(&g->instance_url, have->instance_url) ||
	    !copy_text(&g->token_type, "Bearer") ||
	    !copy_text(&g->identity_url, have->identity_url) ||
	    !copy_text(&g->organization_id, have->organization_id) ||
	    !copy_text(&g->user_id, have->user_id) || !copy_text(&g->username, have->username))
		return NULL;
	return TAKE(g);
}

/*
 * The front parses what strangers send: what it says is believed as far as it can be true. A generation near the end of its range could not be followed by another one, and a
 * token goes into a header of ours.
 */
enum { HAVE_LIFE_MAX_MS = 24 * 3600 * 1000, HAVE_TOKEN_MAX = 16 * 1024, HAVE_TEXT_MAX = 4096 };
#define GENERATION_MAX ((INT64_C(1) << 53) - 1)

static bool token_plausible(const char *token)
{
	size_t size = strnlen(token, HAVE_TOKEN_MAX + 1);

	for (size_t i = 0; i < size; i++)
		if (token[i] < '!' || token[i] > '~')
			return false;
	return size > 0 && size <= HAVE_TOKEN_MAX;
}

static bool texts_plausible(const struct grant *g)
{
	const char *const texts[] = { g->instance_url,    g->scope,   g->identity_url,
				      g->organization_id, g->user_id, g->username };

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (texts[i] && strlen(texts[i]) > HAVE_TEXT_MAX)
			return false;
	return true;
}

static bool have_plausible(const struct link_have *have, int64_t now_ms)
{
	return have->generation.value > 0 && have->generation.value < GENERATION_MAX &&
	       have->life_ms.value > 0 && have->life_ms.value <= HAVE_LIFE_MAX_MS &&
	       have->issued_ms.value >= 0 && have->issued_ms.value <= now_ms &&
	       have->vouched_ms.value >= 0 && have->vouched_ms.value <= now_ms &&
	       have->deadline_ms.value > 0 &&
	       have->deadline_ms.value <= now_ms + HAVE_LIFE_MAX_MS && have->token &&
	       token_plausible(have->token);
}

int keeper_check_host(const struct keeper *k, const char *url, struct err *err)
{
	struct config_list hosts = { 0 };
	int r = salesforce_hosts(&hosts, &k->context->settings->network.allowed_hosts,
				 k->credential->login_url, err);

	if (r == 0)
		r = salesforce_check_url(url, &hosts, err);
	salesforce_hosts_fini(&hosts);
	return r;
}

static int check_have(const struct keeper *k, const struct link_have *have, struct err *err)
{
	if (!have->origin || strcmp(have->origin, k->origin) != 0)
		return err_set(err, ERR_DENIED, "it belongs to another login URL, client or user");
	if (!have->instance_url)
		return err_set(err, ERR_DENIED, "it is not complete");
	return keeper_check_host(k, have->instance_url, err);
}

static void begin_with(struct keeper *k, struct schedule_event *e)
{
	e->type = SCHEDULE_TAKEN_OVER;
	k->begun = true;
	keeper_step(k, e);
	keeper_recall_refusal(k);
	log_event(LOG_LEVEL_INFO, "token.kept", F_STR("credential", k->credential->name),
		  F_INT("generation", k->schedule.generation),
		  F_INT("left_s",
			(k->schedule.deadline_ms - loop_now_ms(k->context->loop)) / 1000));
}

/* Generations go on from whatever was ever seen, even of a token that is not taken over. */
static void remember_generation(struct keeper *k, int64_t generation)
{
	if (!k->schedule.has_token && generation > k->schedule.generation)
		k->schedule.generation = generation;
}

int keeper_take_over(struct keeper *k, const struct link_have *have, struct err *err)
{
	int64_t generation = have->generation.value;
	struct schedule_event e = {
		.taken_over = { .generation = generation,
				.issued_ms = have->issued_ms.value,
				.life_ms = have->life_ms.value,
				.deadline_ms = have->deadline_ms.value,
				.vouched_ms = have->vouched_ms.value,
				.source = have->expiry_source < 0
						  ? EXPIRY_CONFIGURED
						  : (enum expiry_source)have->expiry_source,
				.unchanged = have->unchanged.value },
	};
	struct grant *g;
	int r;

	/* nothing of it is remembered */
	if (!have_plausible(have, loop_now_ms(k->context->loop)))
		return err_set(err, ERR_DENIED, "it cannot be true");
	if (generation == k->schedule.generation && keeper_token(k))
		return 0; /* the store had it, too */
	if ((k->schedule.state != STATE_EMPTY && k->schedule.state != STATE_VALID) ||
	    generation <= k->schedule.generation) {
		remember_generation(k, generation);
		return err_set(err, ERR_DENIED, "there is a newer one");
	}
	r = check_have(k, have, err);
	if (r < 0) {
		remember_generation(k, generation);
		return r;
	}
	g = grant_of(have);
	if (!g)
		return err_oom(err);
	/* one text that no record can hold would stop all writing */
	if (!texts_plausible(g)) {
		grant_unref(g);
		return err_set(err, ERR_DENIED, "its texts are too long");
	}
	grant_unref(k->token);
	k->token = g;
	begin_with(k, &e);
	return 0;
}

/* Reporters go on waiting. A check that is cut short begins anew at once, though its minute is not over. */
static void inherit_claim(struct schedule *s, const struct schedule *o)
{
	s->reported = o->reported;
	s->claim = o->claim || o->check != CHECK_IDLE;
	s->next_check_ms = o->check != CHECK_IDLE ? 0 : o->next_check_ms;
	s->early_deaths = o->early_deaths;
	s->verdict = o->verdict;
	s->verdict_alive = o->verdict_alive;
	s->verdict_at_ms = o->verdict_at_ms;
}

/* A refresh token that is on its way: its answer belongs to the new keeper, with the credential with which it was asked. */
static void inherit_spend(struct keeper *k, struct keeper *old)
{
	if (!old->spending || strcmp(k->origin, old->origin) != 0)
		return;
	k->attempt = TAKE(old->attempt);
	attempt_set_arg(k->attempt, k);
	k->running = TAKE(old->running);
	k->spending = true;
	k->begun = true; /* or nothing of the answer would be saved */
	k->replay = old->replay;
	k->kind = old->kind;
	old->spending = false;
	k->schedule.in_flight = old->schedule.in_flight;
	k->schedule.demanded = old->schedule.demanded;
	keeper_mark(
		k); /* keeper_start(), which begins nothing now, would have told who may have it */
}

void keeper_inherit(struct keeper *k, struct keeper *old)
{
	struct schedule *s = &k->schedule;
	const struct schedule *o = &old->schedule;
	struct schedule_event e = {
		.taken_over = { .generation = o->generation,
				.issued_ms = o->issued_ms,
				.life_ms = o->life_ms,
				.deadline_ms = o->deadline_ms,
				.vouched_ms = o->vouched_ms,
				.source = o->source,
				.unchanged = o->unchanged },
	};

	keeper_history_move(k, old);
	tally_unref(k->tally);
	k->tally = tally_ref(old->tally);
	s->generation = o->generation;
	s->attempts = o->attempts;
	s->idle_from_ms = o->idle_from_ms;
	s->spent = o->spent;
	s->spent_ms = o->spent_ms;
	s->unknown = o->unknown;
	s->replays = o->replays;
	s->n_requests = o->n_requests;
	memcpy(s->requests, o->requests, sizeof s->requests);
	s->skew_ms = o->skew_ms;
	s->not_before_ms = o->not_before_ms;
	s->last_use_ms = o->last_use_ms;
	s->held_generation = o->held_generation;
	s->held_until_ms = o->held_until_ms;
	k->sent = old->sent;
	k->withdrawn = keeper_withdrawn(old);
	inherit_spend(k, old);
	if (keeper_token(old) && strcmp(k->origin, old->origin) != 0) {
		k->withdrawn = o->generation;
	} else if (keeper_token(old)) {
		s->learned_ms = o->learned_ms;
		s->learned_death_ms = o->learned_death_ms;
		inherit_claim(s, o);
		k->wall = old->wall;
		k->token = grant_ref(old->token);
		begin_with(k, &e);
	} else if (old->token && strcmp(k->origin, old->origin) == 0) {
		/* dead: kept, to know it when it comes again */
		k->token = grant_ref(old->token);
		s->has_token = s->dead = true;
		s->suspensions = o->suspensions;
	}
	if (o->state == STATE_DISABLED)
		keeper_set_enabled(k, false);
	else if (s->in_flight)
		s->state = keeper_token(k) ? STATE_RENEWING : STATE_MINTING;
	else if (o->in_flight && o->demanded)
		keeper_refresh(
			k); /* callers wait for the attempt that ends with the old settings */
}
