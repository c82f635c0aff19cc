/* SPDX-License-Identifier: Apache-2.0 */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log_write.h"
#include "daemon/mint/check.h"
#include "daemon/mint/load.h"

/* sysexits.h: EX_SOFTWARE, EX_CONFIG */
enum { EXIT_INTERNAL = 70, EXIT_CONFIGURATION = 78 };

/* More than the notes and the merged form of 10,000 credentials take. */
enum { PRINT_MAX = 64 << 20 };

static int write_out(struct buf *text, FILE *to)
{
	if (buf_failed(text) || (text->len && fwrite(text->data, 1, text->len, to) != text->len) ||
	    fflush(to) != 0)
		return EXIT_INTERNAL;
	return 0;
}

static int print_notes(struct config_notes *notes, const char *prefix, FILE *problems)
{
	CLEANUP(buf_finip) struct buf text;

	buf_init(&text, PRINT_MAX);
	config_notes_sort(notes);
	config_notes_print(&text, notes, prefix);
	return write_out(&text, problems);
}

/* quiet: nobody looks at it, but at what the daemon logs instead of starting. */
static int tell_notes(struct config_notes *mistakes, struct config_notes *warnings, bool quiet,
		      FILE *problems)
{
	int failed;

	if (quiet && log_get_format() != LOG_FORMAT_TEXT) {
		config_notes_sort(mistakes);
		load_log_mistakes(mistakes);
		load_log_warnings(warnings);
		return 0;
	}
	failed = print_notes(mistakes, "", problems);
	return failed ? failed : print_notes(warnings, "warning: ", problems);
}

static int print_merged(const struct settings *s, const struct credential_set *set, FILE *out)
{
	CLEANUP(buf_finip) struct buf text;

	buf_init(&text, PRINT_MAX);
	settings_print(&text, s);
	credential_set_print(&text, set);
	return write_out(&text, out);
}

static int internal(const struct err *err, FILE *problems)
{
	fprintf(problems, "%s\n", err->text);
	return EXIT_INTERNAL;
}

/*
 * Who will own the secrets: a person who is neither root nor the service user may check the system's configuration, and must not be told to take its files. That is so where the
 * directory is not the person's and the service user exists; in a container that runs as a uid without a name it does not. Returns asker if it is as it was asked for.
 */
static uid_t find_owner(const struct places *places, const struct settings *s, uid_t asker)
{
	const char *name = s->daemon.user ? s->daemon.user : "sftokend";
	const struct passwd *user;
	struct stat st;

	if (geteuid() == 0 || places->user_mode || stat(places->config_dir, &st) < 0 ||
	    st.st_uid == geteuid())
		return asker;
	user = strspn(name, "0123456789") == strlen(name) ? getpwuid((uid_t)strtoul(name, NULL, 10))
							  : getpwnam(name);
	return user ? user->pw_uid : asker;
}

/* As settings_read(), for the user who will run the daemon, into *service_uid. */
static struct settings *read_for_owner(const struct places *places, uid_t *service_uid,
				       struct config_notes *notes, struct config_notes *warnings,
				       struct err *err)
{
	struct settings *s = settings_read(places, *service_uid, notes, err);
	uid_t owner = s && places->outside ? find_owner(places, s, *service_uid) : *service_uid;

	if (owner == *service_uid)
		return s;
	config_note(
		warnings, places->config_dir, 0,
		"you (uid %u) are neither root nor the service user (uid %u) of this "
		"configuration, and cannot see all of it: check as root (sudo), or as that user",
		(unsigned)geteuid(), (unsigned)owner);
	*service_uid = owner;
	settings_unref(s);
	config_notes_fini(notes);
	memset(notes, 0, sizeof *notes);
	return settings_read(places, owner, notes, err);
}

int configuration_check(const struct places *places, uid_t service_uid,
			int (*check_key)(const struct secret *key, const struct secret *passphrase,
					 struct err *err),
			bool quiet, FILE *out, FILE *problems)
{
	CLEANUP(config_notes_fini) struct config_notes notes = { 0 };
	CLEANUP(config_notes_fini) struct config_notes warnings = { 0 };
	CLEANUP(settings_unrefp) struct settings *settings = NULL;
	CLEANUP(credential_set_unrefp) struct credential_set *set = NULL;
	CLEANUP(secret_unrefp) struct secret *key = NULL;
	struct places seen = *places;
	struct err err = { 0 };

	places = &seen; /* lends what it has */
	seen.outside = !quiet;
	settings = read_for_owner(places, &service_uid, &notes, &warnings, &err);
	if (!settings)
		return internal(&err, problems);
	if (!load_key_comes_later(settings, !quiet, &warnings) &&
	    load_store_key(settings, service_uid, &notes, &key, &err) < 0)
		return internal(&err, problems);
	set = credential_set_read(places, settings, service_uid, check_key, NULL, &notes, &warnings,
				  &err);
	if (!set || load_events(settings, set, places, service_uid, &warnings, &err) < 0)
		return internal(&err, problems);
	if (!settings_listeners(settings, places, &err)) {
		if (err.code == ERR_INTERNAL)
			return internal(&err, problems);
		/* what a section has wrong has been said at its line */
		if (!notes.n)
			config_note(&notes, places->config_dir, 0, "%s", err.text);
	}
	if (credential_set_loads(set))
		settings_demand_loads(settings);

	int failed = tell_notes(&notes, &warnings, quiet, problems);

	if (!failed && !quiet)
		failed = print_merged(settings, set, out);
	return failed ? failed : notes.n ? EXIT_CONFIGURATION : 0;
}
