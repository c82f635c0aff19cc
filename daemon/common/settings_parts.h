/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between settings.c, settings_keys.c and listeners.c; nobody else includes this.
 */
#ifndef COMMON_SETTINGS_PARTS_H
#define COMMON_SETTINGS_PARTS_H

#include "daemon/common/settings.h"

/* The section of that name ("Limits", "Listener "); never NULL for a name that exists. */
const struct config_section *settings_section(const char *name);

/* config_section.named of [Listener NAME]: the one of that name in struct settings, made on first
 * use at the end of the list. */
void *settings_listener_named(void *settings, const char *name);

/* Judges the [Listener] sections; places say where the built-in sockets are. */
void settings_check_listeners(const struct settings *s, const struct places *places,
			      struct config_notes *notes);

void settings_listeners_free(struct listener_settings *list);

/* "[section] key" -> file and line for a note; without an assignment the main file as a whole. */
void settings_note_at(const struct settings *s, const char *section, const char *key,
		      const char **file, unsigned *line);

#endif
