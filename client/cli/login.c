/* SPDX-License-Identifier: Apache-2.0 */
/*
 * login: a person proves who he is to Salesforce, and the daemon gets the token. What the browser ends at comes to us from the listener or from a paste, and goes to the daemon; we never look
 * into it. One loop waits for the daemon (two connections: Login, whose end is the login's, and CompleteLogin), the browser, the terminal and signals.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/browser.h"
#include "client/cli/login.h"

#define LOGIN "io.sftoken.Manager.Login"
#define COMPLETE "io.sftoken.Manager.CompleteLogin"
#define STATE_MISMATCH "io.sftoken.Manager.StateMismatch"

enum { NOBODY = -2, PASTED = -1, TICK_MS = 1000, FLUSH_MS = 2000, SIGNALLED = 128 };
enum { SIGNALS, DAEMON, COMPLETING, TERMINAL, POLLS };

struct login {
	struct cli *cli;
	struct sftoken *daemon, *completing;
	struct json_object *begun; /* first reply: what the person is to do */
	bool shown, rebound;
	struct json_object *ended;    /* last reply */
	struct json_object *answered; /* of CompleteLogin */
	int status;                   /* exit status of what went wrong with us, 0: nothing */
	int asked; /* whose redirect CompleteLogin has: an id of the listener, PASTED, NOBODY: no call runs */
	struct redirect *redirect;
	bool mismatch_told,
		nonsense_told; /* once a login: others can come to the listener as often as they like */
	struct paste paste;
	int signals;
	sigset_t mask;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static bool is_device(const struct login *l)
{
	return l->begun && !text_of(l->begun, "authorizationUrl");
}

/* Ours to say, as one line that waiting does not run through. */
static void fail_login(struct login *l, const struct sftoken_err *err)
{
	show_nothing();
	l->status = complain_login(l->cli, err, sftoken_path(l->daemon));
}

static void fail_internal(struct login *l)
{
	show_nothing();
	l->status = complain(EXIT_STATUS_INTERNAL,
			     "the daemon sent a reply that cannot be read, or there is no memory");
}

/* --- Login --- */

/* The port of the redirect URI is chosen by us, and the daemon has to know it before a browser comes. */
static bool has_open_port(const char *authorization_url, struct redirect_uri *uri, char **text)
{
	*text = url_parameter(authorization_url, "redirect_uri");
	return *text && redirect_uri_parse(*text, uri) == 0 && (uri->v4 || uri->v6) &&
	       uri->port == 0;
}

/* A first reply that is asked for again with a port is nothing that anybody should act on. */
static bool is_to_be_printed(const struct login *l, struct json_object *reply)
{
	const char *url = text_of(reply, "authorizationUrl");
	struct redirect_uri uri;
	char *text = NULL;
	bool open = !l->rebound && url && has_open_port(url, &uri, &text);

	free(text);
	return l->cli->json && !open;
}

static int on_login(const char *parameters, int continues, void *arg)
{
	struct login *l = arg;
	struct json_object *reply = json.tokener_parse(parameters);

	if (!reply)
		return SFTOKEN_E_PROTOCOL;
	if (is_to_be_printed(l, reply)) {
		puts(parameters);
		(void)fflush(stdout);
	}
	if (!continues)
		l->ended = reply;
	else if (!l->begun)
		l->begun = reply;
	else
		json.object_put(reply);
	return 0;
}

static void start_login(struct login *l, const char *redirect_uri)
{
	struct json_object *parameters = named(l->cli->credential);
	struct sftoken_err err = { 0 };

	if (l->cli->flow)
		json.object_object_add(parameters, "flow", json.object_new_string(l->cli->flow));
	if (redirect_uri)
		json.object_object_add(parameters, "redirectUri",
				       json.object_new_string(redirect_uri));
	l->status = open_manager(l->cli, &l->daemon);
	if (l->status == 0 &&
	    sftoken_start(l->daemon, LOGIN, json.object_to_json_string(parameters),
			  SFTOKEN_CALL_MORE, on_login, l, &err) < 0)
		fail_login(l, &err);
	json.object_put(parameters);
}

/* --- what the person is to do --- */

static void tell_bind_failure(const struct login *l, const struct redirect_uri *uri, int code)
{
	if (code == -EADDRINUSE)
		show_note(
			l->cli,
			"port %u is taken on this machine: another login may be running, or another program; the browser's answer will not come here by itself",
			uri->port);
	else
		show_note(
			l->cli,
			"cannot listen on port %u: %s; the browser's answer will not come here by itself",
			uri->port, strerror(-code));
}

/* Listens where the browser will come back to, if that is here. */
static void listen_for_browser(struct login *l, const char *authorization_url,
			       const struct redirect_uri *uri)
{
	char *type = url_parameter(authorization_url, "response_type");
	struct redirect_options options = { .uri = uri->text,
					    .relay = type && strcmp(type, "code") != 0 };
	int code;

	free(type);
	if (!uri->v4 && !uri->v6)
		return;
	code = redirect_open(&l->redirect, &options);
	if (code == -EADDRINUSE && !isatty(STDIN_FILENO))
		l->status = complain_port(l->cli, uri->port);
	else if (code)
		tell_bind_failure(l, uri, code);
}

static void expect_state(struct login *l, const char *authorization_url)
{
	char *state = url_parameter(authorization_url, "state");

	if (state && l->redirect && redirect_expect(l->redirect, state) < 0)
		fail_internal(l);
	free(state);
}

/* Ends the login that has no port yet, and begins the one that has. */
static void begin_again(struct login *l)
{
	json.object_put(l->begun);
	l->begun = NULL;
	l->rebound = true;
	sftoken_close(l->daemon);
	l->daemon = NULL;
	start_login(l, redirect_uri_of(l->redirect));
}

static void show_web_login(struct login *l, const char *url)
{
	const struct cli *cli = l->cli;
	struct ways ways = { .redirect = l->redirect, .paste = paste_begin(&l->paste) };

	if (!cli->no_browser && !browser_forbidden())
		ways.browser = browser_open(url, &l->mask);
	if (!ways.redirect && !ways.paste)
		show_note(
			cli,
			"standard input is no terminal, so the address that the browser ends at cannot be pasted here: "
			"somebody must give it to io.sftoken.Manager.CompleteLogin");
	show_web(cli, url, &ways);
}

static void begin_web(struct login *l, const char *url)
{
	struct redirect_uri uri;
	char *text = NULL;
	bool open = has_open_port(url, &uri, &text);

	if (!l->redirect && text && (open || redirect_uri_parse(text, &uri) == 0))
		listen_for_browser(l, url, &uri);
	if (l->status) {
		free(text);
		return;
	}
	if (open && l->redirect && !l->rebound) {
		begin_again(l);
		free(text);
		return;
	}
	if (l->redirect && (!text || strcmp(text, redirect_uri_of(l->redirect)) != 0)) {
		redirect_free(l->redirect); /* the browser will not come to us */
		l->redirect = NULL;
	}
	free(text);
	expect_state(l, url);
	l->shown = true;
	show_web_login(l, url);
}

static void begin(struct login *l)
{
	const char *url = text_of(l->begun, "authorizationUrl"),
		   *warning = text_of(l->begun, "message");

	if (!text_of(l->begun, "loginId") || (!url && !text_of(l->begun, "verificationUri"))) {
		fail_internal(l);
		return;
	}
	if (url) {
		begin_web(l, url);
	} else {
		l->shown = true;
		show_device(l->cli, l->begun);
	}
	if (l->shown && warning && *warning && !l->cli->json)
		show_note(l->cli, "warning: %s", warning);
	(void)fflush(stdout);
}

/* --- CompleteLogin --- */

static int on_complete(const char *parameters, int continues, void *arg)
{
	struct login *l = arg;

	(void)continues;
	json.object_put(l->answered);
	l->answered = json.tokener_parse(parameters);
	return l->answered ? 0 : SFTOKEN_E_PROTOCOL;
}

/* {"loginId":..., "redirectUrl":...}; json-c would leave copies of the URL behind. */
static int make_parameters(const char *id, const char *url, struct bytes *out)
{
	int r = bytes_make(out, 6 * (strlen(id) + strlen(url)) + 64);

	if (r)
		return r;
	BYTES_ADD(out, "{\"loginId\":");
	bytes_add_quoted(out, id, strlen(id));
	BYTES_ADD(out, ",\"redirectUrl\":");
	bytes_add_quoted(out, url, strlen(url));
	bytes_add(out, "}", 2);
	return 0;
}

static void answer(struct login *l, enum redirect_page page)
{
	if (l->asked >= 0 && l->redirect)
		redirect_answer(l->redirect, l->asked, page, now_ms());
	if (l->asked == PASTED)
		paste_clear(&l->paste);
	l->asked = NOBODY;
}

/* The login goes on: it was not ours, or the daemon could not look at it. */
static void tell_refusal(struct login *l, const struct sftoken_err *err)
{
	if (err->code == SFTOKEN_E_DISCONNECTED)
		show_note(
			l->cli,
			"the daemon closed the connection before it had looked at the answer: if the login goes on, open its address once more");
	else if (err->code == SFTOKEN_E_INVALID && l->asked != PASTED && l->nonsense_told)
		return;
	else if (strcmp(err->name, STATE_MISMATCH) != 0)
		show_note(l->cli, "%s; the login goes on", err->text);
	else if (l->asked == PASTED)
		show_note(
			l->cli,
			"what was pasted belongs to another login: paste the address that the browser ended at after it had opened the one above");
	else if (!l->mismatch_told)
		show_note(
			l->cli,
			"a browser came with the answer to another login, which was refused; this one goes on");
	if (l->asked != PASTED) {
		l->mismatch_told |= strcmp(err->name, STATE_MISMATCH) == 0;
		l->nonsense_told |= err->code == SFTOKEN_E_INVALID;
	}
}

static void on_refusal(struct login *l, const struct sftoken_err *err)
{
	bool other = strcmp(err->name, STATE_MISMATCH) == 0 || err->code == SFTOKEN_E_INVALID;

	tell_refusal(l, err);
	answer(l, other ? REDIRECT_MISMATCH : REDIRECT_FAILED);
}

static void complete(struct login *l, const char *url, int asked)
{
	struct bytes parameters = { 0 };
	struct sftoken_err err = { 0 };

	l->asked = asked;
	if (!l->completing)
		l->status = open_manager(l->cli, &l->completing);
	if (l->status == 0)
		l->status = make_parameters(text_of(l->begun, "loginId"), url, &parameters);
	if (l->status == 0 &&
	    sftoken_start(l->completing, COMPLETE, parameters.data, 0, on_complete, l, &err) < 0)
		on_refusal(l, &err);
	bytes_erase(&parameters);
}

static void on_completed(struct login *l)
{
	const char *state = text_of(l->answered, "state");

	if (!state || strcmp(state, "pending") == 0) {
		/* somebody else's answer came first: the end of the login is the end of this, too */
		if (l->asked == PASTED)
			paste_clear(&l->paste);
		l->asked = NOBODY;
		return;
	}
	answer(l, strcmp(state, "succeeded") == 0 ? REDIRECT_DONE : REDIRECT_FAILED);
}

/* One redirect at a time goes to the daemon: only it knows whether that is the right one. */
static void complete_next(struct login *l)
{
	const char *url;
	int id = -1;

	if (!l->shown || l->asked != NOBODY || l->status || l->ended)
		return;
	if (l->paste.ready) {
		complete(l, l->paste.line.data, PASTED);
		return;
	}
	if (l->redirect)
		id = redirect_next(l->redirect, &url);
	if (id >= 0)
		complete(l, url, id);
}

/* --- the loop --- */

static void on_signal(struct login *l)
{
	struct signalfd_siginfo info;

	if (read(l->signals, &info, sizeof info) != (ssize_t)sizeof info)
		return;
	show_nothing();
	if (info.ssi_signo == SIGTSTP) {
		paste_pause(&l->paste);
		(void)raise(SIGSTOP);
		return;
	}
	l->status = SIGNALLED + (int)info.ssi_signo;
	if (!l->cli->quiet && info.ssi_signo != SIGPIPE) /* nobody reads what we write */
		complain(0, "cancelled");
}

static void on_daemon(struct login *l)
{
	struct sftoken_err err = { 0 };

	if (sftoken_process(l->daemon, &err) < 0) {
		if (err.code == SFTOKEN_E_DISCONNECTED)
			show_note(l->cli,
				  "the login is cancelled: begin it again when the daemon is back");
		fail_login(l, &err);
	} else if (l->begun && !l->shown && !l->ended) {
		begin(l);
	}
}

static void on_completing(struct login *l)
{
	struct sftoken_err err = { 0 };
	int r = sftoken_process(l->completing, &err);

	if (r < 0)
		on_refusal(l, &err);
	else if (r == 0)
		on_completed(l);
}

static void on_terminal_input(struct login *l)
{
	if (paste_read(&l->paste) && !l->paste.ready)
		show_note(
			l->cli,
			"this is no address that a browser ends at: paste the whole line of its address bar");
}

static int loop_timeout_ms(const struct login *l)
{
	int ms = l->redirect ? redirect_timeout_ms(l->redirect, now_ms()) : -1;

	return ms < 0 || ms > TICK_MS ? TICK_MS : ms;
}

static void turn(struct login *l)
{
	struct pollfd fds[POLLS + REDIRECT_POLLS] = {
		[SIGNALS] = { l->signals, POLLIN, 0 },
		[DAEMON] = { sftoken_fd(l->daemon), (short)sftoken_events(l->daemon), 0 },
		[COMPLETING] = { -1, POLLIN, 0 },
		[TERMINAL] = { paste_fd(&l->paste), POLLIN, 0 },
	};
	size_t n = l->redirect ? redirect_poll(l->redirect, fds + POLLS) : 0;

	if (l->completing)
		fds[COMPLETING] = (struct pollfd){ sftoken_fd(l->completing),
						   (short)sftoken_events(l->completing), 0 };
	if (poll(fds, POLLS + n, loop_timeout_ms(l)) < 0)
		return;
	if (fds[SIGNALS].revents)
		on_signal(l);
	if (fds[DAEMON].revents && !l->status)
		on_daemon(l);
	if (fds[COMPLETING].revents && !l->status)
		on_completing(l);
	if (l->redirect)
		redirect_run(l->redirect, fds + POLLS, n, now_ms());
	if (fds[TERMINAL].revents)
		on_terminal_input(l);
	complete_next(l);
	if (l->shown && !l->ended && !l->status)
		show_waiting(l->cli, is_device(l), int_of(l->begun, "expiresAt"));
}

/* Lets the browser read how it ended. */
static void finish_pages(struct login *l, bool succeeded)
{
	struct pollfd fds[REDIRECT_POLLS];
	int64_t end_ms = now_ms() + FLUSH_MS;

	if (!l->redirect)
		return;
	redirect_end(l->redirect, succeeded ? REDIRECT_DONE : REDIRECT_FAILED, now_ms());
	while (!redirect_idle(l->redirect) && now_ms() < end_ms) {
		size_t n = redirect_poll(l->redirect, fds);
		int ms = redirect_timeout_ms(l->redirect, now_ms());

		if (poll(fds, n, ms) >= 0)
			redirect_run(l->redirect, fds, n, now_ms());
	}
}

static int tell_end(struct login *l)
{
	static const struct {
		const char *state, *text;
		int status;
	} ends[] = {
		{ "succeeded", "logged in", EXIT_STATUS_OK },
		{ "failed", "the login failed: see `sftoken show`", EXIT_STATUS_REJECTED },
		{ "expired", "nobody logged in within the time: begin again",
		  EXIT_STATUS_TRY_AGAIN },
		{ "cancelled", "the login was cancelled by the daemon: see `sftoken show`",
		  EXIT_STATUS_TRY_AGAIN },
	};
	const char *state = text_of(l->ended, "state"), *message = text_of(l->ended, "message");
	size_t i = 0;
	char *text;

	while (i < sizeof ends / sizeof ends[0] && state && strcmp(ends[i].state, state) != 0)
		i++;
	if (!state || i == sizeof ends / sizeof ends[0])
		return complain(EXIT_STATUS_INTERNAL,
				"the daemon said in no known words how the login ended");
	text = harmless(message && *message ? message : ends[i].text);
	if (ends[i].status && !l->cli->quiet)
		complain(0, "%s", text ? text : ends[i].text);
	else if (!ends[i].status && !l->cli->quiet && !l->cli->json)
		puts(text ? text : ends[i].text);
	free(text);
	return ends[i].status;
}

static int finish(struct login *l)
{
	int r = l->status, written;

	show_nothing();
	paste_end(&l->paste);
	if (!r)
		r = tell_end(l);
	written = finish_output();
	sftoken_close(l->completing);
	sftoken_close(l->daemon); /* a login that goes on is cancelled by this */
	finish_pages(l, r == 0);
	redirect_free(l->redirect);
	json.object_put(l->begun);
	json.object_put(l->ended);
	json.object_put(l->answered);
	release_signals(l->signals, &l->mask);
	return r ? r : written;
}

int cmd_login(struct cli *cli)
{
	struct login l = { .cli = cli, .asked = NOBODY };

	l.signals = hold_signals(&l.mask);
	start_login(&l, NULL);
	while (!l.status && !l.ended)
		turn(&l);
	return finish(&l);
}
