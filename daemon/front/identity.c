/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/front/identity.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/front/broker.h"

/* --- asking --- */

/* Nobody can say: a process of another pid namespace, which has no number here, or a kernel without pidfds of peers. */
static void give_up(struct identity *i)
{
	i->known = true;
	list_remove(&i->link);
}

static void ask(struct front *f, struct identity *i)
{
	if (!i->asked && !i->known)
		i->asked = front_link_identify(f->link, i->id,
					       connection_peer(i->caller->connection)->pid);
}

/* The mint looks at programs that some rule names, no others, and a rule has come or changed since. */
static bool is_outdated(const struct caller *c)
{
	const struct identity *i = c->identity;

	return i && i->known && i->pidfd >= 0 && !i->executable &&
	       i->programs != c->front->table.programs;
}

/* Then it is asked for again. */
static void renew(struct caller *c)
{
	if (!is_outdated(c))
		return;
	identity_free(c->identity);
	c->identity = NULL;
	c->last_version = c->null_version = 0;
}

/* The identity of c, begun on first use. NULL: no memory. */
static struct identity *identity_of(struct caller *c)
{
	struct front *f = c->front;
	struct identity *i;

	renew(c);
	i = c->identity;
	if (i)
		return i;
	i = calloc(1, sizeof(*i));
	if (!i) {
		f->counters.value[LIMIT_MEMORY]++;
		return NULL;
	}
	list_init(&i->link);
	deadline_init(&i->deadline);
	i->caller = c;
	i->id = ++f->identities;
	i->pidfd = connection_peer(c->connection)->pid > 0
			   ? peer_pidfd(connection_sock(c->connection))
			   : -1;
	c->identity = i;
	list_append(&f->unidentified, &i->link);
	if (i->pidfd < 0)
		give_up(i);
	ask(f, i);
	return i;
}

void identity_free(struct identity *i)
{
	if (!i)
		return;
	list_remove(&i->link);
	deadlines_clear(&i->caller->front->identify_due, &i->deadline);
	if (i->pidfd >= 0)
		close(i->pidfd);
	free(i->unit);
	free(i->executable);
	free(i);
}

void identity_ask_all(struct front *f, bool again)
{
	for (struct list *n = f->unidentified.next; n != &f->unidentified; n = n->next) {
		struct identity *i = LIST_OWNER(struct identity, link, n);

		i->asked = i->asked && !again;
		ask(f, i);
	}
}

/* --- judging --- */

/* After an end the number may be somebody else's, and what is still to be said on the socket is said by others. */
const struct proof *identity_proof(struct caller *c, struct proof *proof)
{
	const struct identity *i;

	renew(c);
	i = c->identity;
	if (!i || !i->known)
		return NULL;
	*proof = (struct proof){ 0 };
	if (!connection_peer(c->connection)->shared && i->pidfd >= 0 && peer_lives(i->pidfd))
		*proof = (struct proof){ .unit = i->unit, .executable = i->executable };
	return proof;
}

enum policy identity_judge(struct caller *c, const struct entry *e)
{
	const struct peer *p = connection_peer(c->connection);
	const struct globs *globs = c->front->listeners[c->listener].globs;
	struct proof proof;
	enum policy judged = policy_judge(&e->access, p, NULL, globs, entry_name(e));

	if (judged == POLICY_UNKNOWN && identity_of(c))
		judged = policy_judge(&e->access, p, identity_proof(c, &proof), globs,
				      entry_name(e));
	return judged;
}

/* Some credential has a rule that may let c in. Kept: nobody waits who need not, and most look once. */
static bool rule_may_decide(struct caller *c)
{
	const struct table *t = &c->front->table;
	const struct globs *globs = c->front->listeners[c->listener].globs;

	if (t->n_ruled == 0 || c->unruled_version == t->version)
		return false;
	for (size_t i = 0; i < t->n; i++) {
		const struct entry *e = t->sorted[i];

		if (access_has_rules(&e->access) &&
		    policy_judge(&e->access, connection_peer(c->connection), NULL, globs,
				 entry_name(e)) == POLICY_UNKNOWN)
			return true;
	}
	c->unruled_version = t->version;
	return false;
}

bool identity_suspend(struct caller *c, const struct varlink_call *call)
{
	struct front *f = c->front;
	struct identity *i;

	renew(c);
	if ((c->identity && c->identity->known) || !rule_may_decide(c))
		return false;
	i = identity_of(c);
	if (!i || i->known || i->late)
		return false;
	if (deadlines_set(&f->identify_due, &i->deadline,
			  loop_now_ms(f->loop) + f->rules.limits.identify_wait_ms) < 0)
		return false;
	i->call = *call;
	i->suspended = true;
	return true;
}

/* --- answers --- */

static void resume(struct identity *i)
{
	struct caller *c = i->caller;
	const struct varlink_call call = i->call; /* i may go with its caller */

	deadlines_clear(&c->front->identify_due, &i->deadline);
	if (!i->suspended)
		return;
	i->suspended = false;
	broker_resume(c, &call);
}

static char *copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

void identity_answered(struct front *f, const struct link_identity *m)
{
	struct list *n = f->unidentified.next;
	struct identity *i = NULL;

	for (; n != &f->unidentified && !i; n = n->next) {
		i = LIST_OWNER(struct identity, link, n);
		if (!m->id.set || i->id != m->id.value)
			i = NULL;
	}
	if (!i)
		return; /* it has gone meanwhile */
	list_remove(&i->link);
	i->known = true;
	/* the mint answers by the rules that it has told of: what it tells later changes them again */
	i->programs = f->table.programs;
	/* what stands in /proc/PID was its own, because it has not ended yet */
	if (peer_lives(i->pidfd)) {
		i->unit = copy(m->unit);
		i->executable = copy(m->executable);
	}
	/* what was found out without it */
	i->caller->last_version = i->caller->null_version = 0;
	if (i->suspended)
		resume(i);
	else
		broker_identified(i->caller);
}

void identity_deadline(void *front)
{
	struct front *f = front;
	struct deadline *d;

	while ((d = deadlines_due(&f->identify_due, loop_now_ms(f->loop)))) {
		struct identity *i = LIST_OWNER(struct identity, deadline, d);

		f->counters.value[LIMIT_IDENTIFY_WAIT]++;
		i->late = true;
		resume(i);
	}
}

void identity_stop(struct front *f)
{
	for (struct list *n = f->unidentified.next; n != &f->unidentified; n = n->next) {
		struct identity *i = LIST_OWNER(struct identity, link, n);

		if (i->suspended)
			broker_shutting_down(i->caller);
		i->suspended = false;
	}
}
