/* SPDX-License-Identifier: Apache-2.0 */
/* People: they log in where a login is wanted, mend what an administrator has broken, change the configuration, switch credentials off and on. */
#include <string.h>

#include "daemon/mint/keeper.h"
#include "tests/sim/world_parts.h"

static struct {
	bool logging_in[SIM_CREDENTIALS];
	char token[SIM_CREDENTIALS][80]; /* given by Salesforce, not yet imported */
} people;

static size_t of(void *arg)
{
	return (size_t)(uintptr_t)arg;
}

/* "sftoken import": tried again until the daemon takes it. */
static void import(void *arg)
{
	size_t user = of(arg);
	struct keeper *k = world_running() && !disk_dead() ? world_keeper(user) : NULL;
	struct secret *token;
	struct err err = { 0 };
	int r = -1;

	if (!people.token[user][0])
		sf_login(user, people.token[user], sizeof people.token[user]);
	if (k) {
		token = secret_new(people.token[user], strlen(people.token[user]));
		r = keeper_give_refresh(k, token, NULL, &err);
		secret_unref(token);
	}
	if (r < 0 || disk_dead()) {
		if (disk_dead()) /* nobody knows whether it was taken: another login is the safe way */
			people.token[user][0] = '\0';
		sim_at(sim_now() + sim_between(1, 20) * MINUTES, import, arg);
		return;
	}
	sim_note("operator: imports %s", people.token[user]);
	watch_login(user, people.token[user]);
	people.token[user][0] = '\0';
	people.logging_in[user] = false;
}

static bool wants_login(const struct keeper *k)
{
	return keeper_schedule(k)->state == STATE_LOGIN_REQUIRED;
}

static void look(void *arg)
{
	(void)arg;
	for (size_t user = 0; user < world_count() && world_running(); user++) {
		struct keeper *k = world_keeper(user);

		if (!k || people.logging_in[user] || sf_user(user)->kind != SF_REFRESH ||
		    !wants_login(k))
			continue;
		people.logging_in[user] = true;
		sim_at(sim_now() + sim_about(12 * HOURS), import, (void *)(uintptr_t)user);
	}
	sim_at(sim_now() + sim_between(1, 6) * HOURS, look, NULL);
}

/* --- the org's administrator --- */

static void mend(void *arg)
{
	size_t user = of(arg);
	struct keeper *k = world_running() && !disk_dead() ? world_keeper(user) : NULL;

	sf_mend(user);
	sim_note("operator: %zu is mended", user);
	watch_mended(user);
	fate_disturb(user);
	if (k)
		keeper_refresh(k);
}

static void spoil(void *arg)
{
	static const char *const errors[][2] = {
		{ "inactive_user", "user is inactive" },
		{ "invalid_client", "invalid client credentials" },
		{ "invalid_app_access", "user is not admin approved" },
	};
	size_t user = sim_below(world_count()), which = sim_below(3);

	(void)arg;
	if (!sf_refused(user)) {
		sim_note("salesforce: %zu gets %s", user, errors[which][0]);
		sf_refuse(user, errors[which][0], errors[which][1]);
		fate_disturb(user);
		sim_at(sim_now() + sim_about(2 * DAYS), mend, (void *)(uintptr_t)user);
	}
	sim_at(sim_now() + sim_about(20 * DAYS), spoil, NULL);
}

/* --- configuration --- */

static void put_back(void *arg)
{
	size_t user = of(arg);

	world.credentials[user].removed = false;
	sim_note("operator: puts %zu back", user);
	fate_disturb(user);
	watch_mended(user);
	world_reload();
}

static void reload(void *arg)
{
	size_t user = sim_below(world_count());
	struct world_credential *c = &world.credentials[user];

	(void)arg;
	fate_disturb(user);
	if (!c->removed && sim_once_in(3)) {
		sim_note("operator: removes %zu", user);
		c->removed = true;
		watch_excuse(user);
		sim_at(sim_now() + sim_about(3 * DAYS), put_back, (void *)(uintptr_t)user);
	} else {
		/* nothing that makes it another credential */
		c->renew_when_idle = sf_user(user)->kind == SF_CLIENT && user % 10 == 9
					     ? sim_once_in(2)
					     : true;
		/* who believes in less than a token that comes again has, asks for it until it goes */
		if (sf_user(user)->reuse == SF_NEW)
			c->session_ms = sim_once_in(2) ? sf_user(user)->session_ms
						       : c->session_ms * 9 / 10;
		else
			c->idle_stop_ms = c->idle_stop_ms ? 0 : 60 * DAYS;
		sim_note("operator: changes %zu", user);
	}
	watch_intervened(user);
	if (!sim_suspended())
		world_reload();
	sim_at(sim_now() + sim_about(8 * DAYS), reload, NULL);
}

static void enable(void *arg)
{
	size_t user = of(arg);
	struct keeper *k = world_running() && !disk_dead() ? world_keeper(user) : NULL;

	if (!k) {
		sim_at(sim_now() + HOURS, enable, arg);
		return;
	}
	sim_note("operator: enables %zu", user);
	fate_disturb(user);
	watch_mended(user);
	keeper_set_enabled(k, true);
}

static void disable(void *arg)
{
	size_t user = sim_below(world_count());
	struct keeper *k = world_running() && !disk_dead() ? world_keeper(user) : NULL;

	(void)arg;
	if (k) {
		sim_note("operator: disables %zu", user);
		fate_disturb(user);
		watch_excuse(user);
		keeper_set_enabled(k, false);
		sim_at(sim_now() + sim_about(DAYS), enable, (void *)(uintptr_t)user);
	}
	sim_at(sim_now() + sim_about(25 * DAYS), disable, NULL);
}

void operator_begin(void)
{
	memset(&people, 0, sizeof people);
	for (size_t user = 0; user < world_count(); user++)
		if (sf_user(user)->kind == SF_REFRESH) {
			people.logging_in[user] = true;
			sim_at(sim_between(5, 120) * SECONDS, import, (void *)(uintptr_t)user);
		}
	sim_at(6 * HOURS, look, NULL);
	sim_at(sim_about(20 * DAYS), spoil, NULL);
	sim_at(sim_about(8 * DAYS), reload, NULL);
	sim_at(sim_about(25 * DAYS), disable, NULL);
}
