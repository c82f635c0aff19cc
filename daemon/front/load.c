/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/front/load.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/front/broker.h"
#include "daemon/front/load_text.h"

/* One connection. */
struct load {
	struct list link; /* in entry->loads while it waits */
	struct deadline deadline;
	struct front *front;
	struct user *user;
	struct entry *entry;
	struct load_address address;
	struct judge_ask ask;
	int sock;
	pid_t pid;
	gid_t gid;
	uint32_t listener;
};

/* --- the end --- */

static void end(struct load *l)
{
	struct front *f = l->front;

	list_remove(&l->link);
	deadlines_clear(&f->loads_due, &l->deadline);
	close(l->sock);
	idle_leave(&f->idle);
	f->connections--;
	f->listeners[l->listener].connections--;
	l->user->connections--;
	free(l);
}

/*
 * Nothing was sent: the service manager says that the unit's credential cannot be set up, and here stands why. Whoever may connect could fill the log: beyond a user's allowance of reports it is
 * counted alone.
 */
static void refuse(struct load *l, const char *why)
{
	struct front *f = l->front;

	f->counters.value[COUNT_LOADS_REFUSED]++;
	if (broker_privileged(f, l->user->uid) ||
	    bucket_take(&l->user->reports, f->rules.limits.max_reports_per_second,
			loop_now_ms(f->loop)))
		log_event(LOG_LEVEL_WARNING, "load.refused", F_STR("unit", l->address.unit),
			  F_STR("credential", l->address.credential), F_INT("uid", l->user->uid),
			  F_INT("pid", l->pid), F_STR("listener", f->listeners[l->listener].name),
			  F_STR("why", why));
	end(l);
}

/* --- writing --- */

/*
 * At once and whole: the kernel takes what is less than half of the socket's buffer in one piece or not at all, and a unit must
 * never start with a part of a token.
 */
static bool write_whole(int sock, const struct buf *out)
{
	struct iovec piece = { .iov_base = out->data, .iov_len = out->len };
	const struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };
	const int room = 2 * VARLINK_MESSAGE_MAX; /* which the kernel doubles, socket(7) */
	ssize_t sent;

	if (setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &room, sizeof room) < 0)
		return false;
	do {
		sent = sendmsg(sock, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)out->len;
}

static void give(struct load *l, int validity)
{
	struct front *f = l->front;
	const struct entry *e = l->entry;
	const struct peer who = { .uid = l->user->uid, .gid = l->gid, .pid = l->pid };
	char reason[sizeof l->address.unit + sizeof "loaded by "];
	CLEANUP(buf_finip) struct buf out;
	struct err err = { 0 };

	buf_init(&out, VARLINK_MESSAGE_MAX);
	if (load_text_add(&out, e, l->address.field, validity, loop_now_ms(f->loop), &err) < 0) {
		refuse(l, err.text);
		return;
	}
	if (!write_whole(l->sock, &out)) {
		refuse(l, "the service manager has hung up");
		return;
	}
	snprintf(reason, sizeof reason, "loaded by %s", l->address.unit);
	audit_served(&f->audit, &who, entry_name(e), e->names[0].node.hash,
		     e->token->judge.generation, reason);
	f->counters.value[COUNT_LOADS]++;
	end(l);
}

/* --- judging --- */

static bool allowed(const struct load *l)
{
	const struct globs *globs = l->front->listeners[l->listener].globs;

	return policy_names_unit(&l->entry->access.loads, l->address.unit) &&
	       (!globs || globs_match(globs, entry_name(l->entry)));
}

/*
 * The life that the token should have left: a unit keeps it until it is started again. One that a new token would not have at all is no wish, nor is three quarters and more of a life: every start
 * of a unit would be a renewal.
 */
static int64_t wish(const struct load *l)
{
	const struct token *t = l->entry->token;
	int64_t wanted = l->front->rules.limits.load_min_valid_ms, most;

	if (!t || l->entry->grant_type == GRANT_USER_AGENT)
		return -1; /* nothing but a person renews that */
	most = t->judge.life_ms / 4 * 3;
	return wanted < most ? wanted : most;
}

/* What is there, when it cannot be better in time. */
static bool give_what_is_there(struct load *l)
{
	struct front *f = l->front;
	struct judge_ask any = { .min_valid_ms = -1, .rejected = -1 };
	struct judgement j;

	if (!l->entry->token)
		return false;
	any.start_ms = any.deadline_ms = loop_now_ms(f->loop);
	j = judge(&l->entry->token->judge, &l->entry->judge, &any, &f->rules.limits, any.start_ms);
	if (j.what != JUDGE_GIVE)
		return false;
	give(l, j.validity);
	return true;
}

static const char *why_not(const struct load *l, const struct judgement *j)
{
	const struct entry *e = l->entry;

	if (j->of_problem && e->problem.message)
		return e->problem.message;
	return e->last_error ? e->last_error : broker_error_names[j->error];
}

/*
 * When waiting for a better one ends: waiting must not take away what is left of the one that is there, and in an outage it would
 * be for nothing.
 */
static int64_t patience_ends(const struct load *l)
{
	const struct token *t = l->entry->token;
	const struct judge_credential *c = &l->entry->judge;
	int64_t left = t ? t->judge.deadline_ms - l->ask.start_ms : 0;

	if (left <= 0)
		return l->ask.deadline_ms;
	if (!c->attempt && (c->problem >= 0 || c->state == STATE_BACKOFF))
		return 0;
	return l->ask.start_ms + left / 2;
}

static void wait_on(struct load *l, int64_t until_ms)
{
	struct front *f = l->front;
	int64_t now = loop_now_ms(f->loop), ends = patience_ends(l);

	if (now >= ends && give_what_is_there(l))
		return;
	if (until_ms > ends)
		until_ms = ends;
	list_remove(&l->link);
	list_append(&l->entry->loads, &l->link);
	if (deadlines_set(&f->loads_due, &l->deadline, until_ms > now ? until_ms : now + 1) < 0)
		refuse(l, "out of memory");
}

static void step(struct load *l)
{
	struct front *f = l->front;
	struct entry *e = l->entry;
	struct judgement j;

	if (!allowed(l)) {
		refuse(l, "LoadCredentialUnit= of the credential does not name the unit");
		return;
	}
	if (!front_link_synced(f->link) && give_what_is_there(l))
		return;
	l->ask.min_valid_ms = wish(l);
	j = broker_judge(f, e, &l->ask);
	broker_ask_mint(f, e, &j, &l->ask, NULL);
	if (j.what == JUDGE_GIVE) {
		give(l, j.validity);
	} else if (j.what == JUDGE_WAIT) {
		wait_on(l, j.until_ms);
	} else if (!give_what_is_there(l)) {
		refuse(l, why_not(l, &j));
	}
}

/* --- what happens --- */

static struct load *load_new(struct front *f, size_t listener, struct user *u, int take_sock,
			     const struct peer *peer)
{
	struct load *l = calloc(1, sizeof(*l));

	if (!l) {
		f->counters.value[LIMIT_MEMORY]++;
		close(take_sock);
		return NULL;
	}
	list_init(&l->link);
	deadline_init(&l->deadline);
	l->front = f;
	l->listener = (uint32_t)listener;
	l->user = u;
	l->sock = take_sock;
	l->pid = peer->pid;
	l->gid = peer->gid;
	idle_enter(&f->idle);
	f->connections++;
	f->listeners[listener].connections++;
	u->connections++;
	return l;
}

/* Who it is and what it wants. 0, or -code with the reason. */
static int introduce(struct load *l, struct err *err)
{
	const struct front *f = l->front;
	struct sockaddr_un from = { 0 };
	socklen_t size = sizeof from;
	int r;

	if (getpeername(l->sock, (void *)&from, &size) < 0)
		return err_errno(err, ERR_INPUT, errno, "its address cannot be read");
	r = load_address_parse(&from, size, &l->address, err);
	if (r < 0)
		return r;
	if (f->rules.manager_uid < 0 || (int64_t)l->user->uid != f->rules.manager_uid)
		return err_set(err, ERR_INPUT, "only the service manager is believed");
	l->entry = table_find(&f->table, l->address.credential);
	return l->entry ? 0 : err_set(err, ERR_INPUT, "there is no such credential");
}

void load_accepted(struct front *f, size_t listener, struct user *u, int take_sock,
		   const struct peer *peer)
{
	struct load *l = load_new(f, listener, u, take_sock, peer);
	struct err err = { 0 };
	struct entry *e;

	if (!l)
		return;
	if (introduce(l, &err) < 0) {
		refuse(l, err.text);
		return;
	}
	e = l->entry;
	assert(e); /* or there would have been a reason */
	l->ask = (struct judge_ask){ .rejected = -1, .start_ms = loop_now_ms(f->loop), .first = true };
	l->ask.deadline_ms = l->ask.start_ms + f->rules.limits.load_wait_ms;
	step(l);
	if (e->want || e->report)
		front_link_send(f->link, e);
}

void load_changed(struct entry *e)
{
	struct list loads, *n;

	list_init(&loads);
	list_move_all(&loads, &e->loads);
	while ((n = list_shift(&loads)))
		step(LIST_OWNER(struct load, link, n));
}

void load_gone(struct entry *e)
{
	struct list *n;

	while ((n = list_shift(&e->loads)))
		refuse(LIST_OWNER(struct load, link, n), "the credential was removed");
}

void load_move(struct entry *to, struct entry *from)
{
	struct list *n;

	while ((n = list_shift(&from->loads))) {
		LIST_OWNER(struct load, link, n)->entry = to;
		list_append(&to->loads, n);
	}
}

void load_deadline(void *front)
{
	struct front *f = front;
	struct deadline *d;

	while ((d = deadlines_due(&f->loads_due, loop_now_ms(f->loop)))) {
		struct load *l = LIST_OWNER(struct load, deadline, d);
		struct entry *e = l->entry;

		step(l);
		if (e->want || e->report)
			front_link_send(f->link, e);
	}
}

void load_stop(struct front *f)
{
	struct list *n;

	for (size_t i = 0; i < f->table.n; i++) {
		while ((n = list_shift(&f->table.sorted[i]->loads)))
			refuse(LIST_OWNER(struct load, link, n), "the daemon stops");
	}
}
