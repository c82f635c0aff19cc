/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What our own processes say to each other: the link (mint and front) and the control channel (parent and children). One JSON object a
 * packet, {"type": "...", members}. Both ends are always of one build, so unknown types are bugs, but are still answered with an error, not a crash.
 * Times: *_ms are CLOCK_BOOTTIME milliseconds unless a name says wall; wall times are seconds since 1970.
 */
#ifndef PROTO_LINK_MESSAGES_H
#define PROTO_LINK_MESSAGES_H

#include "proto/messages.h"

enum { PACKET_MAX = 64 * 1024 };

/* Both ways, first on every link: {"build": "..."}; a different build is fatal for the receiver (it exits, the parent restarts it). */
struct link_hello {
	const char *build;
};

/*
 * Mint -> front: what does not belong to one credential. limits: object, names as in [Limits], values in ms or counts.
 * listeners: array of {"name", "globs": []string} (no globs: all credentials). manager_uid: of the service manager, whose word on units is taken (unset: nobody's).
 */
struct link_rules {
	struct json_value limits;
	const char *default_credential;
	struct json_value listeners;
	struct opt_int service_uid;
	struct opt_int manager_uid;
};

/*
 * Mint -> front: one credential, everything but its token. uids and gids are final (uid 0 and the service user are in or out already).
 * load_units: names of units with globs, which may load it by LoadCredential=. units, executables: if there are any, a caller must also be in one of these units, and run one of these programs.
 * attempt: a request for a token is under way. next_attempt_ms: when the next one is planned (unset: none).
 * last_error: for CredentialInfo.
 */
struct link_credential {
	const char *name;
	struct text_list aliases;
	struct int_list uids, gids;
	int grant_type, state;
	const char *username;
	struct opt_int upstream_attempts;
	struct opt_bool attempt;
	struct opt_int next_attempt_ms;
	const char *last_error;
	struct opt_bool renewal_ends_session; /* who holds the session puts the renewal off */
	struct text_list load_units;
	struct text_list units, executables;
};

/*
 * Mint -> front: the current token.
 * life_ms: believed life. deadline_ms, refresh_after_ms: BOOTTIME; *_wall: the same for people.
 * unchanged: the server gave this same token again, and no different one is to be expected before the deadline.
 * vouched_ms: when the server last said (by a grant that returned it, or by userinfo) that it is alive; 0 never.
 * reported: a caller's claim that it is dead is being checked or could not be decided.
 */
struct link_publish {
	const char *credential;
	const char *origin;
	struct opt_int generation;
	const char *token; /* secret */
	const char *instance_url;
	struct opt_int life_ms, issued_ms, deadline_ms, refresh_after_ms;
	struct opt_int issued_wall, expires_wall, refresh_after_wall;
	int expiry_source;
	struct opt_bool unchanged, reported;
	struct opt_int vouched_ms;
	struct text_list scopes;
	const char *identity_url, *organization_id, *user_id, *username;
};

/* Mint -> front: this generation is confirmed dead; nobody gets it any more. */
struct link_dead {
	const char *credential;
	struct opt_int generation;
};

/*
 * Mint -> front: the outcome of the last check of a claim. alive: reporters up to at_ms get Rejected(token_accepted_by_server);
 * not alive: the server could not say (reporters get Unavailable). A new claim is not checked before next_check_ms.
 */
struct link_verdict {
	const char *credential;
	struct opt_int generation, at_ms, next_check_ms;
	struct opt_bool alive;
};

/*
 * Mint -> front: what waiters without a usable token get. error: index into broker_error_names. permanent: at once, else only when no
 * attempt is due before the caller's deadline. A Problem without error clears it. Later states replace it.
 */
struct link_problem {
	const char *credential;
	int error; /* -1: none any more */
	struct opt_bool permanent;
	const char *message, *oauth_error, *description;
	struct opt_int http_status;
	struct opt_int retry_at_ms;
};

struct link_name {
	const char *credential;
}; /* Remove */

/* Front -> mint: a token that the front holds, on every new link. */
struct link_have {
	const char *credential, *origin;
	struct opt_int generation;
	const char *token; /* secret */
	const char *instance_url;
	struct opt_int life_ms, issued_ms, deadline_ms, vouched_ms, issued_wall;
	int expiry_source;
	struct opt_bool unchanged;
	struct text_list scopes;
	const char *identity_url, *organization_id, *user_id, *username;
	struct opt_int held_until_ms; /* as in Hold; 0: nobody holds it */
};

/*
 * Front -> mint, level: until when (BOOTTIME) callers hold the session of this generation; 0: nobody does. Sent for credentials whose renewal ends the session.
 */
struct link_hold {
	const char *credential;
	struct opt_int generation, until_ms;
};

/*
 * Front -> mint: callers wait for a token other than not_generation (0: any) that lives at least min_left_ms (0: any). deadline_ms: of the most
 * patient one. The mint answers every Want with at least one message about that credential.
 */
struct link_want {
	const char *credential;
	struct opt_int min_left_ms, not_generation, deadline_ms;
};

/* Front -> mint: a claim that generation was refused. deadline_ms: until when somebody waits (0: nobody does). */
struct link_report {
	const char *credential;
	struct opt_int generation, deadline_ms, uid, pid, http_status;
	const char *error_code;
};

/* Front -> mint: audit. count 1: the first get of this generation by this process; else a count since the last minute. */
struct link_served {
	const char *credential;
	struct opt_int generation, uid, gid, pid, count;
	const char *reason;
};

/* Front -> mint: in which unit is this process, and which program does it run? Answered by Identity with the same id, when the link has room. */
struct link_identify {
	struct opt_int id, pid;
};

/*
 * Mint -> front. unit: as in AllowUnit=; executable: the path of the file that is run, as it is for everybody. Unset: it cannot be said. Of the process that has this pid now: who asks must know that it
 * is still the same.
 */
struct link_identity {
	struct opt_int id;
	const char *unit, *executable;
};

/* Front -> mint: a log line. fields: object of strings and integers. level: enum log_level. */
struct link_log {
	struct opt_int level;
	const char *event;
	struct json_value fields;
};

/* Front -> mint: answers Count. counters: object name -> integer, started_ms among them (who the front is: counters begin at its start); listeners: object name -> connections. warnings: what status shows. */
struct link_counters {
	struct json_value counters, listeners;
	struct text_list warnings;
};

enum link_type {
	LINK_HELLO, LINK_RULES, LINK_CREDENTIAL, LINK_PUBLISH, LINK_DEAD, LINK_VERDICT, LINK_PROBLEM, LINK_REMOVE, LINK_SYNCED, LINK_COUNT,
	LINK_HAVE, LINK_HAVE_ALL, LINK_HOLD, LINK_WANT, LINK_REPORT, LINK_SERVED, LINK_LOG, LINK_COUNTERS,
	LINK_IDENTIFY, LINK_IDENTITY, LINK_TYPES
};

struct link_message {
	enum link_type type;
	union {
		struct link_hello hello;
		struct link_rules rules;
		struct link_credential credential;
		struct link_publish publish;
		struct link_dead dead;
		struct link_verdict verdict;
		struct link_problem problem;
		struct link_name remove;
		struct link_have have;
		struct link_hold hold;
		struct link_want want;
		struct link_report report;
		struct link_served served;
		struct link_log log;
		struct link_counters counters;
		struct link_identify identify;
		struct link_identity identity;
	};
};

/* --- the control channel --- */

/*
 * Parent -> child, with one descriptor: a listening socket. interface: "broker", "manager" or "credential". Mint -> parent, without: the listener of this name is wanted, open it if it is
 * built in and not open yet, for the front.
 */
struct control_listener {
	const char *name, *interface, *path;
};

/* Child -> parent. ready: the mint has its configuration and every Required= credential (or gave up waiting); status: one line for STATUS=. */
struct control_ready {
	struct opt_bool ready;
	const char *status;
};

struct control_reloaded {
	struct opt_bool ok;
	const char *message;
};

/* Parent -> mint: facts for Manager.Status and Manager.Metrics. *_restarts: starts since the parent's own, but for the first. */
struct control_about {
	struct opt_int parent_pid, mint_pid, front_pid, started_wall, mint_restarts, front_restarts;
	struct text_list warnings;
};

/*
 * What people are told of by [Daemon] OnEvent=. The names are a part of the name of the unit that is started: they are in sftokend.conf(5), and append only.
 */
enum unit_event {
	EVENT_LOGIN_REQUIRED, EVENT_SUSPENDED, EVENT_STORE_SUSPECT, EVENT_STORE_READONLY, EVENT_STORE_OK,
	EVENT_ENDS_IN_7_DAYS, EVENT_ENDS_IN_1_DAY, UNIT_EVENTS
};
extern const char *const unit_event_names[UNIT_EVENTS + 1]; /* ends with NULL */

/* Mint -> parent: something that people should know. credential: its name, or "store". */
struct control_event {
	int event; /* enum unit_event */
	const char *credential;
};

/*
 * Parent -> front, after_ms set: say so when nobody has called for that long. Front -> parent, unset: nobody has, and nobody is let in any more; the parent says Stop.
 */
struct control_idle {
	struct opt_int after_ms;
};

/*
 * OnEvent, mint -> parent: the settings are in use, at the start and after each reload. The parent reads [Daemon] OnEvent= itself: which unit is started is not the word of a process that talks to
 * the network.
 */
enum control_type {
	CONTROL_LISTENER, CONTROL_LISTENERS_END, CONTROL_LINK, CONTROL_PING, CONTROL_RELOAD, CONTROL_STOP, CONTROL_WRITE_STATUS, CONTROL_ABOUT,
	CONTROL_PONG, CONTROL_READY, CONTROL_RELOADED, CONTROL_EVENT, CONTROL_ON_EVENT, CONTROL_IDLE, CONTROL_TYPES
};

struct control_message {
	enum control_type type;
	union {
		struct control_listener listener;
		struct control_ready ready;
		struct control_reloaded reloaded;
		struct control_about about;
		struct control_event event;
		struct control_idle idle;
	};
};

/* Decode in place; 0 or -ERR_PROTOCOL. Texts point into the packet. */
int link_decode(char *packet, size_t len, struct link_message *m, struct err *err);
int control_decode(char *packet, size_t len, struct control_message *m, struct err *err);

/* Append one packet (no terminator) to an empty buf of max PACKET_MAX. */
void link_encode(const struct link_message *m, struct buf *out);
void control_encode(const struct control_message *m, struct buf *out);

const char *link_type_name(enum link_type type);
const char *control_type_name(enum control_type type);

#endif
