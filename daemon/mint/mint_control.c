/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parent says, and what is done about it.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "daemon/mint/mint.h"

static void take_listener(struct mint *m, const struct control_listener *l, int fd)
{
	struct err err = { 0 };

	if (fd < 0 || !l->interface || strcmp(l->interface, "manager") != 0) {
		if (fd >= 0)
			close(fd);
		return;
	}
	if (manager_listen(m->manager, fd, l->name, l->path, &err) < 0)
		log_event(LOG_LEVEL_ERR, "listener.failed", F_STR("listener", l->name),
			  F_STR("why", err.text));
}

void mint_demand_loads(struct mint *m)
{
	const struct control_message want = { .type = CONTROL_LISTENER,
					      .listener = { .name = "credential",
							    .interface = "credential",
							    .path = "" } };
	const struct listener_settings *l = registry_settings(m->registry)->listeners;

	/* one that a section describes was opened by the parent: it has the others to itself */
	while (l && strcmp(l->name, want.listener.name) != 0)
		l = l->next;
	if (l && !l->on_demand && m->control)
		control_send(m->control, &want);
}

static void take_link(struct mint *m, int fd)
{
	struct err err = { 0 };

	if (fd >= 0 && publish_link(m->publish, fd, &err) < 0)
		log_event(LOG_LEVEL_ERR, "link.failed", F_STR("why", err.text));
}

static void reload(struct mint *m)
{
	struct control_message answer = { .type = CONTROL_RELOADED };
	CLEANUP(manager_reload_fini) struct manager_reload r = { 0 };
	struct err err = { 0 };
	char text[120];

	if (mint_reload(&r, &err, m) == 0) {
		snprintf(text, sizeof text, "%zu added, %zu changed, %zu removed", r.diff.added.n,
			 r.diff.changed.n, r.diff.removed.n);
		answer.reloaded.ok = (struct opt_bool){ true, true };
		answer.reloaded.message = text;
	} else {
		answer.reloaded.ok = (struct opt_bool){ false, true };
		answer.reloaded.message = err.text;
	}
	control_send(m->control, &answer);
}

static void write_credential_status(struct keeper *k, int64_t now_ms)
{
	const struct schedule *s = keeper_schedule(k);
	struct keeper_problem p = keeper_problem(k);

	log_event(LOG_LEVEL_NOTICE, "status.credential", F_STR("credential", keeper_name(k)),
		  F_STR("state", state_names[s->state]), F_INT("generation", s->generation),
		  F_INT("left_s", s->has_token ? (s->deadline_ms - now_ms) / 1000 : 0),
		  F_INT("next_s", s->next_attempt_ms ? (s->next_attempt_ms - now_ms) / 1000 : -1),
		  F_INT("attempts", s->attempts),
		  F_STR("problem", p.error >= 0 ? p.message : NULL));
}

static void write_status(struct mint *m)
{
	log_event(LOG_LEVEL_NOTICE, "status.mint", F_STR("version", SFTOKEN_VERSION),
		  F_INT("credentials", (int64_t)registry_count(m->registry)),
		  F_INT("with_token", (int64_t)registry_count_usable(m->registry)),
		  F_INT("ready", m->ready));
	for (size_t i = 0; i < registry_count(m->registry); i++)
		write_credential_status(registry_at(m->registry, i), loop_now_ms(m->loop));
}

void mint_control(const struct control_message *message, int fd, void *arg)
{
	struct mint *m = arg;

	switch (message->type) {
	case CONTROL_LISTENER:
		take_listener(m, &message->listener, fd);
		return;
	case CONTROL_LINK:
		take_link(m, fd);
		return;
	case CONTROL_RELOAD:
		reload(m);
		break;
	case CONTROL_STOP:
		mint_stop(m);
		break;
	case CONTROL_WRITE_STATUS:
		write_status(m);
		break;
	case CONTROL_ABOUT:
		manager_about(m->manager, &message->about);
		break;
	default:
		break;
	}
	if (fd >= 0)
		close(fd);
}
