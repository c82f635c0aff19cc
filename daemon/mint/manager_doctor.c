/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manager.Diagnose: one reply a step. Replies are short and few: what a slow reader has not taken waits in its connection.
 */
#include "daemon/mint/manager_parts.h"

enum { DOCTORS_MAX = 4, AGAIN_S = 2 };

static void on_found(enum doctor_step step, const struct doctor_finding *f, bool last, void *arg)
{
	struct client *c = arg;
	struct buf *out = connection_out(c->connection);
	struct diagnose_reply reply = {
		.step = doctor_step_names[step],
		.outcome = f->outcome,
		.message = f->message,
		.action = f->action[0] ? f->action : NULL,
		.actor = f->actor,
	};

	varlink_begin_reply(out);
	fields_encode(&diagnose_reply_table, &reply, out);
	varlink_end_reply(out, !last);
	if (last) {
		c->doctor = NULL; /* it frees itself */
		c->waits = WAITS_NOT;
	}
	connection_reply(c->connection, !last);
}

/* One at a time for a credential, few in all: each may cost a login. */
static bool may_begin(const struct manager *m, const struct keeper *k)
{
	size_t n = 0;

	for (const struct client *c = m->clients; c; c = c->next) {
		if (!c->doctor)
			continue;
		if (doctor_keeper(c->doctor) == k)
			return false;
		n++;
	}
	return n < DOCTORS_MAX;
}

void manager_call_diagnose(void *client, const struct varlink_call *call, const void *params)
{
	static const struct broker_error_fields busy = { .retry_after_s = { AGAIN_S, true } };
	struct client *c = client;
	struct manager *m = c->manager;
	const struct credential_call *p = params;
	struct keeper *k = registry_find_alias(m->registry, p->credential);
	struct doctor_handlers handlers = { .found = on_found, .arg = c };

	(void)call;
	if (!k) {
		manager_no_such_credential(c, p->credential);
		return;
	}
	if (may_begin(m, k))
		c->doctor = doctor_new(m->loop, m->registry, k, &handlers);
	if (!c->doctor) {
		manager_broker_error(c, BROKER_RATE_LIMITED, &busy);
		return;
	}
	c->waits = WAITS_DOCTOR;
	log_event(LOG_LEVEL_INFO, "manager.diagnose", F_STR("credential", keeper_name(k)),
		  F_INT("uid", connection_peer(c->connection)->uid),
		  F_INT("pid", connection_peer(c->connection)->pid));
}

/* Both may end a doctor, which leaves the list of clients as it is. */
void manager_doctors_settled(struct manager *m, const struct keeper *k)
{
	for (struct client *c = m->clients; c; c = c->next)
		if (c->doctor && doctor_keeper(c->doctor) == k)
			doctor_settled(c->doctor);
}

void manager_doctors_forget(struct manager *m, const struct keeper *k)
{
	for (struct client *c = m->clients; c; c = c->next)
		if (c->doctor && doctor_keeper(c->doctor) == k)
			doctor_forget(c->doctor);
}
