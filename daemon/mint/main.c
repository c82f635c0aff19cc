/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sftokend-mint: holds the credentials and talks to Salesforce. Started by sftokend, with the control channel as descriptor 3 and the state lock as 4; the lock is only kept open,
 * so that there can be no second mint.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/harden.h"
#include "base/log_write.h"
#include "daemon/common/sandbox.h"
#include "daemon/mint/check.h"
#include "daemon/mint/logs.h"
#include "daemon/mint/mint.h"
#include "daemon/mint/sign.h"

enum { MISTAKES_MAX = 4 << 20, DRAIN_MS = 200 };

static int fail(int status, const struct err *err)
{
	log_last_words("sftokend-mint", "mint.failed", status, err->text);
	return status;
}

static void on_parent_gone(void *arg)
{
	struct mint *m = arg;

	log_event(LOG_LEVEL_WARNING, "mint.orphaned", F_STR("why", "the parent is gone"));
	mint_stop(m);
}

/* For people as lines; for those who read fields as events. */
static int print_mistakes(struct config_notes *mistakes)
{
	CLEANUP(buf_finip) struct buf text;

	if (log_get_format() != LOG_FORMAT_TEXT) {
		config_notes_sort(mistakes);
		load_log_mistakes(mistakes);
		return EX_CONFIG;
	}
	buf_init(&text, MISTAKES_MAX);
	config_notes_print(&text, mistakes, "");
	if (text.data)
		fputs(text.data, stderr);
	return EX_CONFIG;
}

static int serve(struct mint *m, struct err *err)
{
	const struct control_handlers handlers = { .message = mint_control,
						   .parent_gone = on_parent_gone,
						   .arg = m };

	m->control = control_open(m->loop, CONTROL_FD, &handlers, err);
	if (!m->control)
		return fail(EX_SOFTWARE, err);
	mint_use_events(m);
	mint_demand_loads(m);
	log_event(LOG_LEVEL_NOTICE, "mint.started", F_STR("version", SFTOKEN_VERSION),
		  F_INT("credentials", (int64_t)registry_count(m->registry)),
		  F_STR("memory", secret_arena_name()));
	if (loop_run(m->loop, err) < 0)
		return fail(EX_SOFTWARE, err);
	log_event(LOG_LEVEL_NOTICE, "mint.stopped",
		  F_INT("credentials", (int64_t)registry_count(m->registry)));
	return m->failed ? EX_SOFTWARE : EX_OK;
}

/* The settings say where the key of the store is, and the store has secrets of the credentials. A mistake in the settings must not hide those of the credentials. */
static int load_all(struct mint *m, struct load *l, struct err *err)
{
	struct credential_stored stored = { 0 };
	int r = load_settings(l, &m->places, m->service_uid, err);

	if (r == 0 && !l->mistakes.n) {
		r = mint_open_store(m, l->store_key, err);
		stored = mint_stored(m);
	}
	return r < 0 ? r
		     : load_credentials(l, &m->places, m->service_uid, stored.find ? &stored : NULL,
					err);
}

static int run(struct mint *m, struct err *err)
{
	static const int keep[] = { CONTROL_FD, STATE_LOCK_FD };
	CLEANUP(load_fini) struct load first = { 0 };
	int r;

	if (sandbox_close_descriptors(keep, 2, err) < 0)
		return fail(EX_SOFTWARE, err);
	sandbox_raise_descriptors();
	r = load_all(m, &first, err);
	if (first.settings)
		mint_use_log(m, first.settings);
	if (r < 0)
		return fail(r == -ERR_ADMIN || r == -ERR_EXISTS ? EX_CONFIG : EX_SOFTWARE, err);
	if (first.mistakes.n)
		return print_mistakes(&first.mistakes);
	load_log_warnings(&first.warnings);
	if (mint_build(m, &first, err) < 0)
		return fail(EX_SOFTWARE, err);
	load_fini(&first);
	return serve(m, err);
}

int main(int argc, char **argv)
{
	struct options options;
	struct mint mint = { .options = &options, .service_uid = geteuid() };
	struct err err = { 0 };
	int status;

	status = options_read(&options, argc, argv, &err);
	mint.places = options.places;
	if (status < 0 || options.version) {
		places_fini(&mint.places);
		if (status < 0)
			return fail(EX_USAGE, &err);
		printf("sftokend-mint %s\n", SFTOKEN_VERSION);
		return EX_OK;
	}
	if (harden_process(&err) < 0)
		return fail(EX_SOFTWARE, &err);
	if (places_resolve(&mint.places, &err) < 0)
		return fail(EX_CONFIG, &err);
	/* what a person has asked for at a terminal is plain text */
	if (options.check && !options.quiet)
		options.log_format = LOG_FORMAT_TEXT;
	logs_open(options.log_level >= 0 ? (enum log_level)options.log_level : LOG_LEVEL_INFO,
		  options.log_format >= 0 ? (enum log_format)options.log_format
					  : log_default_format());
	if (options.check)
		status = configuration_check(&mint.places, mint.service_uid, sign_check_key,
					     options.quiet, stdout, stderr);
	else
		status = run(&mint, &err);
	mint_fini(&mint);
	log_drain(DRAIN_MS);
	return status;
}
