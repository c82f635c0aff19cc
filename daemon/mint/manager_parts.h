/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the manager_*.c files; nobody else includes this.
 */
#ifndef MINT_MANAGER_PARTS_H
#define MINT_MANAGER_PARTS_H

#include "daemon/common/connection.h"
#include "daemon/common/listener.h"
#include "daemon/mint/doctor.h"
#include "daemon/mint/login.h"
#include "daemon/mint/manager_api.h"
#include "daemon/mint/store.h"

enum { MANAGER_LISTENERS_MAX = 16, MANAGER_WARNINGS_MAX = 50, MANAGER_FILES_MAX = 50, MANAGER_NAMES_MAX = 100 };

enum client_waits { WAITS_NOT, WAITS_REFRESH, WAITS_REVOKE, WAITS_STATUS, WAITS_METRICS, WAITS_EVENTS, WAITS_DOCTOR, WAITS_LOGIN, WAITS_COMPLETION };

/* One administrator's connection and what its call waits for. */
struct client {
	struct manager *manager;
	struct connection *connection;
	struct client *next;
	enum client_waits waits;
	struct keeper *keeper;                /* WAITS_REFRESH */
	struct keeper_revocation *revocation; /* WAITS_REVOKE */
	struct login *login;                  /* WAITS_LOGIN: started by it; WAITS_COMPLETION */
	struct doctor *doctor;                /* WAITS_DOCTOR */
	struct timer *timer;                  /* its end */
	int64_t wait_s;
	char credential[CREDENTIAL_NAME_MAX + 1]; /* as sent; WAITS_EVENTS: the name, "" for all */
	uint64_t lost;                            /* events that did not fit */
};

struct manager {
	struct loop *loop;
	struct registry *registry;
	struct publish *publish;
	struct manager_handlers handlers;
	uid_t service_uid;
	gid_t admin_gid;
	bool admin_group;
	struct connection_limits limits;
	struct connection_handlers connection_handlers;
	struct listener_handlers listener_handlers;
	struct listener *listeners[MANAGER_LISTENERS_MAX];
	size_t n_listeners;
	struct client *clients;
	struct logins *logins;
	struct totals *totals; /* what the front has counted, over its restarts */
	size_t n_clients;
	int64_t full_until_ms; /* until then nobody is told again that there was no room */
	struct {
		int64_t parent_pid, mint_pid, front_pid, started_wall;
		int64_t mint_restarts, front_restarts;
		char *warnings[MANAGER_WARNINGS_MAX];
		size_t n_warnings;
	} about;
};

/* A reply of one struct. */
void manager_reply(struct client *c, const struct fields *table, const void *reply);
void manager_reply_empty(struct client *c);
/* io.sftoken.Manager.NAME with its parameters. */
void manager_error(struct client *c, const char *name, const struct fields *table,
		   const void *params);
void manager_broker_error(struct client *c, enum broker_error error,
			  const struct broker_error_fields *fields);
void manager_no_such_credential(struct client *c, const char *name);
/* org.varlink.service.InvalidParameter, and beside its parameter a sentence that says what is wrong with it. */
void manager_invalid(struct client *c, const char *parameter, const char *message);
void manager_store_unavailable(struct client *c, const char *message);
bool manager_is_admin(const struct manager *m, const struct peer *p);

/* manager_login.c */
struct logins *manager_logins_new(struct manager *m, struct err *err);
/* Whether the peer is named in any AllowLogin=, and whether the call is one of those that this allows. */
bool manager_may_login_anywhere(const struct manager *m, const struct peer *p);
bool manager_is_login_call(const struct varlink_call *call);
void manager_login_closed(struct client *c);
void manager_call_login(void *client, const struct varlink_call *call, const void *params);
void manager_call_complete_login(void *client, const struct varlink_call *call, const void *params);

/* manager_calls.c */
void manager_call_refresh(void *client, const struct varlink_call *call, const void *params);
void manager_call_set_enabled(void *client, const struct varlink_call *call, const void *params);
void manager_call_reload(void *client, const struct varlink_call *call, const void *params);
void manager_call_service_reload(void *client, const struct varlink_call *call, const void *params);
void manager_call_ping(void *client, const struct varlink_call *call, const void *params);
void manager_call_set_log_level(void *client, const struct varlink_call *call, const void *params);

/* manager_secrets.c */
void manager_call_import(void *client, const struct varlink_call *call, const void *params);
void manager_call_revoke(void *client, const struct varlink_call *call, const void *params);
void manager_call_adopt(void *client, const struct varlink_call *call, const void *params);
void manager_call_history(void *client, const struct varlink_call *call, const void *params);

/* manager_doctor.c */
void manager_call_diagnose(void *client, const struct varlink_call *call, const void *params);
void manager_doctors_settled(struct manager *m, const struct keeper *k);
void manager_doctors_forget(struct manager *m, const struct keeper *k);

/* manager_status.c */
void manager_call_status(void *client, const struct varlink_call *call, const void *params);
void manager_about_fini(struct manager *m);
/* How many connections the front has on that listener; c NULL: 0. */
int64_t manager_front_connections(const struct link_counters *c, const char *name);

/* manager_metrics.c */
void manager_call_metrics(void *client, const struct varlink_call *call, const void *params);
/* Whoever waits for the front's counters gets the first piece. counters NULL: it has not answered. */
void manager_metrics_counted(struct manager *m, const struct link_counters *counters);

/* manager_events.c */
void manager_call_watch_events(void *client, const struct varlink_call *call, const void *params);
void manager_event(const char *event, const struct log_field *fields, size_t n, void *manager);
void manager_events_drained(struct client *c);

#endif
