/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/load.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/mint/certificate.h"
#include "daemon/mint/sign.h"

/* What opens the store must not be guessed. */
enum { STORE_KEY_MIN = 16 };

static void note_key(const struct settings *s, struct config_notes *notes, const char *text)
{
	const char *file;
	unsigned line;

	config_origin_of(s->origin, "Store", "Key", &file, &line);
	config_note(notes, file ? file : "sftokend.conf", line, "Key=: %s", text);
}

int load_store_key(const struct settings *s, uid_t service_uid, struct config_notes *notes,
		   struct secret **key, struct err *err)
{
	struct err why = { 0 };

	*key = NULL;
	if (!s->store.key || !strcmp(s->store.key, "auto"))
		return 0;
	*key = credential_secret(s->store.key, service_uid, true, &why);
	if (!*key && why.code == ERR_INTERNAL)
		return err_set(err, ERR_INTERNAL, "%s", why.text);
	if (!*key) {
		note_key(s, notes, why.text);
	} else if (secret_size(*key) < STORE_KEY_MIN) {
		*key = secret_unref(*key);
		note_key(s, notes,
			 "the key has less than 16 bytes — make one with: openssl rand -hex 32");
	}
	return 0;
}

bool load_key_comes_later(const struct settings *s, bool outside, struct config_notes *warnings)
{
	const char *file;
	unsigned line;

	if (!s->store.key || !credential_comes_later(s->store.key, outside))
		return false;
	config_origin_of(s->origin, "Store", "Key", &file, &line);
	config_note(warnings, file ? file : "sftokend.conf", line, "Key=: " CREDENTIAL_COMES_LATER,
		    s->store.key);
	return true;
}

static int settle(struct load *l, struct err *err)
{
	if (l->mistakes.out_of_memory || l->warnings.out_of_memory)
		return err_oom(err);
	config_notes_sort(&l->mistakes);
	return 0;
}

int load_settings(struct load *l, const struct places *places, uid_t service_uid, struct err *err)
{
	memset(l, 0, sizeof *l);
	l->settings = settings_read(places, service_uid, &l->mistakes, err);
	if (!l->settings ||
	    load_store_key(l->settings, service_uid, &l->mistakes, &l->store_key, err) < 0)
		return -ERR_INTERNAL;
	return settle(l, err);
}

static void note_certificate(const struct credential *c, struct config_notes *warnings,
			     const char *text)
{
	const char *file;
	unsigned line;

	config_origin_of(c->origin, "Credential", "Certificate", &file, &line);
	config_note(warnings, file ? file : c->name, line, "Certificate=: %s", text);
}

/* One that is wrong is a warning: tokens are got without it. */
static int read_certificates(struct credential_set *set, uid_t service_uid, bool outside,
			     struct config_notes *warnings, struct err *err)
{
	int64_t now_s = clock_real_ms() / 1000;

	for (size_t i = 0; i < set->n; i++) {
		struct credential *c = set->items[i];
		struct err why = { 0 };
		int r;

		if (c->certificate_ref && credential_comes_later(c->certificate_ref, outside)) {
			err_set(&why, ERR_ADMIN, CREDENTIAL_COMES_LATER, c->certificate_ref);
			note_certificate(c, warnings, why.text);
			continue;
		}
		r = certificate_read(c, service_uid, now_s, &c->certificate_ends_s, &why);
		if (r == -ERR_INTERNAL)
			return err_set(err, ERR_INTERNAL, "%s", why.text);
		if (r < 0)
			note_certificate(c, warnings, why.text);
	}
	return 0;
}

/* The rule for polkit that comes with us knows no other units. What is no unit at all is a mistake already. */
static void check_event_unit(const struct settings *s, const struct places *places,
			     uid_t service_uid, struct config_notes *warnings)
{
	const char *unit = s->daemon.on_event, *file;
	unsigned line;

	if (!unit || places->user_mode || service_uid == 0 || !strncmp(unit, "sftoken-", 8) ||
	    !settings_is_template(unit))
		return;
	config_origin_of(s->origin, "Daemon", "OnEvent", &file, &line);
	config_note(
		warnings, file ? file : "sftokend.conf", line,
		"OnEvent=%.60s needs a polkit rule of yours: the one that comes with sftokend is "
		"for units named sftoken-NAME@.service",
		unit);
}

int load_events(const struct settings *s, struct credential_set *set, const struct places *places,
		uid_t service_uid, struct config_notes *warnings, struct err *err)
{
	check_event_unit(s, places, service_uid, warnings);
	return read_certificates(set, service_uid, places->outside, warnings, err);
}

int load_credentials(struct load *l, const struct places *places, uid_t service_uid,
		     const struct credential_stored *stored, struct err *err)
{
	l->set = credential_set_read(places, l->settings, service_uid, sign_check_key, stored,
				     &l->mistakes, &l->warnings, err);
	if (!l->set || load_events(l->settings, l->set, places, service_uid, &l->warnings, err) < 0)
		return -ERR_INTERNAL;
	if (!settings_listeners(l->settings, places, err)) {
		if (err->code == ERR_INTERNAL)
			return -ERR_INTERNAL;
		/* what a section has wrong has been said at its line */
		if (!l->mistakes.n)
			config_note(&l->mistakes, places->config_dir, 0, "%s", err->text);
	}
	if (credential_set_loads(l->set))
		settings_demand_loads(l->settings);
	return settle(l, err);
}

int load_read(struct load *l, const struct places *places, uid_t service_uid,
	      const struct credential_stored *stored, struct err *err)
{
	int r = load_settings(l, places, service_uid, err);

	return r < 0 ? r : load_credentials(l, places, service_uid, stored, err);
}

void load_fini(struct load *l)
{
	settings_unref(l->settings);
	secret_unref(l->store_key);
	credential_set_unref(l->set);
	config_notes_fini(&l->mistakes);
	config_notes_fini(&l->warnings);
	memset(l, 0, sizeof *l);
}

/* What concerns a whole file has no line. */
static size_t note_fields(const struct config_note *note, struct log_field fields[3])
{
	size_t n = 0;

	fields[n++] = F_STR("file", note->file);
	if (note->line)
		fields[n++] = F_INT("line", note->line);
	fields[n++] = F_STR("message", note->text);
	return n;
}

void load_log_mistakes(const struct config_notes *mistakes)
{
	struct log_field fields[3];

	for (size_t i = 0; i < mistakes->n; i++) {
		size_t n = note_fields(&mistakes->items[i], fields);

		log_fields(LOG_LEVEL_ERR, "config.mistake", fields, n);
	}
}

void load_log_warnings(const struct config_notes *warnings)
{
	struct log_field fields[3];

	for (size_t i = 0; i < warnings->n; i++) {
		size_t n = note_fields(&warnings->items[i], fields);

		log_fields(LOG_LEVEL_WARNING, "config.warning", fields, n);
	}
}

static bool texts_differ(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") != 0;
}

static bool sockets_differ(const struct listener_settings *a, const struct listener_settings *b)
{
	for (; a && b; a = a->next, b = b->next)
		if (texts_differ(a->name, b->name) || a->interface != b->interface ||
		    texts_differ(a->path, b->path) || a->mode != b->mode ||
		    texts_differ(a->group, b->group) || texts_differ(a->fd_name, b->fd_name))
			return true;
	return a || b;
}

void load_warn_restart(const struct settings *started, const struct settings *fresh,
		       struct config_notes *warnings)
{
	const char *file;
	unsigned line;

	config_origin_of(fresh->origin, "Daemon", "User", &file, &line);
	if (texts_differ(started->daemon.user, fresh->daemon.user))
		config_note(warnings, file ? file : "sftokend.conf", line,
			    "User= has changed: restart the daemon to use it");
	config_origin_of(fresh->origin, "Store", "Key", &file, &line);
	if (texts_differ(started->store.key, fresh->store.key))
		config_note(warnings, file ? file : "sftokend.conf", line,
			    "Key= has changed: restart the daemon to use it");
	if (sockets_differ(started->listeners, fresh->listeners))
		config_note(
			warnings, "sftokend.conf", 0,
			"sockets have changed (Path=, Mode=, Group= or their number): restart the daemon to open them");
}
