/* SPDX-License-Identifier: Apache-2.0 */
/* The store from inside, for its own files. */
#ifndef MINT_STORE_PARTS_H
#define MINT_STORE_PARTS_H

#include "daemon/mint/store.h"
#include "daemon/mint/store_journal.h"
#include "daemon/mint/store_record.h"

#define STORE_NAME "store"
#define STORE_NEW_NAME "store.new"
#define STORE_KEY_NAME "store.key"
#define STORE_KEY_NEW_NAME "store.key.new"
#define STORE_KEEP_NAME "store.keep"
#define STORE_KEEP_NEW_NAME "store.keep.new"
#define STORE_MARK_NAME "store.mark"

enum {
	STORE_SIZE_MIN = 1024 * 1024,
	STORE_SOON_MS = 1000, /* until what was written SOON is synced */
	STORE_HEAL_MS = 5000,
	STORE_WHY_MAX = 300,
};

/* What is known of one of the two records of an entry. */
struct part {
	bool live;       /* worth a record: it was written once, or should have been */
	bool dirty;      /* what memory has is not certain to be in a file that is trusted */
	bool kept;       /* but it is in store.keep */
	uint32_t room;   /* that its newest record takes */
	uint64_t number; /* of its newest record in the file */
};

struct entry {
	struct stored stored; /* first: it is what callers hold */
	struct part parts[2]; /* STORE_KIND_CREDENTIAL, STORE_KIND_SECRETS */
};

/* What the store has said last in this boot; lies in RUNTIME, shared, so that SIGKILL takes nothing away. */
struct store_mark {
	char magic[8];
	unsigned char id[STORE_SEAL_ID];
	char boot_id[40];
	uint64_t written, synced;
};

struct store {
	char *state_dir, *runtime_dir;
	int dir, run; /* -1: cannot be opened */
	struct secret *key;
	char key_note[STORE_WHY_MAX]; /* of store_key_note() */
	bool key_auto,
		key_lost; /* lost: it could not be written yet, and nothing but this process knows it */
	struct store_seal *seal;
	struct store_identity identity;
	struct store_clock opened; /* when: times of other boots are computed for now */
	unsigned char id[STORE_SEAL_ID];
	struct store_journal file, keep;
	/* What bore the name when it was last looked at; and what may bear it instead of our file, because a rename or the sync of the directory has failed. */
	uint64_t named_inode, other_inode; /* 0: nothing */
	bool unsure;
	struct store_mark *mark;
	uint64_t number; /* the highest that was given */
	uint64_t synced; /* the highest that is known to be on disk */

	struct entry **entries;
	size_t n_entries, cap_entries;
	uint32_t *table; /* index + 1, by hash of the name; 0: free */
	size_t n_table;

	/* The state: SUSPECT before READONLY before OK. */
	bool suspect, noted; /* noted: and the file says so itself */
	bool replaced;       /* why it is suspect: another file bears the name */
	bool sick;           /* the file is not trusted any more: a write to it has failed */
	bool full; /* no new file can be made: only a RESULT is still written to the old one */
	char why_suspect[STORE_WHY_MAX], why_readonly[STORE_WHY_MAX];

	int64_t sync_due_ms, heal_due_ms;
	unsigned
		intents; /* requests that may be under way: each has room for its RESULT reserved */
	struct store_counters counters;
};

static inline struct entry *store_entry(struct stored *e)
{
	return (struct entry *)e;
}

/* --- store_entries.c --- */
struct entry *store_entry_find(const struct store *s, const char *name);
struct entry *store_entry_get(struct store *s, const char *name);
void store_entries_free(struct store *s);

/* --- store.c --- */
struct store_clock store_clock_now(const struct store *s);
/* No write to the file is trusted from now on. */
void store_fail(struct store *s, const struct err *why);
/* No new file can be made. */
void store_fill(struct store *s, const struct err *why);
void store_suspect(struct store *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
int store_sync(struct store *s, struct err *err);
/* Puts one record of an entry into the file. result: may use the room that is reserved for it. Negative: not on disk; the entry counts as dirty, and store_keep() is the caller's. */
int store_put(struct store *s, struct entry *x, enum store_kind kind, enum store_durability how,
	      bool result, struct err *err);
/* Why nothing is written at the moment, as an error. */
int store_refuse(const struct store *s, struct err *err);
/* Encodes and appends to any journal. */
int store_append(struct store *s, struct store_journal *j, struct entry *x, enum store_kind kind,
		 struct err *err);

/* --- store_open.c: trust rules and what is found --- */
/* Opens a file that must be ours alone: 0 with *fd, 0 with -1 (there is none), -ERR_ADMIN, -ERR_INTERNAL. read_only (may be NULL): set when it can only be read. */
int store_open_trusted(int dir, const char *dir_path, const char *name, int *fd, struct stat *st,
		       bool *read_only, struct err *err);
/* Takes what a journal says into the entries, where it is newer; what store.keep says counts as dirty. */
int store_read_entries(struct store *s, struct store_journal *j, const char *path,
		       struct store_scan *scan, struct err *err);

/* --- store_compact.c --- */
/* Everything that memory has, in a new file. id: of the store from then on. 0, or negative: the state is told already. */
int store_compact(struct store *s, const unsigned char *id, bool adopting, struct err *err);
/*
 * Makes the file as long as a new one would be, if that is longer: then three quarters of it are not yet garbage, and writing what is live again would gain nothing. The records stay where they
 * are; the next sync makes the length durable with them. False: the file is as it was, and what has no room needs store_compact().
 */
bool store_extend(struct store *s);
/* Whether the name still is that of our file; suspect otherwise. */
int store_check_name(struct store *s, struct err *err);

/* --- store_keep.c --- */
/* Seals what is dirty into store.keep, if that can be written. */
void store_keep(struct store *s);
void store_keep_drop(struct store *s);
/* Takes what a process before has left there. *found: there was something to take. */
int store_keep_read(struct store *s, bool fresh, bool *found, struct err *err);

/* --- store_mark.c --- */
void store_mark_open(struct store *s);
void store_mark_close(struct store *s);
/* The highest number that this boot has seen of this store; 0: nothing is known. */
uint64_t store_mark_written(const struct store *s);
void store_mark_set(struct store *s);

/* --- store_key.c --- */
/* Finds or makes the key. exists: there is a store that was sealed with it. */
int store_key_open(struct store *s, const struct secret *given, bool exists, struct err *err);
/* Writes a key that only memory has. 0 or -ERR_RETRY. */
int store_key_save(struct store *s, struct err *err);

#endif
