/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/metrics.h"

#include <stdlib.h>
#include <string.h>

#define LABELS(...) ((const struct metrics_label[METRICS_LABELS_MAX]){ __VA_ARGS__ })

/* Of a family, what stands behind its head: of the daemon, or of one credential. */
typedef void daemon_samples(struct metrics_text *t, const char *family,
			    const struct metrics_daemon *d);
typedef void credential_samples(struct metrics_text *t, const char *family,
				const struct metrics_credential *c);

/* One of n states is 1, the others are 0. */
static void add_states(struct metrics_text *t, const char *family, const char *credential,
		       const char *const *names, int state)
{
	for (int i = 0; names[i]; i++)
		metrics_add(t, family, "",
			    LABELS({ "credential", credential }, { "state", names[i] }),
			    i == state);
}

/* --- of the daemon --- */

static void build_info(struct metrics_text *t, const char *family, const struct metrics_daemon *d)
{
	metrics_add(t, family, "", LABELS({ "version", d->version }), 1);
}

static void up(struct metrics_text *t, const char *family, const struct metrics_daemon *d)
{
	(void)d;
	metrics_add(t, family, "", NULL, 1);
}

static void start_time(struct metrics_text *t, const char *family, const struct metrics_daemon *d)
{
	metrics_add(t, family, "", NULL, d->started_s);
}

static void ready(struct metrics_text *t, const char *family, const struct metrics_daemon *d)
{
	metrics_add(t, family, "", NULL, d->ready);
}

static void front_up(struct metrics_text *t, const char *family, const struct metrics_daemon *d)
{
	metrics_add(t, family, "", NULL, d->front);
}

static void restarts(struct metrics_text *t, const char *family, const struct metrics_daemon *d)
{
	metrics_add(t, family, "", LABELS({ "process", "mint" }), d->mint_restarts);
	metrics_add(t, family, "", LABELS({ "process", "front" }), d->front_restarts);
}

static void store_is(struct metrics_text *t, const char *family, const struct metrics_daemon *d)
{
	add_states(t, family, NULL, store_state_names, d->store);
}

static void store_writes(struct metrics_text *t, const char *family, const struct metrics_daemon *d)
{
	metrics_add(t, family, "", NULL, d->store_writes);
}

static void store_syncs(struct metrics_text *t, const char *family, const struct metrics_daemon *d)
{
	metrics_add(t, family, "", NULL, d->store_syncs);
}

static void store_failures(struct metrics_text *t, const char *family,
			   const struct metrics_daemon *d)
{
	metrics_add(t, family, "", NULL, d->store_failures);
}

static void store_bytes(struct metrics_text *t, const char *family, const struct metrics_daemon *d)
{
	metrics_add(t, family, "", NULL, d->store_bytes);
}

static void logins(struct metrics_text *t, const char *family, const struct metrics_daemon *d)
{
	metrics_add(t, family, "", NULL, d->logins);
}

static void lines_dropped(struct metrics_text *t, const char *family,
			  const struct metrics_daemon *d)
{
	metrics_add(t, family, "", LABELS({ "process", "mint" }), d->lines_dropped);
	metrics_add(t, family, "", LABELS({ "process", "front" }),
		    totals_get(d->counted, "log_dropped"));
}

/* --- of the front --- */

static void connections(struct metrics_text *t, const char *family, const struct metrics_daemon *d)
{
	for (size_t i = 0; i < d->n_listeners; i++)
		metrics_add(t, family, "", LABELS({ "listener", d->listeners[i].name }),
			    d->listeners[i].connections);
}

static void waiting(struct metrics_text *t, const char *family, const struct metrics_daemon *d)
{
	if (d->front)
		metrics_add(t, family, "", NULL, d->waiting);
}

static void accepted(struct metrics_text *t, const char *family, const struct metrics_daemon *d)
{
	metrics_add(t, family, "", NULL, totals_get(d->counted, "accepted"));
}

static void calls(struct metrics_text *t, const char *family, const struct metrics_daemon *d)
{
	metrics_add(t, family, "", NULL, totals_get(d->counted, "calls"));
}

static void calls_refused(struct metrics_text *t, const char *family,
			  const struct metrics_daemon *d)
{
	metrics_add(t, family, "", NULL, totals_get(d->counted, "calls_refused"));
}

static void reports(struct metrics_text *t, const char *family, const struct metrics_daemon *d)
{
	metrics_add(t, family, "", NULL, totals_get(d->counted, "reports"));
}

static void loads(struct metrics_text *t, const char *family, const struct metrics_daemon *d)
{
	metrics_add(t, family, "", LABELS({ "outcome", "token" }), totals_get(d->counted, "loads"));
	metrics_add(t, family, "", LABELS({ "outcome", "refused" }),
		    totals_get(d->counted, "loads_refused"));
}

static void audit_lost(struct metrics_text *t, const char *family, const struct metrics_daemon *d)
{
	metrics_add(t, family, "", NULL, totals_get(d->counted, "audit_lost"));
}

static const char *behind(const char *name, const char *prefix)
{
	size_t size = strlen(prefix);

	return strncmp(name, prefix, size) == 0 ? name + size : NULL;
}

/* The counters whose names begin so; what follows is the label: one more at the front needs no change here. */
static void add_each(struct metrics_text *t, const char *family, const struct metrics_daemon *d,
		     const char *prefix, const char *label)
{
	const char *name, *rest;
	int64_t n;

	for (size_t i = 0; totals_at(d->counted, i, &name, &n); i++)
		if ((rest = behind(name, prefix)))
			metrics_add(t, family, "", LABELS({ label, rest }), n);
}

static void limits(struct metrics_text *t, const char *family, const struct metrics_daemon *d)
{
	add_each(t, family, d, "limit.", "limit");
}

static void outcomes(struct metrics_text *t, const char *family, const struct metrics_daemon *d)
{
	add_each(t, family, d, "gets.", "outcome");
}

/* The front counts each bucket alone, upwards; here each holds those below it. */
static void get_seconds(struct metrics_text *t, const char *family, const struct metrics_daemon *d)
{
	const char *name, *bound;
	int64_t n, sum = 0;
	char le[32];

	for (size_t i = 0; totals_at(d->counted, i, &name, &n); i++) {
		bound = behind(name, "get_us.");
		if (!bound || strcmp(bound, "sum") == 0)
			continue;
		sum = totals_add(sum, n);
		metrics_print_micros(le, strtoll(bound, NULL, 10));
		metrics_add(t, family, "_bucket",
			    LABELS({ "le", strcmp(bound, "inf") == 0 ? "+Inf" : le }), sum);
	}
	if (!totals_at(d->counted, 0, &name, &n))
		return; /* no front has told anything yet */
	metrics_add_micros(t, family, "_sum", NULL, totals_get(d->counted, "get_us.sum"));
	metrics_add(t, family, "_count", NULL, sum);
}

/* --- of a credential --- */

static void state(struct metrics_text *t, const char *family, const struct metrics_credential *c)
{
	add_states(t, family, c->name, state_names, c->state);
}

static void expiry(struct metrics_text *t, const char *family, const struct metrics_credential *c)
{
	if (c->expires_s)
		metrics_add(t, family, "", LABELS({ "credential", c->name }), c->expires_s);
}

static void renewed(struct metrics_text *t, const char *family, const struct metrics_credential *c)
{
	if (c->renewed_s)
		metrics_add(t, family, "", LABELS({ "credential", c->name }), c->renewed_s);
}

/* Ten thousand credentials have not every outcome: those that were are told, and the one that is hoped for. */
static void renewals(struct metrics_text *t, const char *family, const struct metrics_credential *c)
{
	for (int i = 0; i < TALLY_RENEWALS; i++)
		if (c->tally->renewals[i] || i == RENEWAL_NEW_TOKEN)
			metrics_add(t, family, "",
				    LABELS({ "credential", c->name },
					   { "outcome", tally_renewal_names[i] }),
				    c->tally->renewals[i]);
}

static void requests(struct metrics_text *t, const char *family, const struct metrics_credential *c)
{
	for (int e = 0; e < HTTP_ENDPOINTS; e++) {
		for (int i = 0; i < TALLY_ANSWERS; i++) {
			if (!c->tally->requests[e][i] && (e != HTTP_TOKEN || i != TALLY_OK))
				continue;
			metrics_add(t, family, "",
				    LABELS({ "credential", c->name },
					   { "endpoint", http_endpoint_names[e] },
					   { "outcome", tally_answer_names[i] }),
				    c->tally->requests[e][i]);
		}
	}
}

static void served(struct metrics_text *t, const char *family, const struct metrics_credential *c)
{
	metrics_add(t, family, "", LABELS({ "credential", c->name }), c->tally->served);
}

/* --- the families --- */

struct family {
	const char *name, *type, *help;
	daemon_samples *daemon;
	credential_samples *credential;
};

#define OF_DAEMON(name, type, help, samples) { "sftokend_" name, type, help, samples, NULL }
#define OF_CREDENTIAL(name, type, help, samples) { "sftokend_" name, type, help, NULL, samples }

/* clang-format off */
static const struct family families[] = {
	OF_DAEMON("build_info", "gauge", "Always 1; the version is a label.", build_info),
	OF_DAEMON("up", "gauge", "1: the daemon has answered.", up),
	OF_DAEMON("start_time_seconds", "gauge", "When the daemon was started, in seconds since 1970.", start_time),
	OF_DAEMON("ready", "gauge", "1: every credential with Required=yes has a token.", ready),
	OF_DAEMON("front_up", "gauge", "1: the process that serves the callers has answered; 0: what it counts is as of its last answer.", front_up),
	OF_DAEMON("child_restarts_total", "counter", "How often a process of the daemon was started anew.", restarts),
	OF_DAEMON("store_state", "gauge", "1 for the state that the store is in.", store_is),
	OF_DAEMON("store_writes_total", "counter", "Records that were written to the store.", store_writes),
	OF_DAEMON("store_syncs_total", "counter", "How often the store was synced to the disk.", store_syncs),
	OF_DAEMON("store_failures_total", "counter", "Writes to the store that failed.", store_failures),
	OF_DAEMON("store_journal_bytes", "gauge", "Bytes of the store's journal that are used.", store_bytes),
	OF_DAEMON("logins_pending", "gauge", "Logins that a person has begun and not ended.", logins),
	OF_DAEMON("log_lines_dropped_total", "counter", "Lines of the log that could not be written.", lines_dropped),
	OF_DAEMON("audit_lost_total", "counter", "Tokens given to callers that the log does not tell of.", audit_lost),
	OF_DAEMON("connections", "gauge", "Connections that are open, by listener.", connections),
	OF_DAEMON("connections_accepted_total", "counter", "Connections of callers that were accepted.", accepted),
	OF_DAEMON("calls_total", "counter", "Calls of all methods on the sockets of callers.", calls),
	OF_DAEMON("calls_refused_total", "counter", "Calls for a credential that the caller may not use (call.refused).", calls_refused),
	OF_DAEMON("calls_waiting", "gauge", "Calls that wait for a token, and holds.", waiting),
	OF_DAEMON("reports_total", "counter", "Claims of callers that Salesforce refused a token, passed on for a check.", reports),
	OF_DAEMON("loads_total", "counter", "Tokens that units asked for with LoadCredential=, by the answer.", loads),
	OF_DAEMON("limit_reached_total", "counter", "Connections and calls that were refused or ended for a limit.", limits),
	OF_DAEMON("gets_total", "counter", "GetToken calls by their answer; abandoned: the caller went away before.", outcomes),
	OF_DAEMON("get_seconds", "histogram", "From seeing a GetToken call to having sent its answer.", get_seconds),
	OF_CREDENTIAL("credential_state", "gauge", "1 for the state that the credential is in.", state),
	OF_CREDENTIAL("token_expiry_seconds", "gauge", "When the access token is believed to end, in seconds since 1970. No sample: there is none.", expiry),
	OF_CREDENTIAL("last_renewal_timestamp_seconds", "gauge", "When the server gave or confirmed a token last, in seconds since 1970.", renewed),
	OF_CREDENTIAL("renewals_total", "counter", "Attempts to get a token, by how they ended (the words of sftoken show).", renewals),
	OF_CREDENTIAL("upstream_requests_total", "counter", "HTTPS requests to Salesforce, by what was asked and how it was answered.", requests),
	OF_CREDENTIAL("tokens_served_total", "counter", "Tokens given to callers; repeated gets of a process are counted once a minute.", served),
};
/* clang-format on */
enum { FAMILIES = sizeof families / sizeof families[0] };

/* --- pieces --- */

struct piece {
	const struct metrics_source *source;
	struct metrics_text text;
	struct buf *next;
};

static bool is_full(const struct piece *p)
{
	return p->text.size > METRICS_PIECE_MAX;
}

static void head(struct piece *p, const struct family *f)
{
	metrics_head(&p->text, f->name, f->type, f->help);
}

static void end_at(struct piece *p, const struct family *f, const char *after)
{
	buf_add_text(p->next, f->name);
	if (!after)
		return;
	buf_add_char(p->next, ':');
	buf_add_text(p->next, after);
}

/* The first credential whose name is greater; NULL: the first one. */
static size_t find_after(const struct metrics_source *s, const char *name)
{
	size_t low = 0, high = s->n;

	while (name && low < high) {
		size_t middle = low + (high - low) / 2;
		struct metrics_credential c;

		s->at(middle, &c, s->arg);
		if (strcmp(c.name, name) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Behind the credential of that name, or from the head on (NULL). false: the piece is full. */
static bool add_credentials(struct piece *p, const struct family *f, const char *after)
{
	const struct metrics_source *s = p->source;

	for (size_t i = find_after(s, after); i < s->n; i++) {
		struct metrics_text then = p->text;
		size_t len = p->text.out->len;
		struct metrics_credential c;

		s->at(i, &c, s->arg);
		f->credential(&p->text, f->name, &c);
		if (is_full(p)) {
			metrics_back(&p->text, &then, len);
			end_at(p, f, after);
			return false;
		}
		after = c.name;
	}
	return true;
}

static bool add_family(struct piece *p, const struct family *f)
{
	const struct metrics_text then = p->text;
	size_t len = p->text.out->len;

	head(p, f);
	if (f->daemon)
		f->daemon(&p->text, f->name, p->source->daemon);
	if (is_full(p)) {
		metrics_back(&p->text, &then, len);
		end_at(p, f, NULL);
		return false;
	}
	if (!f->credential || add_credentials(p, f, NULL))
		return true;
	/* no credential has found room: the head belongs to the next piece, too */
	if (p->next->len && !strchr(p->next->data, ':'))
		metrics_back(&p->text, &then, len);
	return false;
}

static const struct family *find_family(const char *name, size_t size)
{
	for (size_t i = 0; i < FAMILIES; i++)
		if (strlen(families[i].name) == size && memcmp(families[i].name, name, size) == 0)
			return &families[i];
	return NULL;
}

int metrics_piece(const struct metrics_source *s, const char *after, struct buf *text,
		  struct buf *next)
{
	struct piece p = { .source = s, .text = { .out = text }, .next = next };
	const char *colon = after ? strchr(after, ':') : NULL;
	const struct family *f = families;
	bool room = true;

	if (after)
		f = find_family(after, colon ? (size_t)(colon - after) : strlen(after));
	if (!f || (colon && !f->credential))
		return -ERR_INPUT;
	if (colon)
		room = add_credentials(&p, f++, colon + 1);
	for (; room && f < families + FAMILIES; f++)
		room = add_family(&p, f);
	return buf_failed(text) || buf_failed(next) ? -ERR_INTERNAL : 0;
}
