/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mint/load.h"

#include <string.h>

#include "daemon/mint/sign.h"

int load_read(struct load *l, const struct places *places, uid_t service_uid, struct err *err)
{
	memset(l, 0, sizeof *l);
	l->settings = settings_read(places, service_uid, &l->mistakes, err);
	if (!l->settings)
		return -ERR_INTERNAL;
	l->set = credential_set_read(places, l->settings, service_uid, sign_check_key, &l->mistakes,
				     &l->warnings, err);
	if (!l->set)
		return -ERR_INTERNAL;
	if (!settings_listeners(l->settings, places, err)) {
		if (err->code == ERR_INTERNAL)
			return -ERR_INTERNAL;
		config_note(&l->mistakes, places->config_dir, 0, "%s", err->text);
	}
	if (l->mistakes.out_of_memory || l->warnings.out_of_memory)
		return err_oom(err);
	config_notes_sort(&l->mistakes);
	return 0;
}

void load_fini(struct load *l)
{
	settings_unref(l->settings);
	credential_set_unref(l->set);
	config_notes_fini(&l->mistakes);
	config_notes_fini(&l->warnings);
	memset(l, 0, sizeof *l);
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
		    texts_differ(a->group, b->group))
			return true;
	return a || b;
}

void load_warn_restart(const struct settings *running, const struct settings *fresh,
		       struct config_notes *warnings)
{
	const char *file;
	unsigned line;

	config_origin_of(fresh->origin, "Daemon", "User", &file, &line);
	if (texts_differ(running->daemon.user, fresh->daemon.user))
		config_note(warnings, file ? file : "sftokend.conf", line,
			    "User= has changed: restart the daemon to use it");
	if (sockets_differ(running->listeners, fresh->listeners))
		config_note(
			warnings, "sftokend.conf", 0,
			"sockets have changed (Path=, Mode=, Group= or their number): restart the daemon to open them");
}
