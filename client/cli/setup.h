/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of `sftoken setup`: what is asked, what is written and where; the way through it is in setup.c. */
#ifndef CLI_SETUP_H
#define CLI_SETUP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "client/cli/cli.h"
#include "client/cli/erased.h"

enum { REASON_SIZE = 256 };

/* --- setup_words.c: answers, and the file that they make (pure) --- */

enum grant_needs {
	NEEDS_SECRET = 1, /* a consumer secret */
	TAKES_SECRET = 2, /* one if the app wants it */
	NEEDS_KEY = 4,    /* a private key, and the user whom it signs for */
	NEEDS_DOMAIN = 8, /* is served by the My Domain of an org alone */
	NEEDS_LOGIN = 16, /* a person logs in */
	NEEDS_REFRESH_TOKEN = 32,
	HAS_NO_USER = 64,
};

struct grant {
	const char *name, *meaning;
	unsigned needs;
};

extern const struct grant grants[];
extern const size_t n_grants;

/* By name, or by its number in the table, from "1" on; NULL: there is none. */
const struct grant *grant_find(const char *text);

/* Each looks at one answer; false, and why says what is wrong with it and what to write. */
bool check_name(const char *text, char why[REASON_SIZE]);
bool check_client_id(const char *text, char why[REASON_SIZE]);
bool check_username(const char *text, char why[REASON_SIZE]);
/* The same for an address; "acme.my.salesforce.com" becomes "https://acme.my.salesforce.com" in *out, which the caller frees (NULL: false, or out of memory). */
bool check_login_url(const char *text, unsigned needs, char **out, char why[REASON_SIZE]);

/* What was answered; texts are owned, NULL: was not asked for. */
struct answers {
	const struct grant *grant;
	char *login_url, *client_id, *username;
	char *key;         /* path of the private key */
	char *certificate; /* path of the one that setup has made for it */
	char *secret_file; /* path of the consumer secret */
	bool stored_secret;
	char *allow_user; /* names with commas or spaces between */
};

void answers_free(struct answers *a);
/* The credential file; NULL: out of memory. Caller frees. */
char *credential_text_of(const struct answers *a);

/* --- setup_ask.c: questions at the terminal, on standard error --- */

/* Yes or no; usual: what Enter means. False at the end of the input. */
bool ask_yes(const char *question, bool usual);
/* Waits for Enter; false: the input has ended. */
bool ask_enter(const char *question);

/*
 * Looks at an answer: true and *out (owned), or false and why. context is what the question is about.
 */
typedef bool look_fn(const char *text, const void *context, char **out, char why[REASON_SIZE]);

struct question {
	const char *option; /* "--client-id" */
	const char *given;  /* what was said with it; NULL: nothing */
	const char *words;  /* "Consumer key (client id)" */
	const char *usual;  /* what Enter means; NULL: nothing */
	look_fn *look;
	const void *context;
};

/*
 * *out from the option, which must be right, or from a person who is asked until the answer is. 0, or an exit status after a complaint: a wrong option, or nobody can be asked.
 */
int question_ask(const struct cli *cli, const struct question *q, char **out);

/* --- setup_files.c: where the daemon has its configuration, and what is written there --- */

struct place {
	char *directory; /* of the configuration */
	bool system;     /* the system's daemon: others use it, too */
	bool user;       /* place_look(): the daemon runs as who asks, not as the service user */
	bool answers;    /* a daemon answers at the Manager socket */
	uid_t uid;       /* of the service user, if owned */
	gid_t gid;
	bool owned; /* files of secrets are to belong to uid: we are root */
};

void place_free(struct place *p);
/* Finds it out; 0, or an exit status after a complaint. json-c must be loaded. */
int place_find(const struct cli *cli, struct place *p);
/* Only where the configuration is: that of the daemon which answers, else the usual one. A daemon that does not want us counts as none. 0, or an exit status after a complaint. json-c must be loaded. */
int place_look(const struct cli *cli, struct place *p);
/* DIRECTORY/FOLDER/NAME.SUFFIX; NULL after a complaint. Caller frees. */
char *place_path(const struct place *p, const char *folder, const char *name, const char *suffix);
/* Makes DIRECTORY and FOLDER in it where they are missing; p->directory has no links on its way then. 0, or an exit status after a complaint. */
int place_make(struct place *p, const char *folder);
/* Whether the credentials can be written at all; 0, or an exit status after a complaint. */
int place_check(const struct place *p);

/* A file that comes into its place at once and whole, or not at all. */
struct new_file {
	char *path, *temporary;
	char *before; /* where the one lies that it replaces, until new_file_keep() or new_file_undo() */
	bool in_place;
};

enum new_file_flags { FILE_SECRET = 1 /* 0600, of the service user */, FILE_REPLACES = 2 };

/* Writes it beside its place, and syncs it. path is taken. 0, or an exit status after a complaint, and nothing is left. */
int new_file_write(struct new_file *f, const struct place *p, char *path, const char *text,
		   size_t size, unsigned flags);
/* Makes what another program has written at f->temporary as new_file_write() does. */
int new_file_own(struct new_file *f, const struct place *p, unsigned flags);
/* Brings it into its place; a file that is there is replaced with FILE_REPLACES alone. 0, or an exit status after a complaint. */
int new_file_place(struct new_file *f, unsigned flags);
/* Everything as before. Takes an empty one. */
void new_file_undo(struct new_file *f);
/* It stays. */
void new_file_keep(struct new_file *f);

/* --- setup.c and setup_see.c --- */

struct setup {
	struct cli *cli;
	struct place place;
	struct answers answers;
	struct bytes secret, refresh; /* consumer secret; refresh token or SFDX auth URL */
	bool person;                  /* somebody can be asked */
	bool advised;
};

/* Has the daemon, if one answers, read the configuration. 0, or an exit status after a complaint, in which so is what follows from that. */
int setup_reload(const struct setup *s, const char *so);
/* Brings what was written to a first token; 0, or the exit status of the step that failed. */
int setup_see_through(struct setup *s);

/* --- setup_key.c --- */

/*
 * Makes keys/NAME.key and its certificate keys/NAME.crt with openssl(1), and prints the certificate; *path is the key (caller frees). 0, or an exit status after a complaint, and nothing is left.
 */
int key_make(const struct cli *cli, struct place *p, char **path);

/* --- setup_advice.c --- */

/* What must be clicked in Salesforce for this grant, on standard error. certificate: the file to upload, NULL: none. */
void advise(const struct grant *grant, const char *certificate);

#endif
