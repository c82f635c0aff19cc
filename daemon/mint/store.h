/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must outlive the mint, sealed on disk (reliability.md 2, 3.2 and 11.1): refresh tokens and what became of them, secrets given by "sftoken import", the current access token, the
 * highest generation, enabled or not.
 *
 * One journal (STATE/store) of sealed records. Each record is the whole state of one credential; the newest wins. So INTENT, RESULT and everything else is one kind of write, and a
 * reader needs no history. Records are chained, aligned to 512 bytes, in a file that was filled with zeros before: a torn, reordered or rolled-back tail is seen.
 * What is on disk and cannot be read is never overwritten by what is known less of.
 *
 * The mint is the only process that opens it; the parent holds the directory's lock, and the file has one of its own.
 */
#ifndef MINT_STORE_H
#define MINT_STORE_H

#include "base/cleanup.h"
#include "base/err.h"
#include "base/secret.h"
#include "daemon/mint/credential.h"
#include "daemon/mint/exchange.h"
#include "proto/messages.h"

struct store;

/* In the order of Manager.StoreState. */
enum store_state {
	STORE_OK,
	STORE_READONLY, /* nothing can be written: no refresh token is spent; tried again by itself */
	STORE_SUSPECT,  /* a copy or a restored backup, or damaged: no refresh token is spent before store_adopt() */
};

enum { STORED_REQUESTS = 64 };

/* The access token as the keeper had it. All *_ms are BOOTTIME of this boot; what was written in another one is computed anew from the wall clock when it is read. */
struct stored_token {
	struct grant *grant; /* counted; NULL: none */
	char *origin;        /* credential_origin() */
	int64_t generation, issued_ms, life_ms, deadline_ms, vouched_ms;
	int64_t deadline_real_ms; /* of another boot: the deadline by the wall clock; 0: of this boot */
	enum expiry_source source;
	bool unchanged;
};

/* The one refresh token that may be spent. */
struct stored_refresh {
	struct secret *token; /* counted; NULL: none */
	char *origin;         /* to whom it belongs: credential_origin() when it was given */
	char *base_url;       /* where it is refreshed; NULL: LoginUrl= */
	int64_t number;       /* of all tokens that this credential has had */
	int64_t used_ms; /* BOOTTIME (may be negative) when it or its predecessor was last accepted, or given */
	bool rotates; /* the server has replaced one before; then a repeat is dangerous for certain */
	bool refused; /* the server does not take it any more: a person must give another one */
};

/* The spend journal: INTENT is written before the request leaves, and what came of it after. */
enum spend_state {
	SPEND_NONE,    /* nothing is under way; the token is the server's current one as far as we know */
	SPEND_INTENT,  /* a request may be on its way */
	SPEND_UNKNOWN, /* it was, and nobody knows whether the server has replaced the token */
};

struct stored_spend {
	enum spend_state state;
	int64_t at_ms, at_real_ms; /* of the INTENT */
	unsigned replays;          /* requests with this token since its outcome is unknown */
};

/* What people were told of a credential ([Daemon] OnEvent=), so that they are not told twice. */
struct stored_told {
	int64_t states;     /* 1 << enum unit_event of each state since the last valid token */
	int64_t generation; /* that was the newest then: a newer one says that the trouble was over */
	int64_t token;      /* generation whose end was told */
	int64_t certificate_s;    /* end of the certificate that was spoken of last */
	int64_t certificate_days; /* how many days before it: the fewest; 0: not yet */
};

struct stored {
	char *name;
	int64_t generation; /* the highest that was ever given out */
	bool disabled;
	struct stored_token token;
	struct stored_refresh refresh;
	struct stored_spend spend;
	struct secret *secrets[STORED_SECRETS];
	int64_t learned_ms, learned_death_ms; /* the shorter life (architecture.md 7) */
	/* requests to the token endpoint, oldest first, BOOTTIME: the budget outlives a restart */
	int64_t requests[STORED_REQUESTS];
	unsigned n_requests;
	int64_t next_check_ms; /* BOOTTIME: no claim is checked before */
	struct stored_told told;
};

struct store_options {
	const char *state_dir, *runtime_dir;
	const struct secret
		*key; /* [Store] Key=: any 16 bytes or more; NULL: auto, STATE/store.key */
	int64_t now_ms, now_real_ms; /* BOOTTIME and wall clock */
};

/*
 * Opens STATE/store, or makes it. 0, or negative with err, and then the mint must not run: -ERR_ADMIN (the key does not fit, a newer format, a file that is not ours to trust, one that
 * cannot be read), -ERR_EXISTS (another process has it), -ERR_INTERNAL. A directory that cannot be written is no error: the store is READONLY then.
 */
int store_open(struct store **out, const struct store_options *options, struct err *err);
/* Syncs what is not yet synced. Takes NULL. */
void store_close(struct store *s);

enum store_state store_state(const struct store *s);
/* For people: why it is not OK and what to do; and how the key is kept when that deserves a warning ("" otherwise). */
const char *store_why(const struct store *s);
const char *store_key_note(struct store *s);

/* The entry of a credential. find: NULL if there is none; get: made when it is missing (NULL: out of memory). Entries live as long as the store. */
struct stored *store_find(struct store *s, const char *name);
struct stored *store_get(struct store *s, const char *name);

/*
 * Writes an entry as it stands now. SYNC: on disk when this returns 0. SOON: in the file when it returns (a killed process loses nothing), synced by the next SYNC or store_tick().
 * Negative: not on disk, state READONLY; the entry stays as it is in memory, a sealed copy goes to RUNTIME/store.keep when that can be written (it outlives the process, not the machine), and the
 * next store_tick() tries again.
 */
enum store_durability { STORE_SYNC, STORE_SOON };
int store_write(struct store *s, struct stored *e, enum store_durability how, struct err *err);

/* Whether anything waits for store_tick(), and that: syncs, heals (READONLY: tries to write everything into a new file). now_ms: BOOTTIME. Returns true when the state has changed. */
int64_t store_due_ms(const struct store *s); /* 0: nothing */
bool store_tick(struct store *s, int64_t now_ms);

/* SUSPECT -> OK: this machine's store from now on. Writes a new file. 0 or negative with err (state as before). */
int store_adopt(struct store *s, struct err *err);

/* Counters for status, tests and metrics. */
struct store_counters {
	uint64_t records, syncs, compactions, extensions, failures;
	uint64_t bytes; /* of the journal that are used */
};
struct store_counters store_counters(const struct store *s);

/* --- the spend journal (store_spend.c): the only functions that change stored.spend --- */

/* May a request with this token leave? 0, or -ERR_RETRY (readonly, or one is under way), -ERR_ADMIN (suspect), -ERR_LOGIN (no token, or refused), each with a sentence for people. */
int store_may_spend(const struct store *s, const struct stored *e, struct err *err);
/* Writes INTENT, synced. Negative: nothing may be sent. A token whose outcome is unknown: this is a replay, and counted. */
int store_intend(struct store *s, struct stored *e, int64_t now_ms, int64_t now_real_ms,
		 struct err *err);
/* Nothing left this machine: the token is as it was before. */
int store_unspent(struct store *s, struct stored *e, struct err *err);
/* The server answered without a new one (an error): the token is what it was. refused: it is dead for good. */
int store_answered(struct store *s, struct stored *e, bool refused, struct err *err);
/* Nobody can say whether the server has replaced it. */
int store_unknown(struct store *s, struct stored *e, struct err *err);
/* RESULT, synced: next NULL: the server keeps the old one. The caller has set e->token and e->generation before. Negative: not on disk, but the entry holds the new token all the same. */
int store_result(struct store *s, struct stored *e, struct secret *next, int64_t now_ms,
		 struct err *err);
/* A person gave another one (import, login): synced, or nothing has changed. */
int store_give_refresh(struct store *s, struct stored *e, struct secret *token, const char *origin,
		       const char *base_url, int64_t now_ms, struct err *err);
/*
 * A person has logged in: refresh token and access token in one record, synced, or nothing has changed. refresh NULL: this login brings none, the one that is there stays.
 * token is copied. -ERR_RETRY: a request with the old one is under way, or nothing can be written.
 */
int store_take_login(struct store *s, struct stored *e, struct secret *refresh, const char *origin,
		     const struct stored_token *token, int64_t now_ms, struct err *err);
/* Nobody may spend it any more (revoke --forget): erased, synced, and the file is written anew, so that no older record has it. */
int store_forget_refresh(struct store *s, struct stored *e, struct err *err);
/* The same for a secret of "import": value NULL forgets it. Synced, or nothing has changed. */
int store_give_secret(struct store *s, struct stored *e, enum stored_secret kind,
		      struct secret *value, struct err *err);

#endif
