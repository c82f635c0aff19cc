/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated machine with a simulated Salesforce around the real schedule, keeper, store and flows. One run is one year of twenty credentials; everything that happens follows from its seed.
 *
 * Two clocks: sim_now() is true time, milliseconds since the beginning of the run, for Salesforce and for the checks. The machine has its own: BOOTTIME (counted from its last boot) and a wall
 * clock that people set.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"
#include "daemon/mint/http.h"
#include "daemon/mint/schedule.h"

enum { SIM_CREDENTIALS = 64 };
#define SECONDS INT64_C(1000)
#define MINUTES (60 * SECONDS)
#define HOURS (60 * MINUTES)
#define DAYS (24 * HOURS)

/* --- chance (time.c) --- */

void sim_seed(uint64_t seed);
uint64_t sim_random(void);
/* 0..n-1; low..high; once in n; a time whose mean this is. */
uint64_t sim_below(uint64_t n);
int64_t sim_between(int64_t low, int64_t high);
bool sim_once_in(uint64_t n);
int64_t sim_about(int64_t mean_ms);

/* --- time (time.c) --- */

/* A new run: true time 0, the machine is off. Returns how many timers of the machine the last one left behind. */
size_t sim_time_reset(void);
int64_t sim_now(void);
/* What people see who look at a good clock. Salesforce's is not always one: sf_real_ms(). */
int64_t sim_true_real_ms(void);
void sim_boot(void);
/* BOOTTIME of a moment of true time in this boot, and back. */
int64_t sim_to_boot(int64_t true_ms);
int64_t sim_to_true(int64_t boot_ms);
/* Somebody sets the machine's wall clock; told: the kernel says so. Restored at a boot as the battery clock has it. */
void sim_set_wall(int64_t forward_ms, bool told);
int64_t sim_wall_error_ms(void);
/* Timers of the machine that are due later stand still until then. */
void sim_suspend(int64_t until_ms);
bool sim_suspended(void);
/* Something of the world, not of the machine, happens then. */
void sim_at(int64_t true_ms, void (*happen)(void *arg), void *arg);
/* Goes on to the next event; false: none before until_ms (then that is the time). */
bool sim_step(int64_t until_ms);

/* --- the last events, for whoever has to understand a broken invariant (report.c) --- */

enum { SIM_GROUPS = 11 };
void sim_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* An invariant (1..11, README.md) is broken: says so, once a run. */
void sim_broken(int invariant, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool sim_is_broken(void);
void sim_report_begin(uint64_t seed, unsigned run, bool trace);
/* How often each invariant was looked at: a check that never ran is no check. */
void sim_looked(int invariant);
uint64_t sim_looks(int invariant);

/* --- the disk (disk.c) --- */

#define DISK_STATE "/state"
#define DISK_RUNTIME "/run"

enum disk_fault {
	DISK_GOOD,
	DISK_FULL,     /* no new blocks: what is allocated can be written */
	DISK_LOG,      /* no room at all, as where nothing is written in place */
	DISK_BROKEN,   /* writes and syncs fail with EIO, and what was not synced is lost */
	DISK_UNSYNCED, /* writes seem to succeed, and each sync fails */
};
void disk_reset(void);
void disk_set_fault(enum disk_fault fault);
enum disk_fault disk_fault(void);
/* The n-th operation from now on is the last of this process (0: none): before it, after it or in the middle. power: and of the machine. */
void disk_kill_at(unsigned n, bool power);
/* The process is dead: nothing that it does any more has an effect. */
bool disk_dead(void);
bool disk_dead_by_power(void);
void disk_kill_now(bool power);
/* A new process. After a power loss: what was synced is there, the rest by chance; /run is empty. */
void disk_restart(void);
/* Bytes of /state/store that were written and not synced. */
size_t disk_unsynced(void);
/* Somebody copies the store away, or brings it back. */
void disk_backup(void);
bool disk_restore_backup(void);
uint64_t disk_operations(void);

/* --- Salesforce (salesforce.c): knows nothing of our code but how a request looks --- */

enum sf_kind { SF_CLIENT, SF_JWT, SF_REFRESH };
enum sf_reuse { SF_NEW, SF_SAME, SF_SAME_EXTENDED };

struct sf_user {
	enum sf_kind kind;
	enum sf_reuse reuse;
	bool rotates, says_expiry, jwt_format, introspects, sliding;
	int64_t session_ms;
};

struct sf_reply {
	enum http_outcome outcome;
	long status;
	const char *content_type, *problem;
	char body[1500];
	size_t size;
	int64_t retry_after_ms, date_real_ms, delay_ms;
	bool rotated;  /* the refresh token of the request was replaced */
	bool complete; /* and whoever gets this reply knows the next one */
	bool answered; /* the token endpoint has decided, and the reply tells it */
	bool death;    /* userinfo said that the token is dead */
};

enum sf_trouble {
	SF_FINE,
	SF_NO_NAME,    /* DNS or no route: nothing leaves */
	SF_NO_CONNECT, /* no TCP or TLS within ConnectTimeout= */
	SF_BUSY,       /* 503, 429 or an OAuth error that passes; with Retry-After or without */
	SF_GATEWAY,    /* 502 and pages of a proxy, before or after the request was done */
	SF_SILENT,     /* answers are lost */
	SF_SLOW,       /* they come late or too late */
};

void sf_reset(void);
void sf_add(size_t user, const struct sf_user *u);
const struct sf_user *sf_user(size_t user);
int64_t sf_real_ms(void);
void sf_set_skew(int64_t ms);
int64_t sf_skew(void);
void sf_set_trouble(enum sf_trouble trouble);
enum sf_trouble sf_trouble(void);
/* For ever until sf_mend(): the administrator of the org has changed something. */
void sf_refuse(size_t user, const char *error, const char *description);
void sf_mend(size_t user);
bool sf_refused(size_t user);
/* How many in a million requests go wrong while there is no trouble. */
void sf_set_noise(unsigned per_million);
/* A person logs in: a new grant, and the oldest of more than five ends. Caller's text. */
void sf_login(size_t user, char *token, size_t room);
/* Whether a connection comes about; else the reply says why not. Then the request may be handled. */
bool sf_connects(struct sf_reply *reply);
void sf_handle(size_t user, const struct http_request *req, struct sf_reply *reply);
/* A caller uses an access token: false: 401. */
bool sf_use(const char *token);
/* Its end as the server sees it now, true time; 0: none of ours, or dead. */
int64_t sf_session_end(const char *token);
/* An administrator ends the sessions of a user. */
void sf_end_sessions(size_t user);
/* Three numbers with that sign between them. */
bool sf_numbers(const char *text, char between, unsigned numbers[3]);
/* What the daemon did with a refresh token: (family, serial) of the text. false: none of ours. */
bool sf_parse_refresh(const char *token, size_t *user, unsigned *family, unsigned *serial);
/* The serial that the server takes now; 0: the grant is gone. */
unsigned sf_current(size_t user, unsigned family);
/* When a refresh token of that grant was last accepted, or given. */
int64_t sf_last_refresh(size_t user, unsigned family);
/* The last reply that told of a rotation of this grant was received and survived. */
void sf_forget_received(size_t user); /* a broken disk has taken it */
void sf_received(size_t user, unsigned family, unsigned serial);

/* --- the front and its callers (front.c) --- */

struct keeper;
void front_reset(void);
/* The mint has something new about k. */
void front_changed(struct keeper *k);
/* Tells what changed, and judges who waits. */
void front_flush(void);
void front_gone(size_t user); /* the credential was removed */
/* The mint is gone; it is back (Have, and everything anew); the machine was off. */
void front_unlink(void);
void front_link(void);
void front_forget(void);
/* Somebody asks now and waits so long. min_ms -1: the default wish. rejected: the generation that Salesforce refused them, -1. */
void front_ask(size_t user, int64_t wait_ms, int64_t min_ms, int64_t rejected);

/* --- who asks, and what they do with what they get (callers.c) --- */

void callers_begin(int64_t days);
/* Somebody of this credential asks at least every few minutes at present. */
bool callers_busy(size_t user);
/* Who has the token uses it, and may find it dead. */
void callers_got(size_t user, int64_t generation, const char *token, bool claim);

/* --- the machine (world.c) --- */

struct world_options {
	size_t credentials;
	int64_t days;
};
void world_begin(const struct world_options *options);
void world_go_on(void);
size_t world_end(void);                   /* timers left behind */
struct keeper *world_keeper(size_t user); /* NULL: no mint, or it does not have it */
const char *world_name(size_t user);
size_t world_user_of(const char *name);
size_t world_count(void);
struct store *world_store(void); /* NULL: no mint */
/* The machine is on and awake. */
bool world_running(void);
/* SessionTimeout= at present; whether an administrator has removed it. */
int64_t world_session_ms(size_t user);
bool world_removed(size_t user);

/* --- the machine's troubles and its people (fate.c) --- */
void fate_begin(int64_t days);
void operator_begin(void); /* operator.c */
/* True time for which nothing could be sent or nothing ran, since the beginning. */
int64_t fate_blocked_ms(void);
int64_t fate_outage_since(void);        /* 0: none */
int64_t fate_outage_ended(void);        /* the last one */
int64_t fate_disturbed_ms(size_t user); /* when something but an outage last happened to it */
int64_t fate_clock_set_ms(void);        /* when the wall clock was set last */
void fate_disturb(size_t user);         /* SIM_CREDENTIALS: all */

/* --- requests (net.c) --- */
void net_reset(void);
/* What is on its way when the machine falls asleep is lost. */
void net_suspended(void);
size_t net_calls(void);

/* --- the checks (watch.c) --- */

void watch_begin(void);
void watch_step(void);
void watch_died(bool power);
void watch_restarted(bool power);
void watch_request(size_t user, const struct http_request *req, bool token_endpoint, bool refresh);
void watch_reply(size_t user, const struct http_request *req, const struct sf_reply *reply);
void watch_done(size_t user, bool token_endpoint);
/* The reply has been given to the mint, which has survived it. */
void watch_received(size_t user, const struct http_request *req, const struct sf_reply *reply);
void watch_published(size_t user, const struct keeper *k);
void watch_given(size_t user, int64_t generation, const char *token, int64_t deadline_ms,
		 int validity);
void watch_refused(size_t user, const char *token); /* by userinfo, and the mint knows */
void watch_get_failed(size_t user, bool default_wish);
void watch_answered(size_t user);
void watch_alarm(size_t user, unsigned family, unsigned serial, bool lost);
void watch_spent(size_t user, unsigned family, int64_t before_ms);
void watch_login(size_t user, const char *token);
void watch_mended(size_t user);
void watch_intervened(size_t user); /* an administrator did something: one try more is in order */
void watch_excuse(size_t user);     /* it is not kept alive now, and need not be */
void watch_marked(
	const struct keeper *k,
	bool begun); /* the front is about to hear of k; begun: it is no token of the store */
void watch_demanded(size_t user);
void watch_recovered(void *arg); /* a minute after upstream came back */
void watch_end(void);

#endif
