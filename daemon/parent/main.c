/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sftokend, the parent: reads the options and the [Listener] sections, opens sockets and locks, becomes the service user, starts mint and front, and keeps them alive. A straight list, in the order that matters.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/harden.h"
#include "base/log_write.h"
#include "daemon/parent/options.h"
#include "daemon/parent/places.h"
#include "daemon/parent/supervisor.h"

/* Already running, or a directory cannot be made (sysexits.h). */
#define EXIT_DIRECTORY EX_CANTCREAT

enum { ARGUMENTS_MAX = 20, ENVIRONMENT_MAX = 32, DRAIN_MS = 200 };

struct parent {
	struct options options;
	struct settings *settings;
	struct identity identity;
	struct sockets sockets;
	struct supervisor supervisor;
	struct sd sd;
	int locks[2]; /* runtime, state */
	char *environment[ENVIRONMENT_MAX];
	const char *mint_arguments[ARGUMENTS_MAX], *front_arguments[ARGUMENTS_MAX];
};

static int fail(int status, const struct err *err)
{
	log_last_words("sftokend", "parent.failed", status, err->text);
	return status;
}

/* --- what the children get --- */

/*
 * Nothing that could change what libraries do, but for what an administrator needs to tell OpenSSL, its providers and the libraries behind them where the keys in hardware are
 * (sftokend(8)), and for the sanitizers' own settings where they are built in.
 */
static void fill_environment(struct parent *p)
{
	static const char *const kept[] = {
		"PATH",           "LANG",          "LC_ALL",       "TZ", "CREDENTIALS_DIRECTORY",
		"JOURNAL_STREAM", "OPENSSL_CONF",  "OPENSSL_MODULES", "PKCS11_PROVIDER_MODULE",
		"TPM2OPENSSL_TCTI", "TSS2_LOG", "SOFTHSM2_CONF", "YUBIHSM_PKCS11_CONF",
		"ChrystokiConfigurationPath", "CS_PKCS11_R3_CFG",
#ifdef SANITIZED
		"ASAN_OPTIONS",   "UBSAN_OPTIONS", "LSAN_OPTIONS",
#endif
	};
	size_t n = 0;

	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
		const char *value = getenv(kept[i]);
		char *pair;

		if (value && asprintf(&pair, "%s=%s", kept[i], value) >= 0)
			p->environment[n++] = pair;
	}
}

static void fill_arguments(struct parent *p)
{
	const struct options *o = &p->options;
	const char **a = p->mint_arguments;
	const char *const all[] = { "sftokend-mint",      "--config",
				    o->places.config_dir, "--state",
				    o->places.state_dir,  "--runtime",
				    o->places.runtime_dir };
	size_t n = sizeof all / sizeof all[0];

	memcpy(a, all, sizeof all);
	if (o->places.user_mode)
		a[n++] = "--user";
	if (o->log_level >= 0) {
		a[n++] = "--log-level";
		a[n++] = log_level_name((enum log_level)o->log_level);
	}
	if (o->log_format >= 0) {
		a[n++] = "--log-format";
		a[n++] = log_format_name((enum log_format)o->log_format);
	}
	a[n] = NULL;
	p->front_arguments[0] = "sftokend-front";
}

/* --- the log --- */

/*
 * Twice: with what the command line says, so that whatever fails is told in the form that was asked for, and with what the settings say. What a person has asked for at a terminal
 * (--check, --help) is plain text. The front has no journal in its sandbox: its last words are lines.
 */
static void open_log(struct parent *p)
{
	const struct options *o = &p->options;
	int level = o->log_level, format = o->log_format;

	if (p->settings) {
		level = level >= 0 ? level : p->settings->log.level;
		format = format >= 0 ? format : p->settings->log.format;
	}
	if (o->check)
		format = LOG_FORMAT_TEXT;
	log_set_level(level >= 0 ? (enum log_level)level : LOG_LEVEL_INFO);
	log_open("sftokend", format >= 0 ? (enum log_format)format : log_default_format());
	p->front_arguments[1] = log_get_format() == LOG_FORMAT_JSON ? "--json" : NULL;
}

/* --- the configuration --- */

/* Runs the mint's own check as the service user: it knows all files and prints all mistakes. Returns its exit status, or 70. */
static int run_check(struct parent *p, bool quiet)
{
	struct child *mint = &p->supervisor.mint;
	const char **a = p->mint_arguments;
	struct err err = { 0 };
	size_t n = 0, passed;
	int status;
	pid_t pid;

	while (a[n])
		n++;
	passed = n;
	a[n++] = "--check";
	if (quiet) {
		a[n++] = "--quiet";
		a[n++] = "--log-format";
		a[n++] = log_format_name(log_get_format());
	}
	a[n] = NULL;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (identity_become(&p->identity, &err) < 0)
			_exit(fail(EX_SOFTWARE, &err));
		execveat(mint->program, "", (char *const *)a, p->environment, AT_EMPTY_PATH);
		_exit(EX_SOFTWARE);
	}
	a[passed] = NULL;
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return EX_SOFTWARE;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}

static void tell_mistakes(const struct config_notes *notes)
{
	for (size_t i = 0; i < notes->n; i++) {
		const struct config_note *note = &notes->items[i];

		/* what concerns a whole file has no line */
		if (log_get_format() == LOG_FORMAT_TEXT && note->line)
			fprintf(stderr, "%s:%u: %s\n", note->file, note->line, note->text);
		else if (log_get_format() == LOG_FORMAT_TEXT)
			fprintf(stderr, "%s: %s\n", note->file, note->text);
		else if (!note->line)
			log_event(LOG_LEVEL_ERR, "config.mistake", F_STR("file", note->file),
				  F_STR("message", note->text));
		else
			log_event(LOG_LEVEL_ERR, "config.mistake", F_STR("file", note->file),
				  F_INT("line", note->line), F_STR("message", note->text));
	}
}

/*
 * Reads sftokend.conf twice: first for User=, then, when the owner that its files must have is known, in earnest. Returns 0 or an exit status after all mistakes of all files
 * have been printed.
 */
static int read_settings(struct parent *p)
{
	struct config_notes first = { 0 }, notes = { 0 };
	struct err err = { 0 };
	int status = 0;

	p->settings = settings_read(&p->options.places, CONFIG_ANY_OWNER, &first, &err);
	if (!p->settings)
		return fail(EX_SOFTWARE, &err);
	if (identity_resolve(p->settings, p->options.places.user_mode, &p->identity, &err) < 0) {
		tell_mistakes(&first);
		config_notes_fini(&first);
		return fail(EX_CONFIG, &err);
	}
	config_notes_fini(&first);
	p->settings = settings_unref(p->settings);
	p->settings = settings_read(&p->options.places, p->identity.uid, &notes, &err);
	if (!p->settings)
		return fail(EX_SOFTWARE, &err);
	open_log(p);
	if (p->options.check) {
		status = run_check(p, false);
	} else if (notes.n) {
		status = run_check(p, true);
		if (status == 0)
			tell_mistakes(&notes);
		status = EX_CONFIG;
	}
	config_notes_fini(&notes);
	return status;
}

/* --- what must be there before anybody is served --- */

static int lock_place(struct parent *p, size_t i, const char *dir, mode_t mode)
{
	struct err err = { 0 };

	if (place_make(dir, mode, &p->identity, &err) < 0)
		return fail(EXIT_DIRECTORY, &err);
	p->locks[i] = place_lock(dir, &p->identity, &err);
	return p->locks[i] < 0 ? fail(EXIT_DIRECTORY, &err) : 0;
}

/* Each has a file "lock" of its own; we would wait for ourselves. */
static int check_two_places(const struct places *places)
{
	struct stat runtime, state;
	struct err err = { 0 };

	if (stat(places->runtime_dir, &runtime) < 0 || stat(places->state_dir, &state) < 0 ||
	    runtime.st_dev != state.st_dev || runtime.st_ino != state.st_ino)
		return 0;
	err_set(&err, ERR_ADMIN,
		"%s is both the state and the runtime directory: name two with --state and --runtime",
		places->state_dir);
	return fail(EXIT_DIRECTORY, &err);
}

static int open_sockets(struct parent *p)
{
	const struct listener_settings *list;
	struct err err = { 0 };

	list = settings_listeners(p->settings, &p->options.places, &err);
	if (!list && err.code)
		return fail(EX_CONFIG, &err);
	if (sockets_open(&p->sockets, list, p->settings, p->options.places.user_mode, &p->identity,
			 &p->sd, &err) < 0)
		return fail(EXIT_DIRECTORY, &err);
	return 0;
}

static int open_children(struct parent *p)
{
	struct supervisor *s = &p->supervisor;
	struct err err = { 0 };

	s->mint.control = s->front.control = -1;
	if (child_open(&s->mint, "sftokend-mint", &err) < 0 ||
	    child_open(&s->front, "sftokend-front", &err) < 0)
		return fail(EX_SOFTWARE, &err);
	s->mint.lock = s->front.lock = -1;
	s->front.dies_with_us = true;
	s->mint.arguments = (char *const *)p->mint_arguments;
	s->front.arguments = (char *const *)p->front_arguments;
	s->environment = p->environment;
	return 0;
}

/* The descriptors 0, 1 and 2 must be something, or a socket would get their numbers. */
static void fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

static int serve(struct parent *p)
{
	struct supervisor *s = &p->supervisor;
	struct err err = { 0 };

	s->settings = p->settings;
	s->places = &p->options.places;
	s->service_uid = p->identity.uid;
	s->sockets = &p->sockets;
	s->sd = &p->sd;
	s->events.user_mode = p->options.places.user_mode;
	s->until_idle_ms = p->options.until_idle_s * 1000;
	s->mint.watchdog_ms = p->settings->limits.mint_watchdog_ms;
	s->front.watchdog_ms = p->settings->limits.front_watchdog_ms;
	if (child_lock(&s->mint, p->locks[1], &err) < 0 ||
	    identity_become(&p->identity, &err) < 0 || harden_process(&err) < 0 ||
	    supervisor_init(s, &err) < 0)
		return fail(EX_SOFTWARE, &err);
	log_event(LOG_LEVEL_NOTICE, "parent.started", F_STR("version", SFTOKEN_VERSION),
		  F_INT("pid", getpid()), F_INT("uid", geteuid()));
	for (size_t i = 0; i < p->sockets.n_warnings; i++)
		log_event(LOG_LEVEL_WARNING, "parent.warning",
			  F_STR("message", p->sockets.warnings[i]));
	return supervisor_run(s);
}

static int run(struct parent *p)
{
	struct err err = { 0 };
	int status;

	open_log(p);
	if (places_resolve(&p->options.places, &err) < 0)
		return fail(EX_CONFIG, &err);
	/* First of all, so that what was passed to us goes no further. */
	if (sd_init(&p->sd, &err) < 0)
		return fail(EX_SOFTWARE, &err);
	fill_environment(p);
	fill_arguments(p);
	status = open_children(p);
	if (status == 0)
		status = read_settings(p);
	if (status || p->options.check)
		return status;
	status = lock_place(p, 0, p->options.places.runtime_dir, 0755);
	if (status == 0)
		status = check_two_places(&p->options.places);
	if (status == 0)
		status = lock_place(p, 1, p->options.places.state_dir, 0700);
	if (status == 0)
		status = open_sockets(p);
	return status ? status : serve(p);
}

static void fini(struct parent *p)
{
	sockets_close(&p->sockets);
	sd_fini(&p->sd);
	settings_unref(p->settings);
	identity_fini(&p->identity);
	places_fini(&p->options.places);
	for (size_t i = 0; p->environment[i]; i++)
		free(p->environment[i]);
}

int main(int argc, char **argv)
{
	struct parent p = { .locks = { -1, -1 }, .sd = { .socket = -1 } };
	struct err err = { 0 };
	int status;

	fill_standard_descriptors();
	umask(077);
	/* Ignored by our starter, the check could not be waited for. */
	(void)signal(SIGCHLD, SIG_DFL);
	if (options_parse(&p.options, argc, argv, &err) < 0) {
		open_log(&p);
		status = fail(EX_USAGE, &err);
	} else if (p.options.help) {
		options_help(stdout);
		status = EX_OK;
	} else if (p.options.version) {
		printf("sftokend %s\n", SFTOKEN_VERSION);
		status = EX_OK;
	} else {
		status = run(&p);
	}
	log_drain(DRAIN_MS);
	fini(&p);
	return status;
}
