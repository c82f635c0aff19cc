/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text for Prometheus (text exposition format 0.0.4), in pieces: plain data in, text out. The families are one table (metrics.c); the writer of single lines is metrics_text.c.
 *
 * A piece ends between two families, or between two credentials within a family, and says where the next one begins: at a family, or in a family behind a credential. As credentials stand
 * in the order of their names, the pieces joined are one valid exposition (each family once, its samples together, no sample twice), whatever was added or removed meanwhile.
 */
#ifndef MINT_METRICS_H
#define MINT_METRICS_H

#include "base/buf.h"
#include "daemon/mint/tally.h"
#include "daemon/mint/totals.h"
#include "proto/messages.h"

enum {
	METRICS_PIECE_MAX = 60 * 1024, /* as a JSON string; with what stands around it less than VARLINK_MESSAGE_MAX */
	METRICS_CURSOR_MAX = 1024,
	METRICS_LISTENERS_MAX = 96,
};

struct metrics_listener {
	const char *name;
	int64_t connections;
};

/* What there is once. */
struct metrics_daemon {
	const char *version;
	int64_t started_s; /* seconds since 1970 */
	bool ready;
	bool front; /* it has answered: listeners and waiting are of now */
	int64_t mint_restarts, front_restarts;
	int store; /* enum store_state */
	int64_t store_writes, store_syncs, store_failures, store_bytes;
	int64_t logins, lines_dropped;
	int64_t waiting;
	const struct totals *counted; /* by the front; names as in daemon/front/counters.c */
	struct metrics_listener listeners[METRICS_LISTENERS_MAX];
	size_t n_listeners;
};

struct metrics_credential {
	const char *name;
	int state;                    /* enum state */
	int64_t expires_s, renewed_s; /* seconds since 1970; 0: none */
	const struct tally *tally;
};

/* at(): the i-th credential of n, in strcmp() order of their names. */
struct metrics_source {
	const struct metrics_daemon *daemon;
	size_t n;
	void (*at)(size_t i, struct metrics_credential *out, void *arg);
	void *arg;
};

/*
 * Appends a piece to text, and to next where the one after it begins (nothing: that was the last one). after: next of the piece before, NULL for the first.
 * 0, -ERR_INPUT: after is none of ours; -ERR_INTERNAL: out of memory.
 */
int metrics_piece(const struct metrics_source *s, const char *after, struct buf *text,
		  struct buf *next);

/* --- metrics_text.c: lines --- */

struct metrics_label {
	const char *name, *value; /* value NULL: there is no such label */
};
enum { METRICS_LABELS_MAX = 3 };

/* What is written, and how long it is as a JSON string. */
struct metrics_text {
	struct buf *out;
	size_t size;
};

/* # HELP and # TYPE. */
void metrics_head(struct metrics_text *t, const char *family, const char *type, const char *help);
/* One sample: family, then suffix ("" or "_bucket" ...), the labels that have a value, and the value. */
void metrics_add(struct metrics_text *t, const char *family, const char *suffix,
		 const struct metrics_label labels[METRICS_LABELS_MAX], int64_t value);
/* The same with a value of micros in whole and parts: 1500000 is 1.5. */
void metrics_add_micros(struct metrics_text *t, const char *family, const char *suffix,
			const struct metrics_label labels[METRICS_LABELS_MAX], int64_t micros);
/* "0.000025" */
void metrics_print_micros(char to[32], int64_t micros);
/* Takes back what was written since *then. */
void metrics_back(struct metrics_text *t, const struct metrics_text *then, size_t len);

#endif
