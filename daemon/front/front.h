/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front as a whole: who is connected, who waits, and what the parent and the mint gave it.
 * main.c starts it; broker_*.c answer calls.
 */
#ifndef FRONT_FRONT_H
#define FRONT_FRONT_H

#include "daemon/common/connection.h"
#include "daemon/common/listener.h"
#include "daemon/front/audit.h"
#include "daemon/front/counters.h"
#include "daemon/front/deadlines.h"
#include "daemon/front/front_link.h"
#include "daemon/front/idle.h"
#include "daemon/front/rates.h"
#include "daemon/front/refusals.h"
#include "daemon/front/rules.h"
#include "daemon/front/tokens.h"

enum {
	LISTENERS_MAX = 64,
	REMEMBERED_MAX = 160,     /* the longest request whose bytes are remembered */
	DESCRIPTORS_RESERVE = 64, /* for ourselves, of the descriptor limit */
};

struct front;

/*
 * A request that led to a token, and what it means: shared by all connections that sent the same
 * bytes.
 */
struct remembered {
	struct map_node node;
	unsigned refs;
	int64_t min_valid_ms; /* -1: the default */
	bool allow_stale;
	const char *credential; /* in bytes, behind the request; NULL: null */
	size_t size;
	char bytes[];
};

/* A call that is not answered yet: a GetToken without its token, a watch or a hold. */
struct waiting {
	struct list link; /* in entry->waiters, entry->watches or entry->holds */
	struct deadline deadline;
	struct caller *caller;
	struct entry *entry;
	const char *
		sent; /* credential as the caller wrote it, "" for null; text of the running call */
	const char *reason; /* the same; NULL: none */
	struct judge_ask ask;
	/* watch_sent: the generation that the watch got last, 0: none */
	int64_t wait_s, watch_sent;
	/* a hold: how long it was asked for; held: its generation, 0: it has not begun; its end, and when its caller is told */
	int64_t hold_ms, held, hold_end_ms, notice_ms;
	bool watch, hold, told;
};

/* One connection. Small: ten thousand of them are idle. */
struct caller {
	struct front *front;
	struct connection *connection;
	struct user *user;
	struct waiting *waiting; /* NULL: no call waits */
	/* the request that was answered last, if it may be answered again without being read */
	struct remembered *last;
	struct entry *last_entry; /* what it is about, while last_version is the table's */
	uint32_t last_version;
	uint32_t null_version;     /* null_entry holds while this is the table's */
	struct entry *null_entry;  /* what null means for this caller; NULL: nothing */
	int64_t get_us;            /* when its GetToken that is not answered yet began; 0: none */
	struct identity *identity; /* NULL: no rule on units or programs has asked for it */
	uint32_t unruled_version;  /* no rule may let it in while this is the table's */
	uint16_t listener;         /* index */
	/* bits: malloc() gives a caller of more than 88 bytes 16 more (the gate of idle connections) */
	bool unknown : 1; /* of the last look: it is not known yet whether it may */
	bool spoke : 1;   /* its first call has come */
	bool counted : 1; /* in front->idle, from its first call of ours */
};

struct front_listener {
	struct listener *listener;
	char *name;
	const struct globs *globs; /* of front->rules; NULL: gives everything */
	bool loads;                /* the credential socket */
	int64_t connections;
};

struct front {
	struct loop *loop;
	struct front_link *link;
	struct table table;
	struct rules rules;
	struct connection_limits connection_limits;
	struct connection_handlers connection_handlers;
	struct listener_handlers listener_handlers;
	struct front_link_handlers link_handlers;
	struct front_listener listeners[LISTENERS_MAX];
	size_t n_listeners;
	int64_t started_ms; /* BOOTTIME: tells the mint that the counters began anew */
	/* descriptors: how many connections the descriptor limit allows */
	int64_t connections, descriptors;
	struct rates rates;
	struct audit audit;
	struct refusals refusals;
	struct counters counters;
	struct deadlines deadlines, loads_due, identify_due;
	struct list unidentified; /* of struct identity: those that are not known yet */
	int64_t identities;       /* how many were begun: the last one's id */
	struct idle idle;
	/* settle: judges what changed a moment ago; refused: logs what a call was refused for */
	struct timer *minute, *settle, *refused;
	struct list unsettled; /* entries of which only a part of the news has come */
	struct map remembered;
	/* The request that is being read, before it is taken apart in place. */
	const struct connection *candidate;
	size_t candidate_size;
	char candidate_bytes[REMEMBERED_MAX];
	bool open; /* LISTENERS_END was there and the sandbox is entered */
	bool synced_once, told_limits, stopping;
	const char *warnings[4];
	char descriptors_warning[160];
	size_t n_warnings;
	const struct front_events *events;
};

/* What main.c wants to know. */
struct front_events {
	/* The first Synced: the front serves from now on. */
	void (*ready)(struct front *f);
	/* Nobody has called for the time of front_until_idle(), and nobody is let in any more. */
	void (*idle)(void);
	/* It cannot go on. */
	void (*fatal)(const char *why);
};

/*
 * Everything but listeners and link. descriptors: how many the process may have open. NULL and err
 * on failure.
 */
struct front *front_new(struct loop *l, long descriptors, const struct front_events *events,
			struct err *err);
void front_free(struct front *f); /* all connections must be closed; for tests */

/*
 * A listening socket from the parent, taken over; it accepts from front_open() and the first Synced on. loads: it is for
 * LoadCredential= (load.h), not for Varlink.
 */
int front_add_listener(struct front *f, int fd, const char *name, const char *path, bool loads,
		       struct err *err);
/* All listeners are there and the sandbox is entered: accepting begins with the first Synced. */
void front_open(struct front *f);
/*
 * events->idle() is called when there was no caller for after_ms, counted from now, or from the first Synced if that is later. From that moment nobody is accepted: the daemon will end, and who
 * comes now waits in the queue of the socket for the next one, instead of being told that this one ends. Asked again, it accepts again.
 */
int front_until_idle(struct front *f, int64_t after_ms, struct err *err);
/* ShuttingDown for all that wait; nobody is accepted any more. */
void front_stop(struct front *f);
/* One line with what is going on, to the log. */
void front_write_status(struct front *f);

#endif
