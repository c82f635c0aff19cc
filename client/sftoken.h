/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libsftoken: ask the local sftokend for a Salesforce access token.
 *
 *	struct sftoken *h;
 *	struct sftoken_token *t;
 *	struct sftoken_err err;
 *
 *	if (sftoken_open(&h, NULL, &err) < 0 || sftoken_get(h, NULL, &t, &err) < 0)
 *		errx(1, "%s", err.text);
 *	use(sftoken_token_access_token(t), sftoken_token_instance_url(t));
 *	sftoken_token_free(t);
 *	sftoken_close(h);
 *
 * Every function returns 0 or a negative SFTOKEN_E_* and fills *err, which may be NULL. There is no global state. Calls on one handle
 * from several threads are done one after the other; threads that want to call at the same time open a handle each. See libsftoken(3).
 */
#ifndef SFTOKEN_H
#define SFTOKEN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What went wrong, in terms of who has to act. The numbers never change. */
enum sftoken_error {
	SFTOKEN_OK = 0,
	SFTOKEN_E_INVALID = -1,     /* an argument makes no sense, or InvalidParameter */
	SFTOKEN_E_MEMORY = -2,      /* out of memory or descriptors */
	SFTOKEN_E_UNREACHABLE = -3, /* no daemon at the socket */
	SFTOKEN_E_REFUSED = -4,     /* the socket refuses you, or its server is not to be trusted */
	SFTOKEN_E_DEADLINE = -5,    /* the call's own deadline passed */
	SFTOKEN_E_PROTOCOL = -6,    /* the server sent something that is not Varlink */
	SFTOKEN_E_DISCONNECTED =
		-7, /* the connection was lost and the call could not be repeated */
	SFTOKEN_E_NO_SUCH_CREDENTIAL = -8, /* no credential of that name, or not yours */
	SFTOKEN_E_LOGIN_REQUIRED = -9,     /* a person must log in */
	SFTOKEN_E_NOT_SERVED = -10,        /* an administrator must act */
	SFTOKEN_E_REJECTED = -11,          /* Salesforce answered with an OAuth error */
	SFTOKEN_E_UNAVAILABLE =
		-12,               /* Salesforce cannot be reached; try again after retry_after_s */
	SFTOKEN_E_TIMED_OUT = -13, /* no token in the time that the daemon was given */
	SFTOKEN_E_LIFETIME_TOO_SHORT = -14, /* tokens of this credential never live so long */
	SFTOKEN_E_RATE_LIMITED = -15,       /* too many calls; try again after retry_after_s */
	SFTOKEN_E_SHUTTING_DOWN = -16,      /* the daemon is stopping */
	SFTOKEN_E_OTHER = -17               /* another Varlink error: its name is in err->name */
};

struct sftoken_err {
	int code;              /* enum sftoken_error */
	int64_t retry_after_s; /* 0: not known */
	char name
		[128]; /* of the Varlink error, e.g. "io.sftoken.Broker.Rejected"; "" if there was none */
	char text[512]; /* one line for a person: what happened, what to do; never holds a token */
};

struct sftoken;
struct sftoken_token;

/* The library's version, e.g. "0.1.0". */
const char *sftoken_version(void);

/*
 * Makes a handle; does not connect yet. path: the Broker or Manager socket; NULL: $SFTOKEN_SOCKET, else the user's daemon
 * ($XDG_RUNTIME_DIR/sftokend/io.sftoken.Broker) if its socket exists, else the system's (/run/sftokend/io.sftoken.Broker);
 * this is chosen again at each try to connect until one has succeeded.
 */
int sftoken_open(struct sftoken **out, const char *path, struct sftoken_err *err);

/* Takes NULL. Erases what was received. */
void sftoken_close(struct sftoken *h);

/* The path that the handle uses, or has tried last; belongs to h, and stays as long. */
const char *sftoken_path(const struct sftoken *h);

/* How long to try when there is no daemon yet (default 2000 ms; 0: one try). */
void sftoken_set_connect_wait(struct sftoken *h, int milliseconds);

/*
 * The daemon's uid must be 0, our own, or that of the owner of the socket's directory, which must not be writable by group or others.
 * This, or $SFTOKEN_SERVER_UID, names another uid; the directory is not looked at then.
 */
void sftoken_set_server_uid(struct sftoken *h, uid_t uid);

/* What to ask for. Fill with SFTOKEN_GET_OPTIONS_INIT; zero or NULL is the default of each member. */
struct sftoken_get_options {
	size_t size; /* sizeof(struct sftoken_get_options), for later versions */
	const char *
		credential; /* name or alias; NULL: $SFTOKEN_CREDENTIAL is NOT read here; the daemon's default for you */
	int64_t rejected_generation; /* Salesforce refused this generation; 0: none */
	int min_valid_s;             /* the token must live so long; -1: default */
	int wait_s;                  /* how long the daemon may wait, 0..300; -1: default (30) */
	int allow_stale; /* a token whose believed life is over is better than an error */
	int timeout_ms; /* deadline of the whole call, connecting and repeats included; 0: wait_s + 5 s */
	const char *reason; /* for the audit log; at most 256 bytes */
};
#define SFTOKEN_GET_OPTIONS_INIT \
	{ \
		sizeof(struct sftoken_get_options), NULL, 0, -1, -1, 0, 0, NULL \
	}

/* Gets a token; options NULL: all defaults. *out is to be freed by sftoken_token_free(). */
int sftoken_get(struct sftoken *h, const struct sftoken_get_options *options,
		struct sftoken_token **out, struct sftoken_err *err);

/* Says that Salesforce refused a generation; does not wait for the check. accepted and current may be NULL. http_status 0, error_code NULL: not known. */
int sftoken_report(struct sftoken *h, const char *credential, int64_t generation, int http_status,
		   const char *error_code, int *accepted, int64_t *current,
		   struct sftoken_err *err);

/* Whether the daemon answers. */
int sftoken_ping(struct sftoken *h, struct sftoken_err *err);

/*
 * The token in the parameters of a reply of GetToken or WatchToken, for programs that use sftoken_call() or sftoken_start(). *out is to be freed by
 * sftoken_token_free().
 */
int sftoken_token_parse(const char *parameters_json, struct sftoken_token **out,
			struct sftoken_err *err);

/* Erases the token and frees it. Takes NULL. */
void sftoken_token_free(struct sftoken_token *t);

/* All texts belong to t; those that Salesforce did not tell are NULL. Times are seconds since 1970, 0 when not known. */
const char *sftoken_token_access_token(const struct sftoken_token *t);
const char *sftoken_token_type(const struct sftoken_token *t);
const char *sftoken_token_instance_url(const struct sftoken_token *t);
const char *sftoken_token_credential(const struct sftoken_token *t);
const char *sftoken_token_validity(const struct sftoken_token *t);
const char *sftoken_token_expiry_source(const struct sftoken_token *t);
const char *sftoken_token_identity_url(const struct sftoken_token *t);
const char *sftoken_token_organization_id(const struct sftoken_token *t);
const char *sftoken_token_user_id(const struct sftoken_token *t);
const char *sftoken_token_username(const struct sftoken_token *t);
/* Scopes with a space between. */
const char *sftoken_token_scope(const struct sftoken_token *t);
/*
 * A field by its name on the wire ("instanceUrl", "expiresAt"): text as it is, numbers as decimal text in buffer (32 bytes are enough), scopes with a space between. NULL: there is no such
 * field, or Salesforce did not tell.
 */
const char *sftoken_token_field(const struct sftoken_token *t, const char *name, char *buffer,
				size_t size);
/* The Token object as received: JSON text. */
const char *sftoken_token_json(const struct sftoken_token *t);
int64_t sftoken_token_generation(const struct sftoken_token *t);
int64_t sftoken_token_issued_at(const struct sftoken_token *t);
int64_t sftoken_token_expires_at(const struct sftoken_token *t);
int64_t sftoken_token_refresh_after(const struct sftoken_token *t);
/* Seconds left when the reply was written; 0 or negative after the end. Right even when this machine's clock is wrong. */
int64_t sftoken_token_expires_in(const struct sftoken_token *t);

/* --- any method of either socket --- */

enum sftoken_call_flags {
	SFTOKEN_CALL_MORE = 1,   /* several replies */
	SFTOKEN_CALL_ONEWAY = 2, /* no reply at all */
	SFTOKEN_CALL_REPEAT =
		4 /* may be sent again after a lost connection (all Broker methods may) */
};

/*
 * One reply: its parameters as JSON text ("{}" if there were none), valid during the call. continues: more replies follow. Return 0 to go on; anything else ends
 * the call (the connection is closed) and is returned by it if negative. Must not call on the same handle.
 */
typedef int sftoken_reply_fn(const char *parameters_json, int continues, void *arg);

/*
 * Calls method with parameters_json (NULL: none) and gives each reply to reply (may be NULL). timeout_ms: deadline of the whole call; 0: none.
 * An error reply returns its SFTOKEN_E_* with err->name and err->text; its parameters are given to nobody.
 */
int sftoken_call(struct sftoken *h, const char *method, const char *parameters_json, int flags,
		 int timeout_ms, sftoken_reply_fn *reply, void *arg, struct sftoken_err *err);

/* --- event loops: start, then sftoken_process() whenever sftoken_fd() is ready --- */

/* Connects (this may block for connect_wait) and sends the call. One call at a time on a handle. */
int sftoken_start(struct sftoken *h, const char *method, const char *parameters_json, int flags,
		  sftoken_reply_fn *reply, void *arg, struct sftoken_err *err);

/* The descriptor to poll, or -1 when no call runs; it may change after sftoken_process(). */
int sftoken_fd(const struct sftoken *h);

/* POLLIN, POLLOUT: what to poll for. */
int sftoken_events(const struct sftoken *h);

/* Reads and writes what is possible without waiting. 1: the call goes on; 0: it has ended well; negative: it has failed. */
int sftoken_process(struct sftoken *h, struct sftoken_err *err);

#ifdef __cplusplus
}
#endif

#endif
