/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/front_fixture.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/common/link.h"
#include "proto/varlink.h"

/* --- quotes --- */

const char *q(const char *text)
{
	static char ring[8][8192];
	static unsigned at;
	char *to = ring[at++ % 8];
	size_t i = 0;

	for (; text[i] && i < sizeof(ring[0]) - 1; i++)
		to[i] = text[i] == '\'' ? '"' : text[i];
	to[i] = '\0';
	return to;
}

/* --- loop --- */

struct timer {
	struct timer *next;
	void (*fire)(void *arg);
	void *arg;
	int64_t at_ms; /* -1: idle */
};

static struct timer *timers;
static int64_t now_ms = START_MS;

int64_t loop_now_ms(struct loop *l)
{
	(void)l;
	return now_ms;
}

int64_t loop_now_us(struct loop *l)
{
	return loop_now_ms(l) * 1000;
}

/* Everything takes 30 us here, but for waiting. */
int64_t loop_fresh_us(struct loop *l)
{
	return loop_now_us(l) + 30;
}

int64_t fixture_now(void)
{
	return now_ms;
}

struct timer *timer_new(struct loop *l, void (*fire)(void *arg), void *arg)
{
	struct timer *t = calloc(1, sizeof(*t));

	(void)l;
	*t = (struct timer){ .next = timers, .fire = fire, .arg = arg, .at_ms = -1 };
	timers = t;
	return t;
}

void timer_set(struct timer *t, int64_t at_ms)
{
	t->at_ms = at_ms;
}

void timer_clear(struct timer *t)
{
	t->at_ms = -1;
}

bool timer_is_set(const struct timer *t)
{
	return t->at_ms >= 0;
}

void timer_free(struct timer *t)
{
	struct timer **at = &timers;

	while (t && *at != t)
		at = &(*at)->next;
	if (t)
		*at = t->next;
	free(t);
}

static struct timer *next_due(int64_t until)
{
	struct timer *first = NULL;

	for (struct timer *t = timers; t; t = t->next) {
		if (t->at_ms >= 0 && t->at_ms <= until && (!first || t->at_ms < first->at_ms))
			first = t;
	}
	return first;
}

void pass(int64_t ms)
{
	int64_t until = now_ms + ms;
	struct timer *t;

	while ((t = next_due(until))) {
		if (t->at_ms > now_ms)
			now_ms = t->at_ms;
		t->at_ms = -1;
		t->fire(t->arg);
	}
	now_ms = until;
}

/* --- listener --- */

struct listener {
	const struct listener_handlers *handlers;
	bool enabled;
};

static struct listener the_listener;

struct listener *listener_open(struct loop *loop, int fd, const char *name, const char *path,
			       const struct listener_handlers *handlers, struct err *err)
{
	(void)loop;
	(void)name;
	(void)path;
	(void)err;
	close(fd);
	the_listener = (struct listener){ .handlers = handlers };
	return &the_listener;
}

void listener_close(struct listener *l)
{
	(void)l;
}

void listener_enable(struct listener *l, bool enabled)
{
	l->enabled = enabled;
}

bool listener_is_enabled(void)
{
	return the_listener.enabled;
}

/* --- connection --- */

struct connection {
	struct connection *next;
	const struct connection_handlers *handlers;
	void *arg, *data;
	struct peer peer;
	char *message;
	struct buf out, sent, shown, kept;
	bool in_call, oneway, stalled;
	int fd;
};

static struct connection *connections;
static unsigned replies;

struct connection *connection_open(struct loop *l, int sock, struct peer *peer,
				   const struct connection_limits *limits,
				   const struct connection_handlers *handlers, void *arg,
				   void *data, struct err *err)
{
	struct connection *c = calloc(1, sizeof(*c));

	(void)l;
	(void)limits;
	(void)err;
	*c = (struct connection){ .next = connections,
				  .handlers = handlers,
				  .arg = arg,
				  .data = data,
				  .peer = *peer,
				  .fd = sock };
	buf_init(&c->out, VARLINK_MESSAGE_MAX);
	buf_init(&c->sent, 64 * VARLINK_MESSAGE_MAX);
	buf_init(&c->shown, 64 * VARLINK_MESSAGE_MAX);
	buf_init(&c->kept, 4 * VARLINK_MESSAGE_MAX);
	connections = c;
	return c;
}

void connection_close(struct connection *c)
{
	struct connection **at = &connections;
	c->handlers->closed(c, c->arg);
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	buf_fini(&c->out);
	buf_fini(&c->sent);
	buf_fini(&c->shown);
	buf_fini(&c->kept);
	peer_fini(&c->peer);
	free(c->message);
	close(c->fd);
	free(c);
}

const struct peer *connection_peer(const struct connection *c)
{
	return &c->peer;
}

int connection_sock(const struct connection *c)
{
	return c->fd;
}

void *connection_data(const struct connection *c)
{
	return c->data;
}

struct buf *connection_out(struct connection *c)
{
	return &c->out;
}

bool connection_busy(const struct connection *c)
{
	return c->kept.len > 0;
}

bool connection_in_call(const struct connection *c)
{
	return c->in_call;
}

static void send_bytes(struct connection *c, const char *bytes, size_t size, bool more)
{
	struct buf *to = c->stalled ? &c->kept : &c->sent;
	if (!c->oneway)
		buf_add(to, bytes, size);
	if (!more)
		c->in_call = false;
}

/* Every message must end with its NUL and be the only one. */
static void check_framing(const char *bytes, size_t size)
{
	if (size == 0 || memchr(bytes, '\0', size) != bytes + size - 1)
		abort();
}

void connection_reply(struct connection *c, bool more)
{
	if (buf_failed(&c->out) || c->out.len > VARLINK_MESSAGE_MAX)
		abort();
	check_framing(c->out.data, c->out.len);
	replies += !c->oneway;
	send_bytes(c, c->out.data, c->out.len, more);
	buf_clear(&c->out);
}

void connection_send_ready(struct connection *c, const char *bytes, size_t size, bool more)
{
	check_framing(bytes, size);
	replies += !c->oneway;
	send_bytes(c, bytes, size, more);
}

unsigned fixture_replies(void)
{
	return replies;
}

struct connection *caller_connect(unsigned uid, unsigned gid, const unsigned *groups,
				  size_t n_groups)
{
	struct peer peer = { .uid = uid, .gid = gid, .pid = 100 + (pid_t)uid };
	struct connection *before = connections;
	gid_t in[PEER_GROUPS_MAX];

	for (size_t i = 0; i < n_groups; i++)
		in[i] = groups[i];
	if (peer_set_groups(&peer, in, n_groups, NULL) < 0)
		abort();
	the_listener.handlers->accepted(&the_listener, open("/dev/null", O_RDONLY | O_CLOEXEC),
					&peer, the_listener.handlers->arg);
	return connections != before ? connections : NULL;
}

/* As connection.c does it. */
static void handle(struct connection *c, const char *raw, size_t size)
{
	struct varlink_call call;

	c->in_call = true;
	c->oneway = false;
	if (c->handlers->raw_call(c, raw, size, c->arg))
		return;
	free(c->message);
	c->message = strdup(raw);
	if (varlink_parse_call(c->message, size, &call, NULL) < 0)
		abort();
	c->oneway = call.oneway;
	c->handlers->call(c, &call, c->arg);
}

void caller_call(struct connection *c, const char *method, const char *parameters,
		 const char *flags)
{
	char raw[8192];
	int size = snprintf(raw, sizeof(raw), "{\"method\":\"%s%s\",\"parameters\":%s%s}",
			    strchr(method, '.') ? "" : "io.sftoken.Broker.", method, q(parameters),
			    q(flags));

	if (c->in_call || size >= (int)sizeof(raw))
		abort();
	handle(c, raw, (size_t)size);
}

void caller_get(struct connection *c, const char *parameters)
{
	caller_call(c, "GetToken", parameters, "");
}

const char *caller_heard(struct connection *c)
{
	buf_clear(&c->shown);
	buf_add(&c->shown, c->sent.data ? c->sent.data : "", c->sent.len);
	buf_add_text(&c->shown, "");
	for (size_t i = 0; i < c->shown.len; i++) {
		if (c->shown.data[i] == '\0')
			c->shown.data[i] = '\n';
	}
	buf_clear(&c->sent);
	return c->shown.len > 0 ? c->shown.data : "";
}

void caller_stalls(struct connection *c)
{
	c->stalled = true;
}

void caller_reads(struct connection *c)
{
	c->stalled = false;
	buf_add(&c->sent, c->kept.data ? c->kept.data : "", c->kept.len);
	buf_clear(&c->kept);
	if (c->in_call)
		c->handlers->drained(c, c->arg);
}

void caller_hangs_up(struct connection *c)
{
	connection_close(c);
}

bool caller_waits(const struct connection *c)
{
	return c->in_call;
}

/* --- link --- */

struct link_end {
	const struct link_handlers *handlers;
};

static struct link_end *the_link;
static unsigned heard[LINK_TYPES];
static char heard_last[LINK_TYPES][4096];
static int room = -1;
static bool ready;
static char fatal[ERR_TEXT_MAX + 1];

struct link_end *link_open(struct loop *l, int fd, const char *build,
			   const struct link_handlers *handlers, struct err *err)
{
	(void)l;
	(void)fd;
	(void)build;
	(void)err;
	the_link = calloc(1, sizeof(*the_link));
	the_link->handlers = handlers;
	return the_link;
}

void link_close(struct link_end *e)
{
	if (e == the_link)
		the_link = NULL;
	free(e);
}

bool link_other_build(const struct link_end *e)
{
	(void)e;
	return false;
}

int link_send(struct link_end *e, const struct link_message *m)
{
	struct buf b;

	(void)e;
	if (room == 0)
		return 0;
	room -= room > 0;
	buf_init(&b, PACKET_MAX);
	link_encode(m, &b);
	if (buf_failed(&b))
		abort();
	heard[m->type]++;
	snprintf(heard_last[m->type], sizeof(heard_last[0]), "%s", b.data);
	buf_fini(&b);
	return 1;
}

void mint_say(const char *format, ...)
{
	char text[8192], *packet;
	struct link_message m;
	struct err err = { 0 };
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), q(format), args);
	va_end(args);
	packet = strdup(q(text));
	if (link_decode(packet, strlen(packet), &m, &err) < 0) {
		printf("# the fixture said what no mint says: %s\n", err.text);
		abort();
	}
	the_link->handlers->message(&m, the_link->handlers->arg);
	free(packet);
}

/* The default of a member, unless members has its own. */
static const char *unless(const char *members, const char *name, const char *member)
{
	return strstr(members, name) ? "" : member;
}

void mint_rules(const char *members)
{
	mint_say("{'type':'Rules','service_uid':4711%s%s%s}",
		 unless(members, "'limits'", ",'limits':{}"),
		 unless(members, "'listeners'", ",'listeners':[{'name':'broker','globs':[]}]"),
		 members);
}

void mint_credential(const char *name, int uid, const char *members)
{
	mint_say(
		"{'type':'Credential','name':'%s','grant_type':'client_credentials','upstream_attempts':3%s%s%s%s%s%s}",
		name, unless(members, "'aliases'", ",'aliases':[]"),
		unless(members, "'gids'", ",'gids':[]"),
		unless(members, "'state'", ",'state':'valid'"),
		unless(members, "'attempt'", ",'attempt':false"),
		strstr(members, "'uids'") ? ""
		: uid == 500              ? ",'uids':[500]"
					  : ",'uids':[0]",
		members);
}

void mint_publish_life(const char *name, int64_t generation, int64_t life_ms, const char *members)
{
	char times[512], deadline[64], token[64];

	snprintf(deadline, sizeof(deadline), ",'deadline_ms':%lld", (long long)(now_ms + life_ms));
	snprintf(times, sizeof(times),
		 ",'life_ms':%lld,'issued_ms':%lld,'issued_wall':%lld,'expires_wall':%lld%s",
		 (long long)life_ms, (long long)now_ms, (long long)(now_ms / 1000),
		 (long long)((now_ms + life_ms) / 1000),
		 unless(members, "'deadline_ms'", deadline));
	snprintf(token, sizeof(token), ",'token':'00D!t%lld'", (long long)generation);
	mint_say(
		"{'type':'Publish','credential':'%s','origin':'o','generation':%lld,"
		"'instance_url':'https://i.example','expiry_source':'response','scopes':['api','web']%s%s%s%s%s%s}",
		name, (long long)generation, unless(members, "'token'", token), times,
		unless(members, "'unchanged'", ",'unchanged':false"),
		unless(members, "'reported'", ",'reported':false"),
		unless(members, "'vouched_ms'", ",'vouched_ms':1"), members);
}

void mint_publish(const char *name, int64_t generation, const char *members)
{
	mint_publish_life(name, generation, 7200 * 1000, members);
}

unsigned mint_heard(enum link_type type)
{
	return heard[type];
}

const char *mint_heard_last(enum link_type type)
{
	return heard_last[type];
}

void fixture_forget(void)
{
	memset(heard, 0, sizeof(heard));
	memset(heard_last, 0, sizeof(heard_last));
	replies = 0;
}

void mint_full(int n)
{
	room = n;
}

void mint_room(void)
{
	room = -1;
	the_link->handlers->writable(the_link->handlers->arg);
}

/* --- the whole --- */

static struct front *the_front;

static void on_ready(struct front *f)
{
	(void)f;
	ready = true;
}

static void on_fatal(const char *why)
{
	snprintf(fatal, sizeof(fatal), "%s", why);
}

static const struct front_events events = { .ready = on_ready, .fatal = on_fatal };

bool fixture_ready(void)
{
	return ready;
}

const char *fixture_fatal(void)
{
	return fatal[0] ? fatal : NULL;
}

void mint_dies(void)
{
	the_link->handlers->closed(the_link->handlers->arg);
}

void mint_comes(void)
{
	if (front_link_use(the_front->link, -1, NULL) < 0)
		abort();
}

struct front *fixture_unsynced(long descriptors)
{
	now_ms = START_MS;
	ready = false;
	fatal[0] = '\0';
	room = -1;
	fixture_forget();
	the_front = front_new(NULL, descriptors, &events, NULL);
	if (!the_front || front_add_listener(the_front, open("/dev/null", O_RDONLY | O_CLOEXEC),
					     "broker", "/run/b", false, NULL) < 0)
		abort();
	front_open(the_front);
	mint_comes();
	return the_front;
}

struct front *fixture_front(long descriptors)
{
	struct front *f = fixture_unsynced(descriptors);

	mint_rules("");
	mint_say("{'type':'Synced'}");
	return f;
}

void fixture_end(struct front *f)
{
	while (connections)
		connection_close(connections);
	front_free(f);
	the_front = NULL;
}
