/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The credentials that the front knows and their current tokens. A token never changes and is
 * counted; its reply is kept ready, with room for the number that changes ("expiresInSeconds" stands
 * last in the object) and what closes it. A table is what one synchronisation with the mint built; a new one is built beside it
 * and swapped.
 */
#ifndef FRONT_TOKENS_H
#define FRONT_TOKENS_H

#include "base/secret.h"
#include "daemon/front/judge.h"
#include "daemon/front/list.h"
#include "daemon/front/map.h"
#include "daemon/front/policy.h"
#include "proto/link_messages.h"

/* The number and what closes a reply, at most: that of HoldToken is the longest. */
enum { TOKEN_TAIL_MAX = 160 };

struct token {
	unsigned refs;
	int ready_validity; /* of ready; -1: not built */
	/* What closes the reply that stands in ready; tail_size 0: nothing that is known. */
	bool tail_more;
	unsigned char tail_size;
	int64_t tail_left_s;
	struct secret *access, *ready;
	struct judge_token judge;
	int64_t refresh_after_ms;                              /* 0: none */
	int64_t issued_wall, expires_wall, refresh_after_wall; /* refresh_after_wall -1: null */
	int expiry_source;
	size_t n_scopes;
	/* Point into text; scopes may be NULL, the optional ones too. */
	const char **scopes;
	const char *origin, *instance_url, *identity_url, *organization_id, *user_id, *username;
	char *text;
};

/* From a decoded Publish, whose texts it copies. NULL and err on failure. */
struct token *token_new(struct link_publish *p, struct err *err);
struct token *token_ref(struct token *t);
struct token *token_unref(struct token *t); /* takes NULL, returns NULL */
DEFINE_CLEANUP(struct token *, token_unref)

/*
 * The whole reply of GetToken and WatchToken: *size bytes, the NUL included. They belong to t, in protected memory, and are good until the next call. Only the number of seconds and what
 * stands behind it are written anew, and only when they have changed. name: the credential's. more: the reply continues. NULL when memory is out.
 */
const char *token_reply(struct token *t, const char *name, int validity, int64_t now_ms, bool more,
			size_t *size);
/* The same with another end: what follows "expiresInSeconds":, at most TOKEN_TAIL_MAX bytes, NUL included. */
const char *token_reply_with(struct token *t, const char *name, int validity, const char *tail,
			     size_t tail_size, size_t *size);

/* Rounded down: a caller must never think that it has more than there is. */
int64_t token_seconds_left(const struct token *t, int64_t now_ms);

/* The Token object of the Broker interface, appended to out. */
void token_add_object(struct buf *out, const struct token *t, const char *name, int validity,
		      int64_t now_ms);

struct entry;

/* One name or alias of a credential. */
struct entry_name {
	struct map_node node;
	struct entry *entry;
	const char *text;
};

/* One credential. */
struct entry {
	struct entry_name *names; /* [0] is its name, the rest are aliases; one block with texts */
	size_t n_names;
	struct access access;
	struct token *token; /* NULL: none, or confirmed dead */
	int64_t generation;  /* the last one known, 0: none */
	int64_t dead;        /* the highest generation that was confirmed dead */
	int grant_type;
	bool renewal_ends_session;
	int64_t upstream_attempts;
	char *username, *last_error;
	struct judge_credential judge; /* linked is filled in by the caller of judge() */
	struct {                       /* texts of the mint's Problem, NULL when there are none */
		char *message, *oauth_error, *description;
		int64_t http_status;
	} problem;
	/* Outgoing, level: what the mint has to be told. */
	struct list unsettled;   /* in front's list while more about it is expected in a moment */
	struct list unsent;      /* in front_link's list while want or report could not be sent */
	bool want, report, hold; /* hold: judge.held_until_ms */
	int64_t want_min_left_ms, want_not_generation, want_deadline_ms;
	int64_t report_generation, report_deadline_ms; /* the claim that is out; 0: none */
	int64_t report_uid, report_pid, report_status; /* of the one who made it; -1: not known */
	char *report_code;
	struct list waiters, watches, holds; /* of struct waiting */
	struct list loads;                   /* of struct load */
};

/* Without aliases and access. NULL when memory is out. */
struct entry *entry_new(const char *name);
/* e must be in no table's names. aliases: start NULL for none. 0, or -1 and e is as before. */
int entry_rename(struct entry *e, const char *name, struct json_value aliases);
void entry_free(struct entry *e); /* its lists must be empty */

struct table {
	struct map names;
	struct entry **sorted; /* by name, strcmp() order */
	size_t n, cap;
	size_t n_ruled;           /* credentials with AllowUnit= or AllowExecutable= */
	char *default_credential; /* NULL: none */
	/* changes whenever a cached look-up or access decision may be wrong */
	uint32_t version;
	uint32_t programs; /* changes whenever another program may be named by some rule */
};

void table_init(struct table *t);
void table_fini(struct table *t);

/* name NULL: none. 0, or -1 when memory is out. */
int table_set_default(struct table *t, const char *name);

/* By name or alias; NULL if there is none. */
struct entry *table_find(const struct table *t, const char *name);

/*
 * What null means for this caller: the default credential if it may use it, else the only one that
 * it may use, else NULL. Costs one look at every credential: the caller keeps the answer until
 * version changes. who: what is known of the caller; NULL with *unknown: without it nobody can say, because a rule decides about one
 * that counts, and a credential of another org must not take its place.
 */
struct entry *table_default(const struct table *t, const struct peer *p, const struct proof *who,
			    const struct globs *globs, bool *unknown);

/*
 * Each takes one decoded message of the link over into the table. *e: the credential concerned. 0,
 * or -code: out of memory, or a message that cannot be.
 */
int table_credential(struct table *t, struct link_credential *m, struct entry **e, struct err *err);
int table_publish(struct table *t, struct link_publish *m, struct entry **e, struct err *err);
int table_dead(struct table *t, const struct link_dead *m, struct entry **e, struct err *err);
int table_verdict(struct table *t, const struct link_verdict *m, struct entry **e, struct err *err);
int table_problem(struct table *t, const struct link_problem *m, struct entry **e, struct err *err);
/*
 * Takes the credential out of the table; the caller answers its waiters, then entry_free(). NULL:
 * not there.
 */
struct entry *table_remove(struct table *t, const char *name);

/* The index of the first credential whose name is greater than after (NULL: 0). */
size_t table_after(const struct table *t, const char *after);

static inline const char *entry_name(const struct entry *e)
{
	return e->names[0].text;
}

#endif
