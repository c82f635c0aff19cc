/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/mint.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log_write.h"
#include "daemon/mint/logs.h"
#include "daemon/mint/sign.h"

/* A front that runs says what it holds at once; without one nobody waits for tokens either. */
enum { FRONT_WAIT_MS = 5000, TELL_READY_MS = 50, STATUS_EVERY_MS = 1000 };
enum {
	TICK_MS = 15 * 1000,   /* reliability.md 1.2.1 */
	STEP_MS = 2000,        /* a wall clock that moved more than this against BOOTTIME was set */
	STOP_RESERVE_MS = 200, /* the parent kills at StopTimeout= */
};

/* --- readiness --- */

static void tell_ready(void *arg)
{
	struct mint *m = arg;
	struct control_message message = { .type = CONTROL_READY };
	char status[sizeof m->status];
	bool ready = m->ready || registry_ready(m->registry);

	if (registry_count(m->registry) == 0)
		snprintf(status, sizeof status, "no credential yet, see sftokend.credential(5)");
	else
		snprintf(status, sizeof status, "%zu credential%s, %zu with a token",
			 registry_count(m->registry), registry_count(m->registry) == 1 ? "" : "s",
			 registry_count_usable(m->registry));
	if (ready == m->ready && strcmp(status, m->status) == 0)
		return;
	snprintf(m->status, sizeof m->status, "%s", status);
	message.ready.status = m->status;
	if (ready && !m->ready)
		log_event(LOG_LEVEL_NOTICE, "mint.ready", F_STR("status", message.ready.status));
	m->ready = ready;
	message.ready.ready = (struct opt_bool){ ready, true };
	if (m->control)
		control_send(m->control, &message);
}

/* Counting all credentials is not done for each of many changes; but whoever waits for the start is told at once. */
static void tell_ready_soon(struct mint *m)
{
	int64_t delay = m->ready ? STATUS_EVERY_MS : m->status[0] ? TELL_READY_MS : 0;

	if (m->begun && !timer_is_set(m->tell_ready))
		timer_set(m->tell_ready, loop_now_ms(m->loop) + delay);
}

static void required_waited(void *arg)
{
	struct mint *m = arg;

	if (m->ready)
		return;
	log_event(LOG_LEVEL_WARNING, "mint.not_waiting",
		  F_STR("why", "a Required= credential still has no token"));
	m->ready = true;
	m->status[0] = '\0';
	tell_ready(m);
}

static bool is_ready(void *arg)
{
	const struct mint *m = arg;

	return m->ready || registry_ready(m->registry);
}

static const struct config_notes *last_warnings(void *arg)
{
	const struct mint *m = arg;

	return &m->warnings;
}

/* --- the store --- */

/* It may change in the middle of any write; whoever made it calls arm_store(). */
static void tell_store(struct mint *m)
{
	enum store_state now = store_state(m->store), before = m->store_told;
	const char *why = store_why(m->store);

	if (now == before)
		return;
	m->store_told = now;
	log_event(now == STORE_OK ? LOG_LEVEL_NOTICE : LOG_LEVEL_ERR, "store.state",
		  F_STR("from", store_state_names[before]), F_STR("to", store_state_names[now]),
		  F_STR("why", why && *why ? why : NULL));
}

static void arm_store(struct mint *m)
{
	int64_t due = store_due_ms(m->store);

	tell_store(m);
	if (due)
		timer_set(m->store_tick, due);
}

static void on_store_tick(void *arg)
{
	struct mint *m = arg;

	if (store_tick(m->store, loop_now_ms(m->loop)) && store_state(m->store) == STORE_OK)
		registry_adopted(m->registry);
	notices_changed(m->notices);
	arm_store(m);
}

/* --- what the parts tell each other --- */

static void on_changed(struct keeper *k, void *arg)
{
	struct mint *m = arg;

	publish_changed(m->publish, k);
	tell_ready_soon(m);
	notices_changed(m->notices);
	arm_store(m);
}

static void on_spent(void *arg)
{
	struct mint *m = arg;

	if (timer_is_set(m->stop_wait))
		loop_stop(m->loop);
}

static void on_settled(struct keeper *k, void *arg)
{
	struct mint *m = arg;

	if (m->manager)
		manager_settled(m->manager, k);
}

static void on_removed(struct keeper *k, void *arg)
{
	struct mint *m = arg;

	publish_removed(m->publish, keeper_name(k));
	if (m->manager)
		manager_removed(m->manager, k);
}

static void on_replaced(struct keeper *old, struct keeper *new, void *arg)
{
	struct mint *m = arg;

	if (m->manager)
		manager_replaced(m->manager, old, new);
}

static void on_logins_changed(struct keeper *k, void *arg)
{
	struct mint *m = arg;

	if (m->manager)
		manager_logins_changed(m->manager, k);
}

static void on_reloaded(void *arg)
{
	struct mint *m = arg;

	publish_reloaded(m->publish);
	if (m->manager)
		manager_reloaded(m->manager);
	tell_ready_soon(m);
}

static void begin(void *arg)
{
	struct mint *m = arg;

	timer_clear(m->front_wait);
	m->begun = true;
	registry_start(m->registry);
	notices_begin(m->notices);
	tell_ready_soon(m);
}

static void on_counters(const struct link_counters *c, void *arg)
{
	struct mint *m = arg;

	if (m->manager)
		manager_counters(m->manager, c);
}

static void on_other_build(void *arg)
{
	struct mint *m = arg;

	m->failed = true;
	loop_stop(m->loop);
}

static void on_clock_set(void *arg)
{
	struct mint *m = arg;

	log_event(LOG_LEVEL_NOTICE, "clock.set",
		  F_STR("effect", "times for display are computed anew"));
	m->wall_offset_ms = clock_real_ms() - clock_now_ms();
	for (size_t i = 0; i < registry_count(m->registry); i++)
		keeper_clock_set(registry_at(m->registry, i));
	notices_changed(m->notices);
}

/* The kernel tells of a clock that was set, but not in every container. */
static void on_tick(void *arg)
{
	struct mint *m = arg;
	int64_t moved = clock_real_ms() - clock_now_ms() - m->wall_offset_ms;

	if (moved > STEP_MS || moved < -STEP_MS)
		on_clock_set(m);
	arm_store(m);
	for (size_t i = 0; i < registry_count(m->registry); i++)
		keeper_look_at_files(registry_at(m->registry, i));
	notices_changed(m->notices);
	timer_set(m->tick, loop_now_ms(m->loop) + TICK_MS);
}

/* --- stopping --- */

static void stop_waited(void *arg)
{
	struct mint *m = arg;

	log_event(LOG_LEVEL_WARNING, "spend.abandoned",
		  F_STR("why", "the answer to a spent refresh token has not come in time"));
	loop_stop(m->loop);
}

void mint_stop(struct mint *m)
{
	int64_t wait = registry_settings(m->registry)->limits.stop_timeout_ms - STOP_RESERVE_MS;

	/* a lost answer of an assertion grant costs nothing: what is in flight is dropped */
	if (registry_stop(m->registry) == 0)
		loop_stop(m->loop);
	else if (!timer_is_set(m->stop_wait))
		timer_set(m->stop_wait, loop_now_ms(m->loop) + (wait > 0 ? wait : 0));
}

/* --- reload --- */

static struct secret *find_stored(const char *name, enum stored_secret kind, void *arg)
{
	struct mint *m = arg;
	const struct stored *e = store_find(m->store, name);

	return e ? e->secrets[kind] : NULL;
}

struct credential_stored mint_stored(struct mint *m)
{
	return (struct credential_stored){ .find = find_stored, .arg = m };
}

int mint_open_store(struct mint *m, const struct secret *key, struct err *err)
{
	const struct store_options options = {
		.state_dir = m->places.state_dir,
		.runtime_dir = m->places.runtime_dir,
		.key = key,
		.now_ms = clock_now_ms(),
		.now_real_ms = clock_real_ms(),
	};
	int r = store_open(&m->store, &options, err);

	if (r < 0)
		return r;
	tell_store(m);
	return 0;
}

void mint_use_log(const struct mint *m, const struct settings *s)
{
	int level = m->options->log_level >= 0 ? m->options->log_level : s->log.level;
	int format = m->options->log_format >= 0 ? m->options->log_format : s->log.format;

	logs_set(level >= 0 ? (enum log_level)level : LOG_LEVEL_INFO,
		 format >= 0 ? (enum log_format)format : log_default_format());
}

static int refuse(struct load *l, struct manager_reload *out, struct err *err)
{
	const struct config_note *first = &l->mistakes.items[0];

	load_log_mistakes(&l->mistakes);
	out->file = strdup(first->file ? first->file : "");
	out->line = first->line;
	out->message = strdup(first->text ? first->text : "");
	if (!first->line)
		return err_set(err, ERR_ADMIN, "%s: %s", out->file ? out->file : "",
			       out->message ? out->message : "");
	return err_set(err, ERR_ADMIN, "%s:%u: %s", out->file ? out->file : "", first->line,
		       out->message ? out->message : "");
}

static int copy_notes(struct config_notes *to, const struct config_notes *from)
{
	for (size_t i = 0; i < from->n; i++)
		config_note(to, from->items[i].file, from->items[i].line, "%s",
			    from->items[i].text);
	return to->out_of_memory ? -ERR_INTERNAL : 0;
}

static int apply(struct mint *m, struct load *l, struct manager_reload *out, struct err *err)
{
	/* what runs now still refers to the running settings until all have been told */
	CLEANUP(settings_unrefp)
	struct settings *running = settings_ref((struct settings *)registry_settings(m->registry));

	load_warn_restart(m->started, l->settings, &l->warnings);
	if (copy_notes(&out->warnings, &l->warnings) < 0)
		return err_oom(err);
	/* first, because the swap may start attempts */
	http_configure(m->http, l->settings);
	if (registry_swap(m->registry, l->settings, l->set, &out->diff, err) < 0) {
		http_configure(m->http, running);
		return err_oom(err);
	}
	mint_use_log(m, l->settings);
	mint_use_events(m);
	mint_demand_loads(m);
	config_notes_fini(&m->warnings);
	m->warnings = l->warnings;
	l->warnings = (struct config_notes){ 0 };
	log_event(LOG_LEVEL_NOTICE, "config.reloaded", F_INT("added", (int64_t)out->diff.added.n),
		  F_INT("changed", (int64_t)out->diff.changed.n),
		  F_INT("removed", (int64_t)out->diff.removed.n));
	return 0;
}

static int reload(struct mint *m, struct manager_reload *out, struct err *err)
{
	CLEANUP(load_fini) struct load l = { 0 };
	const struct credential_stored stored = mint_stored(m);
	int r;

	/* keys of files that have changed must not live on, and a token that is still logged in would take any PIN */
	sign_forget();
	r = load_read(&l, &m->places, m->service_uid, &stored, err);
	if (r < 0)
		return r;
	if (l.mistakes.n)
		return refuse(&l, out, err);
	return apply(m, &l, out, err);
}

int mint_reload(struct manager_reload *out, struct err *err, void *arg)
{
	int r = reload(arg, out, err);

	if (r < 0)
		log_event(LOG_LEVEL_ERR, "config.refused", F_STR("message", err->text));
	return r;
}

/* --- events --- */

static void tell_event(int event, const char *credential, void *arg)
{
	const struct mint *m = arg;
	const struct control_message message = { .type = CONTROL_EVENT,
						 .event = { event, credential } };

	if (m->control)
		control_send(m->control, &message);
}

void mint_use_events(struct mint *m)
{
	const struct control_message message = { .type = CONTROL_ON_EVENT };

	if (m->control)
		control_send(m->control, &message);
	notices_changed(m->notices);
}

/* --- building and ending --- */

static uint64_t seed(void)
{
	uint64_t value = 0;

	if (getrandom(&value, sizeof value, 0) != sizeof value)
		value = (uint64_t)getpid();
	return value;
}

static int build_parts(struct mint *m, struct load *first, struct err *err)
{
	const struct registry_handlers registry = {
		.changed = on_changed,
		.settled = on_settled,
		.removed = on_removed,
		.replaced = on_replaced,
		.logins_changed = on_logins_changed,
		.reloaded = on_reloaded,
		.spent = on_spent,
		.arg = m,
	};
	const struct publish_handlers publish = { .taken_over = begin,
						  .counters = on_counters,
						  .other_build = on_other_build,
						  .arg = m };
	const struct manager_handlers manager = {
		.reload = mint_reload, .warnings = last_warnings, .ready = is_ready, .arg = m
	};

	m->http = http_new(m->loop, first->settings, err);
	m->attempts = m->http ? attempts_new(m->loop, m->http, first->settings, err) : NULL;
	m->registry = m->attempts
			      ? registry_new(m->loop, m->attempts, m->store, &registry, seed(), err)
			      : NULL;
	m->publish = m->registry ? publish_new(m->loop, m->registry, m->service_uid, &publish, err)
				 : NULL;
	if (!m->publish || registry_swap(m->registry, first->settings, first->set, NULL, err) < 0)
		return -ERR_INTERNAL;
	m->notices = notices_new(m->loop, m->registry, tell_event, m);
	if (!m->notices)
		return -ERR_INTERNAL;
	m->manager = manager_new(m->loop, m->registry, m->publish, m->service_uid, &manager, err);
	if (m->places.user_mode)
		publish_user_mode(m->publish);
	return m->manager ? 0 : -ERR_INTERNAL;
}

int mint_build(struct mint *m, struct load *first, struct err *err)
{
	mint_use_log(m, first->settings);
	m->loop = loop_new(err);
	if (!m->loop || logs_use_loop(m->loop, err) < 0)
		return -ERR_INTERNAL;
	m->front_wait = timer_new(m->loop, begin, m);
	m->required_wait = timer_new(m->loop, required_waited, m);
	m->tell_ready = timer_new(m->loop, tell_ready, m);
	m->tick = timer_new(m->loop, on_tick, m);
	m->store_tick = timer_new(m->loop, on_store_tick, m);
	m->stop_wait = timer_new(m->loop, stop_waited, m);
	if (!m->front_wait || !m->required_wait || !m->tell_ready || !m->tick || !m->store_tick ||
	    !m->stop_wait)
		return err_oom(err);
	if (build_parts(m, first, err) < 0)
		return -ERR_INTERNAL;
	m->started = settings_ref(first->settings);
	m->warnings = first->warnings;
	first->warnings = (struct config_notes){ 0 };
	loop_on_clock_set(m->loop, on_clock_set, m);
	m->wall_offset_ms = clock_real_ms() - clock_now_ms();
	timer_set(m->tick, loop_now_ms(m->loop) + TICK_MS);
	arm_store(m);
	timer_set(m->front_wait, loop_now_ms(m->loop) + FRONT_WAIT_MS);
	timer_set(m->required_wait,
		  loop_now_ms(m->loop) + first->settings->limits.required_wait_ms);
	return 0;
}

void mint_fini(struct mint *m)
{
	control_close(TAKE(m->control));
	manager_free(TAKE(m->manager));
	notices_free(TAKE(m->notices));
	/* keepers tell publish what they do until the end, and cancel what they asked */
	registry_free(TAKE(m->registry));
	publish_free(TAKE(m->publish));
	attempts_free(TAKE(m->attempts));
	http_free(TAKE(m->http));
	store_close(TAKE(m->store));
	timer_free(TAKE(m->front_wait));
	timer_free(TAKE(m->required_wait));
	timer_free(TAKE(m->tell_ready));
	timer_free(TAKE(m->tick));
	timer_free(TAKE(m->store_tick));
	timer_free(TAKE(m->stop_wait));
	logs_use_loop(NULL, NULL);
	loop_free(TAKE(m->loop));
	config_notes_fini(&m->warnings);
	m->started = settings_unref(m->started);
	sign_forget();
	places_fini(&m->places);
}
