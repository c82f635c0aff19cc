/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setup: from nothing to a first token. All is asked before anything is written but the key, which is whole or not there; the credential file comes into its place at once, and goes again if the
 * daemon does not take it.
 */
#include "client/cli/nearest.h"
#include "client/cli/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/reply.h"
#include "client/cli/import.h"
#include "client/cli/sf.h"
#include "client/cli/terminal.h"

#define USUAL_LOGIN_URL "https://login.salesforce.com"

enum { RELOAD_MS = 10000, NOBODY_UID = 65534, PEM_LOOK = 64 * 1024 };

/* --- what may be answered --- */

static bool keep(const char *text, char **out)
{
	*out = strdup(text);
	return *out != NULL;
}

static bool look_grant(const char *text, const void *context, char **out, char why[REASON_SIZE])
{
	const struct grant *grant = grant_find(text);
	char guess[NEAREST_SIZE];

	(void)context;
	if (grant)
		return keep(grant->name, out);
	if (nearest_among(text, option_choices("--grant"), guess))
		(void)snprintf(why, REASON_SIZE, "did you mean %s?", guess);
	else
		(void)snprintf(
			why, REASON_SIZE,
			"one of client_credentials, jwt_bearer, web_server, device, refresh_token; for others see sftokend.credential(5)");
	return false;
}

static bool look_url(const char *text, const void *context, char **out, char why[REASON_SIZE])
{
	const struct grant *grant = context;

	return check_login_url(text, grant->needs, out, why);
}

static bool look_client_id(const char *text, const void *context, char **out, char why[REASON_SIZE])
{
	(void)context;
	return check_client_id(text, why) && keep(text, out);
}

static bool look_username(const char *text, const void *context, char **out, char why[REASON_SIZE])
{
	(void)context;
	return check_username(text, why) && keep(text, out);
}

/* Who is root gives a key to the daemon that cannot read it as it is. False, and why. */
static bool look_owner(const struct stat *st, const struct place *p, const char *path,
		       char why[REASON_SIZE])
{
	const struct passwd *user;

	if (!p->owned || (st->st_uid == p->uid && !(st->st_mode & 077)))
		return true;
	user = getpwuid(p->uid);
	if (user)
		(void)snprintf(
			why, REASON_SIZE,
			"the daemon runs as %s, who alone may read it: chown %s and chmod 600 %.100s",
			user->pw_name, user->pw_name, path);
	else
		(void)snprintf(
			why, REASON_SIZE,
			"the daemon runs as uid %u, who alone may read it: chown %u and chmod 600 %.100s",
			(unsigned)p->uid, (unsigned)p->uid, path);
	return false;
}

/* The likely mistake is the certificate beside it. A file that only the daemon can read is left to it. */
static bool look_pem(const char *path, char why[REASON_SIZE])
{
	char text[PEM_LOOK + 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, PEM_LOOK);
	bool found;

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return true;
	text[n] = '\0';
	found = strstr(text, "PRIVATE KEY-----") != NULL;
	explicit_bzero(text, sizeof text);
	if (!found)
		(void)snprintf(
			why, REASON_SIZE,
			"there is no private key in it: one begins with -----BEGIN PRIVATE KEY-----");
	return found;
}

/* A key that is there; "new": none. */
static bool look_key(const char *text, const void *context, char **out, char why[REASON_SIZE])
{
	struct stat st;

	if (strcmp(text, "new") == 0)
		return keep("", out);
	*out = realpath(text, NULL);
	if (*out && stat(*out, &st) == 0 && S_ISREG(st.st_mode)) {
		if (look_pem(*out, why) && look_owner(&st, context, text, why))
			return true;
	} else {
		(void)snprintf(
			why, REASON_SIZE, "%s",
			*out ? "this is no file"
			: errno == ENOENT
				? "there is no such file: name one that is there, or let --new-key make one"
				: strerror(errno));
	}
	free(*out);
	*out = NULL;
	return false;
}

/* One whom the daemon can tell from others: 65534 is everybody whom the kernel cannot name. */
static bool is_user(const char *name, size_t n)
{
	char *copy = strndup(name, n);
	const struct passwd *user = copy ? getpwnam(copy) : NULL;

	free(copy);
	return user && user->pw_uid != NOBODY_UID;
}

/* Users that exist, with commas or spaces between; "-" is nobody, and so is nothing. */
static bool look_users(const char *text, const void *context, char **out, char why[REASON_SIZE])
{
	(void)context;
	if (strcmp(text, "-") == 0)
		return keep("", out);
	for (const char *at = text; *at;) {
		size_t n = strcspn(at, ", ");

		if (n && !is_user(at, n)) {
			(void)snprintf(why, REASON_SIZE, "%.*s is no user of this machine",
				       (int)(n < REASON_SIZE / 2 ? n : REASON_SIZE / 2), at);
			return false;
		}
		at += n + (at[n] ? 1 : 0);
	}
	return keep(text, out);
}

/* --- questions --- */

static int ask_grant(struct setup *s)
{
	struct question q = { "--grant", s->cli->setup.grant, "Grant", NULL, look_grant, NULL };
	char *name;
	int r;

	if (!q.given && s->person) {
		fprintf(stderr, "How does \"%s\" get its tokens?\n", s->cli->credential);
		for (size_t i = 0; i < n_grants; i++)
			fprintf(stderr, "  %zu  %-20s%s\n", i + 1, grants[i].name,
				grants[i].meaning);
	}
	r = question_ask(s->cli, &q, &name);
	if (r == 0)
		s->answers.grant = grant_find(name);
	free(name);
	return r;
}

static int ask_url(struct setup *s)
{
	const struct grant *grant = s->answers.grant;
	struct question q = { "--login-url",
			      s->cli->setup.login_url,
			      "Login URL of the org",
			      grant->needs & NEEDS_DOMAIN ? NULL : USUAL_LOGIN_URL,
			      look_url,
			      grant };

	if (grant->needs & NEEDS_DOMAIN)
		q.words = "Login URL of the org (https://YOURDOMAIN.my.salesforce.com)";
	return question_ask(s->cli, &q, &s->answers.login_url);
}

static int ask_username(struct setup *s)
{
	struct question q = { "--username", s->cli->setup.username, "User of Salesforce", NULL,
			      look_username, NULL };

	if (q.given && (s->answers.grant->needs & HAS_NO_USER))
		return complain(
			EXIT_STATUS_USAGE,
			"--username does not fit %s: the user is chosen in Salesforce, under Run As",
			s->answers.grant->name);
	if (!q.given && !(s->answers.grant->needs & NEEDS_KEY))
		return 0;
	return question_ask(s->cli, &q, &s->answers.username);
}

static void advise_once(struct setup *s, const char *certificate)
{
	if (!s->advised && s->person && !s->cli->quiet)
		advise(s->answers.grant, certificate);
	s->advised = true;
}

static int make_key(struct setup *s)
{
	int r;

	if (s->cli->setup.print) { /* where they would be */
		s->answers.key = place_path(&s->place, "keys", s->cli->credential, ".key");
		s->answers.certificate = place_path(&s->place, "keys", s->cli->credential, ".crt");
		return s->answers.key && s->answers.certificate ? 0 : EXIT_STATUS_INTERNAL;
	}
	r = key_make(s->cli, &s->place, &s->answers.key);
	if (r)
		return r;
	s->answers.certificate = place_path(&s->place, "keys", s->cli->credential, ".crt");
	if (!s->answers.certificate)
		return EXIT_STATUS_INTERNAL;
	advise_once(s, s->answers.certificate);
	return 0;
}

/* The key that setup has made before has its certificate beside it. */
static void find_certificate(struct setup *s, const char *ours)
{
	char *real = ours ? realpath(ours, NULL) : NULL, *certificate;

	if (real && strcmp(real, s->answers.key) == 0) {
		certificate = place_path(&s->place, "keys", s->cli->credential, ".crt");
		s->answers.certificate = certificate ? realpath(certificate, NULL) : NULL;
		free(certificate);
	}
	free(real);
}

static int ask_key(struct setup *s)
{
	char *there = place_path(&s->place, "keys", s->cli->credential, ".key");
	struct question q = {
		s->cli->setup.private_key ? "--private-key" : "--new-key or --private-key",
		s->cli->setup.private_key,
		"Private key: a file, or \"new\"",
		there && access(there, F_OK) == 0 ? there : "new",
		look_key,
		&s->place,
	};
	int r = 0;

	if (s->cli->setup.new_key && q.given)
		r = complain(EXIT_STATUS_USAGE,
			     "--new-key and --private-key contradict each other");
	else if (!s->cli->setup.new_key)
		r = question_ask(s->cli, &q, &s->answers.key);
	if (r == 0 && s->answers.key && *s->answers.key)
		find_certificate(s, there);
	free(there);
	if (r || (s->answers.key && *s->answers.key))
		return r;
	free(s->answers.key);
	s->answers.key = NULL;
	return make_key(s);
}

static int ask_client_id(struct setup *s)
{
	struct question q = { "--client-id", s->cli->setup.client_id, "Consumer key (client id)",
			      NULL,	     look_client_id,	      NULL };

	if (s->answers.client_id)
		return 0;
	if (!q.given)
		advise_once(s, s->answers.certificate);
	return question_ask(s->cli, &q, &s->answers.client_id);
}

/* Who else may use it: at the system's daemon nobody may, who is not named. */
static int ask_users(struct setup *s)
{
	const char *sudo = getenv("SUDO_USER");
	struct question q = { "--allow-user",
			      s->cli->setup.allow_user,
			      "Users of this machine who may use it (\"-\": root alone)",
			      sudo && *sudo ? sudo : "-",
			      look_users,
			      NULL };

	if (s->answers.allow_user || (!q.given && (!s->place.system || !s->person)))
		return 0;
	return question_ask(s->cli, &q, &s->answers.allow_user);
}

/* Before a key is made: what options say, and what nobody can be asked for. The rest waits until there is a certificate, which the app wants before it has a consumer key. */
static int ask_early(struct setup *s)
{
	const struct setup_options *o = &s->cli->setup;
	int r = 0;

	if (o->client_id || !s->person)
		r = ask_client_id(s);
	if (r == 0 && (o->allow_user || !s->person))
		r = ask_users(s);
	return r;
}

/* --- secrets --- */

static bool is_empty(const struct bytes *b)
{
	for (size_t i = 0; i < b->len; i++)
		if (!strchr(" \t\r\n", b->data[i]))
			return false;
	return true;
}

/* Asked for again until there is one, or none is needed: then out may stay empty. */
static int ask_secret(struct setup *s, const char *kind, bool needed, struct bytes *out)
{
	int r;

	if (!s->person && s->cli->fd < 0)
		return needed ? complain(
					EXIT_STATUS_USAGE,
					"the %s is needed: give it with --fd N, for example --fd 3 3< FILE",
					kind_find(kind)->title)
			      : 0;
	for (;;) {
		bytes_erase(out);
		if (!needed && !s->cli->quiet && s->person)
			fputs("If there is none, press Enter. ", stderr);
		r = secret_read(s->cli, kind_find(kind), out);
		if (r == 0 && is_empty(out))
			bytes_erase(out);
		if (r || out->len || !needed)
			return r;
		if (!s->person || s->cli->fd >= 0)
			return complain(EXIT_STATUS_USAGE, "there is no %s on descriptor %lld",
					kind_find(kind)->title, (long long)s->cli->fd);
		fputs("  it is needed\n", stderr);
	}
}

static int ask_secrets(struct setup *s)
{
	unsigned needs = s->answers.grant->needs;
	int r = 0;

	if (s->cli->setup.print || s->refresh.len)
		return 0;
	/* what comes by --fd is the secret that the grant cannot do without */
	if (((needs & NEEDS_SECRET) || (needs & TAKES_SECRET)) &&
	    !((needs & NEEDS_REFRESH_TOKEN) && s->cli->fd >= 0))
		r = ask_secret(s, "client_secret", needs & NEEDS_SECRET, &s->secret);
	if (r == 0 && (needs & NEEDS_REFRESH_TOKEN) && s->place.answers)
		r = ask_secret(s, "refresh_token", true, &s->refresh);
	return r;
}

/* --- from the login of sf --- */

static int take_from_sf(struct setup *s, char **login_url, char **client_id)
{
	struct setup_options *o = &s->cli->setup;
	struct sf_login login;
	int r = sf_confirm(s->cli);

	if (r == 0)
		r = sf_read(s->cli, &s->refresh);
	if (r)
		return r;
	if (!sf_login_of(&s->refresh, &login))
		return complain(EXIT_STATUS_INTERNAL, "sf printed no URL that can be read");
	if (asprintf(login_url, "https://%.*s", (int)login.n_host, login.host) < 0)
		return complain(EXIT_STATUS_INTERNAL, "out of memory");
	*client_id = strndup(login.client_id, login.n_client_id);
	o->grant = "refresh_token";
	o->login_url = *login_url;
	o->client_id = *client_id;
	s->answers.stored_secret = login.has_secret;
	return 0;
}

static int ask_all(struct setup *s)
{
	int r = ask_grant(s);

	if (r == 0)
		r = ask_url(s);
	if (r == 0)
		r = ask_username(s);
	if (r == 0 && !(s->answers.grant->needs & NEEDS_KEY) &&
	    (s->cli->setup.new_key || s->cli->setup.private_key))
		r = complain(EXIT_STATUS_USAGE, "%s has no private key", s->answers.grant->name);
	if (r == 0)
		r = ask_early(s);
	if (r == 0 && (s->answers.grant->needs & NEEDS_KEY))
		r = ask_key(s);
	if (r == 0)
		r = ask_client_id(s);
	if (r == 0)
		r = ask_secrets(s);
	if (r == 0)
		r = ask_users(s);
	return r;
}

/* --- writing --- */

static int out_of_memory(void)
{
	return complain(EXIT_STATUS_INTERNAL, "out of memory");
}

/* Without a daemon a secret cannot be stored: it lies in a file. */
static int write_secret(struct setup *s, struct new_file *f)
{
	unsigned flags = FILE_SECRET | FILE_REPLACES;
	char *path;
	int r;

	if (!s->secret.len || s->place.answers) {
		s->answers.stored_secret |= s->secret.len > 0;
		return 0;
	}
	r = place_make(&s->place, "secrets");
	path = r ? NULL : place_path(&s->place, "secrets", s->cli->credential, ".secret");
	if (!path)
		return r ? r : EXIT_STATUS_INTERNAL;
	s->answers.secret_file = strdup(path);
	r = new_file_write(f, &s->place, path, s->secret.data, s->secret.len, flags);
	if (r == 0)
		r = new_file_place(f, flags);
	return r || s->answers.secret_file ? r : out_of_memory();
}

static int write_credential(struct setup *s, struct new_file *f)
{
	unsigned flags = s->cli->setup.force ? FILE_REPLACES : 0;
	char *text = credential_text_of(&s->answers), *path;
	int r = text ? place_make(&s->place, "credentials") : out_of_memory();

	path = r ? NULL : place_path(&s->place, "credentials", s->cli->credential, ".conf");
	if (r == 0 && text)
		r = path ? new_file_write(f, &s->place, path, text, strlen(text), flags)
			 : EXIT_STATUS_INTERNAL;
	if (r == 0)
		r = new_file_place(f, flags);
	free(text);
	return r;
}

int setup_reload(const struct setup *s, const char *so)
{
	struct sftoken_err err = { 0 };
	struct json_object *reply;
	struct sftoken *h;
	int r;

	if (!s->place.answers)
		return 0;
	r = open_manager(s->cli, &h);
	if (r)
		return r;
	reply = ask_within(h, "io.sftoken.Manager.Reload", NULL, RELOAD_MS, &err);
	if (!reply) {
		r = exit_status_of(&err);
		complain(0, "the daemon does not take it%s: %s", so, err.text);
	}
	json.object_put(reply);
	sftoken_close(h);
	return r;
}

static int write_all(struct setup *s)
{
	struct new_file secret = { 0 }, credential = { 0 };
	char *path = place_path(&s->place, "credentials", s->cli->credential, ".conf");
	sigset_t mask;
	int signals = hold_signals(&mask), r = write_secret(s, &secret);

	if (r == 0)
		r = write_credential(s, &credential);
	if (r == 0) /* not taken: as if there had been none */
		r = setup_reload(s, ", so it was not made");
	if (r) {
		new_file_undo(&credential);
		new_file_undo(&secret);
	}
	new_file_keep(&credential);
	new_file_keep(&secret);
	release_signals(signals, &mask);
	if (r == 0 && !s->cli->quiet && !s->cli->json && path)
		printf("%s is written\n", path);
	free(path);
	return r;
}

/* --- the command --- */

static int check_begin(const struct setup *s)
{
	const struct cli *cli = s->cli;
	char why[REASON_SIZE], *path;
	int r = 0;

	if (!check_name(cli->credential, why))
		return complain(EXIT_STATUS_USAGE, "\"%s\" is no name: %s", cli->credential, why);
	if (cli->setup.print)
		return 0;
	path = place_path(&s->place, "credentials", cli->credential, ".conf");
	if (!path)
		return EXIT_STATUS_INTERNAL;
	if (!cli->setup.force && access(path, F_OK) == 0)
		r = complain(EXIT_STATUS_USAGE, "%s is there already: --force replaces it", path);
	free(path);
	return r ? r : place_check(&s->place);
}

static int print_file(struct setup *s)
{
	char *text;

	s->answers.stored_secret |= (s->answers.grant->needs & NEEDS_SECRET) != 0;
	text = credential_text_of(&s->answers);
	if (!text)
		return out_of_memory();
	fputs(text, stdout);
	free(text);
	return finish_output();
}

int cmd_setup(struct cli *cli)
{
	struct setup s = { .cli = cli, .person = isatty(STDIN_FILENO) };
	char *login_url = NULL, *client_id = NULL;
	int r = place_find(cli, &s.place);

	if (r == 0)
		r = check_begin(&s);
	if (r == 0 && cli->from_sf)
		r = take_from_sf(&s, &login_url, &client_id);
	if (r == 0)
		r = ask_all(&s);
	if (r == 0 && cli->setup.print)
		r = print_file(&s);
	else if (r == 0)
		r = write_all(&s);
	if (r == 0 && !cli->setup.print)
		r = setup_see_through(&s);
	bytes_erase(&s.secret);
	bytes_erase(&s.refresh);
	answers_free(&s.answers);
	place_free(&s.place);
	free(login_url);
	free(client_id);
	return r;
}
