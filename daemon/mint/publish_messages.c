/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the mint tells the front, put into messages.
 */
#include <string.h>

#include "base/log.h"
#include "base/utf8.h"
#include "daemon/mint/publish_parts.h"

enum { SCOPES_MAX = 64, RULES_MAX = 48 * 1024 };

/* --- Rules --- */

/* All [Limits], by the names of their keys: the front looks for those that it needs. */
static void add_limits(struct buf *out, const struct settings *settings)
{
	const char *base = (const char *)settings;

	json_begin_object(out);
	for (size_t i = 0; i < settings_n_sections; i++) {
		const struct config_section *section = &settings_sections[i];

		if (strcmp(section->name, "Limits") != 0)
			continue;
		for (size_t n = 0; n < section->n_keys; n++) {
			const struct config_key *key = &section->keys[n];

			if (key->type != CONFIG_INT && key->type != CONFIG_DURATION &&
			    key->type != CONFIG_PERCENT)
				continue;
			json_key(out, key->name);
			json_add_int(out, *(const int64_t *)(const void *)(base + section->offset +
									   key->offset));
		}
	}
	json_end_object(out);
}

static void add_listeners(struct buf *out, const struct settings *settings)
{
	json_begin_array(out);
	for (const struct listener_settings *l = settings->listeners; l; l = l->next) {
		if (l->interface == LISTENER_MANAGER || l->disabled || l->on_demand)
			continue;
		json_begin_object(out);
		json_key(out, "name");
		json_add_text(out, l->name);
		json_key(out, "globs");
		json_begin_array(out);
		for (size_t i = 0; i < l->credentials.n; i++)
			json_add_text(out, l->credentials.items[i]);
		json_end_array(out);
		json_end_object(out);
	}
	json_end_array(out);
}

int publish_send_rules(struct link_end *e, struct registry *registry, uid_t service_uid,
		       uid_t manager_uid)
{
	CLEANUP(buf_finip) struct buf limits, listeners;
	const struct settings *settings = registry_settings(registry);
	struct link_message m = { .type = LINK_RULES };

	buf_init(&limits, RULES_MAX);
	buf_init(&listeners, RULES_MAX);
	add_limits(&limits, settings);
	add_listeners(&listeners, settings);
	if (buf_failed(&limits) || buf_failed(&listeners))
		return -ERR_INTERNAL;
	m.rules.limits = json_root(limits.data, limits.len);
	m.rules.listeners = json_root(listeners.data, listeners.len);
	m.rules.default_credential = settings->daemon.default_credential;
	m.rules.service_uid = (struct opt_int){ service_uid, true };
	m.rules.manager_uid = (struct opt_int){ manager_uid, true };
	return link_send(e, &m);
}

/* --- one credential --- */

static struct opt_int some(int64_t value)
{
	return (struct opt_int){ value, true };
}

static struct opt_int if_any(int64_t value)
{
	return (struct opt_int){ value, value != 0 };
}

/* The Broker interface promises one line of at most so many bytes; replies that are errors have room for the whole text. */
enum { LAST_ERROR_MAX = 200 };

static const char *shortened(const char *text, char out[LAST_ERROR_MAX + 1])
{
	static const char more[] = "...";
	size_t all = strlen(text), n = 0, size;

	if (all <= LAST_ERROR_MAX)
		return text;
	while ((size = utf8_char_size(text + n, all - n)) &&
	       n + size <= LAST_ERROR_MAX - (sizeof more - 1))
		n += size;
	memcpy(out, text, n);
	memcpy(out + n, more, sizeof more);
	return out;
}

static int send_credential(struct link_end *e, struct keeper *k)
{
	char last_error[LAST_ERROR_MAX + 1];
	const struct credential *c = keeper_credential(k);
	const struct schedule *s = keeper_schedule(k);
	struct keeper_problem problem = keeper_problem(k);
	struct link_message m = { .type = LINK_CREDENTIAL };

	m.credential = (struct link_credential){
		.name = c->name,
		.aliases = { .items = (const char *const *)c->aliases.items, .n = c->aliases.n },
		.uids = { .items = c->uids, .n = c->n_uids },
		.gids = { .items = c->gids, .n = c->n_gids },
		.load_units = { .items = (const char *const *)c->load_units.items,
				.n = c->load_units.n },
		.units = { .items = (const char *const *)c->allow_units.items,
			   .n = c->allow_units.n },
		.executables = { .items = (const char *const *)c->allow_executables.items,
				 .n = c->allow_executables.n },
		.grant_type = c->grant_type,
		.state = s->state,
		.username = c->username,
		.upstream_attempts = some(s->attempts),
		.attempt = { s->in_flight, true },
		.next_attempt_ms = if_any(s->next_attempt_ms),
		.last_error = problem.error >= 0 && problem.message
				      ? shortened(problem.message, last_error)
				      : NULL,
		.renewal_ends_session = { c->renewal_ends_session, true },
	};
	return link_send(e, &m);
}

static bool token_is_news(struct keeper *k)
{
	const struct schedule *s = keeper_schedule(k);
	const struct keeper_sent *sent = keeper_sent(k);

	return memcmp(&sent->wall, keeper_wall(k), sizeof sent->wall) != 0 ||
	       sent->unchanged != s->unchanged || sent->reported != s->reported ||
	       sent->vouched_ms != s->vouched_ms;
}

/* Splits the scopes in place; at most SCOPES_MAX. */
static size_t split_scopes(char *text, const char **items)
{
	size_t n = 0;
	char *rest = text, *word;

	while (n < SCOPES_MAX && (word = strsep(&rest, " ")))
		if (*word)
			items[n++] = word;
	return n;
}

static int send_token(struct link_end *e, struct keeper *k)
{
	const struct grant *g = keeper_token(k);
	const struct schedule *s = keeper_schedule(k);
	const struct keeper_wall *wall = keeper_wall(k);
	CLEANUP(cleanup_free) char *scopes = strdup(g->scope ? g->scope : "");
	const char *items[SCOPES_MAX];
	struct link_message m = { .type = LINK_PUBLISH };
	int r;

	if (!scopes)
		return -ERR_INTERNAL;
	m.publish = (struct link_publish){
		.credential = keeper_name(k),
		.origin = keeper_origin(k),
		.generation = some(s->generation),
		.token = secret_bytes(g->access_token),
		.instance_url = g->instance_url,
		.life_ms = some(s->life_ms),
		.issued_ms = some(s->issued_ms),
		.deadline_ms = some(s->deadline_ms),
		.refresh_after_ms = if_any(wall->refresh_after_ms),
		.issued_wall = some(wall->issued),
		.expires_wall = some(wall->expires),
		.refresh_after_wall = if_any(wall->refresh_after),
		.expiry_source = (int)s->source,
		.unchanged = { s->unchanged, true },
		.reported = { s->reported, true },
		.vouched_ms = some(s->vouched_ms),
		.scopes = { .items = items, .n = split_scopes(scopes, items) },
		.identity_url = g->identity_url,
		.organization_id = g->organization_id,
		.user_id = g->user_id,
		.username = g->username ? g->username : keeper_credential(k)->username,
	};
	r = link_send(e, &m);
	if (r > 0) {
		struct keeper_sent *sent = keeper_sent(k);

		sent->wall = *wall;
		sent->unchanged = s->unchanged;
		sent->reported = s->reported;
		sent->vouched_ms = s->vouched_ms;
	}
	return r;
}

static int send_dead(struct link_end *e, struct keeper *k)
{
	struct link_message m = { .type = LINK_DEAD };
	int r;

	m.dead = (struct link_dead){ .credential = keeper_name(k), .generation = some(keeper_withdrawn(k)) };
	r = link_send(e, &m);
	if (r > 0)
		keeper_sent(k)->dead = keeper_withdrawn(k);
	return r;
}

static int send_problem(struct link_end *e, struct keeper *k)
{
	struct keeper_problem p = keeper_problem(k);
	struct link_message m = { .type = LINK_PROBLEM };
	int r;

	m.problem = (struct link_problem){
		.credential = keeper_name(k),
		.error = p.error,
		.permanent = { p.permanent, p.error >= 0 },
		.message = p.message,
		.oauth_error = p.oauth_error,
		.description = p.description,
		.http_status = if_any(p.http_status),
		.retry_at_ms = if_any(p.retry_at_ms),
	};
	if (p.error >= 0 && p.oauth_error)
		m.problem.http_status = some(p.http_status);
	r = link_send(e, &m);
	if (r > 0)
		keeper_sent(k)->problem = p.error >= 0;
	return r;
}

static int send_verdict(struct link_end *e, struct keeper *k)
{
	const struct schedule *s = keeper_schedule(k);
	struct link_message m = { .type = LINK_VERDICT };
	int r;

	m.verdict = (struct link_verdict){
		.credential = keeper_name(k),
		.generation = some(s->generation),
		.at_ms = some(s->verdict_at_ms),
		.next_check_ms = some(s->next_check_ms),
		.alive = { s->verdict_alive, true },
	};
	r = link_send(e, &m);
	if (r > 0)
		keeper_sent(k)->verdict_at_ms = s->verdict_at_ms;
	return r;
}

static int send_news(struct link_end *e, struct keeper *k)
{
	const struct schedule *s = keeper_schedule(k);
	const struct keeper_sent *sent = keeper_sent(k);
	int r = 1;

	if (keeper_token(k)) {
		if (token_is_news(k))
			r = send_token(e, k);
	} else if (keeper_withdrawn(k) && sent->dead != keeper_withdrawn(k)) {
		r = send_dead(e, k);
	}
	if (r > 0 && (keeper_problem(k).error >= 0 || sent->problem))
		r = send_problem(e, k);
	if (r > 0 && s->verdict && sent->verdict_at_ms != s->verdict_at_ms)
		r = send_verdict(e, k);
	return r;
}

/*
 * The front judges its waiters anew after each message, so the order matters: while an attempt runs, Credential says so first (nobody is refused because of what follows);
 * when it has ended, the token or the problem comes first.
 */
int publish_send_credential(struct link_end *e, struct keeper *k)
{
	bool first = !keeper_sent(k)->known || keeper_schedule(k)->in_flight;
	int r = 1;

	if (first) {
		r = send_credential(e, k);
		keeper_sent(k)->known |= r > 0;
	}
	if (r > 0)
		r = send_news(e, k);
	if (r > 0 && !first)
		r = send_credential(e, k);
	return r;
}
