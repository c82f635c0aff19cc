/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front without sockets: this replaces loop, listener, connection and link. Time stands still
 * unless a test moves it; what the front sends is kept as text; what callers and the mint say is
 * given as the JSON that would cross the socket, and goes through the real codecs.
 */
#ifndef TESTS_UNIT_FRONT_FIXTURE_H
#define TESTS_UNIT_FRONT_FIXTURE_H

#include "daemon/front/front.h"

enum { START_MS = 1000000 };

/*
 * A front after its first Synced, with the socket "broker"; service user 4711. credentials:
 * Credential and Publish packets by mint_say() before the sync.
 */
struct front *fixture_front(long descriptors);
/* The same in two steps: a front whose mint has said nothing yet. */
struct front *fixture_unsynced(long descriptors);
void fixture_end(struct front *f);

/* --- time --- */

int64_t fixture_now(void);
/* Moves time on and fires what is due, timer by timer in order of time. */
void pass(int64_t ms);

/* --- the mint --- */

/* One packet from the mint, as printf() says; ' is written for ". */
void mint_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void mint_rules(const char *members);
/*
 * members: more members, beginning with a comma, or "". They come last and so win: the fixture
 * leaves out what they name.
 */
void mint_credential(const char *name, int uid, const char *members);
/* A token of 2 hours, issued now; members as above. */
void mint_publish(const char *name, int64_t generation, const char *members);
void mint_publish_life(const char *name, int64_t generation, int64_t life_ms, const char *members);
/*
 * How many packets of this type the front has sent since the last fixture_forget(), and the text of
 * the newest one ("" if none).
 */
unsigned mint_heard(enum link_type type);
const char *mint_heard_last(enum link_type type);
void fixture_forget(void);
/* The link takes only n more packets; -1: all. mint_room(): it takes them again and says so. */
void mint_full(int n);
void mint_room(void);
/* The mint dies; a new one connects. The new one says nothing before it is told to. */
void mint_dies(void);
void mint_comes(void);
bool fixture_ready(void);
/* What the front said before it gave up, or NULL. */
const char *fixture_fatal(void);

/* --- callers --- */

/* NULL: refused */
struct connection *caller_connect(unsigned uid, unsigned gid, const unsigned *groups,
				  size_t n_groups);
/* One call; ' is written for ". method without interface: io.sftoken.Broker. */
void caller_call(struct connection *c, const char *method, const char *parameters,
		 const char *flags);
void caller_get(struct connection *c, const char *parameters);
/*
 * The answers since the last look, each ended by a newline instead of NUL; "" for none. Valid until
 * the next call of caller_heard().
 */
const char *caller_heard(struct connection *c);
/* Number of replies that were sent on all connections. */
unsigned fixture_replies(void);
/* The kernel takes no more of this caller's replies, and takes them again. */
void caller_stalls(struct connection *c);
void caller_reads(struct connection *c);
void caller_hangs_up(struct connection *c);
bool caller_waits(const struct connection *c);
bool listener_is_enabled(void);

/* A copy of text in which every ' is a ". In a ring of static buffers. */
const char *q(const char *text);

#endif
