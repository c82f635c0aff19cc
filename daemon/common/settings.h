/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sftokend.conf: [Daemon] [Network] [Store] [Limits] [Log] [Listener NAME], read by the parent and by the mint, from the same tables. Immutable and counted.
 */
#ifndef COMMON_SETTINGS_H
#define COMMON_SETTINGS_H

#include "daemon/common/config.h"

/* Every number of interfaces.md 1.10 and architecture.md 7; durations in ms, percentages in percent, counts in pieces. */
struct limits {
	/* front */
	int64_t max_connections, max_connections_per_user, reserved_connections,
		max_calls_per_second, max_reports_per_second;
	int64_t request_timeout_ms, idle_timeout_ms, watch_stall_timeout_ms;
	int64_t backlog, accept_pause_ms;
	int64_t default_wait_ms, max_wait_ms;    /* 30 s, 300 s */
	int64_t default_min_valid_ms;            /* 60 s, or a tenth of the life if that is less */
	int64_t load_min_valid_ms, load_wait_ms; /* 90 min, 30 s: the credential socket */
	int64_t max_hold_ms, hold_notice_ms;     /* 2 h, 60 s */
	int64_t identify_wait_ms;                /* 2 s */
	/* schedule */
	int64_t renew_at_percent, renew_refresh_at_percent, renew_jitter_percent; /* 50, 66, 5 */
	int64_t min_renew_delay_ms, renew_margin_ms,
		renew_margin_life_ms; /* 5 s; never later than 5 min before the end where the life is 10 min or more */
	int64_t unchanged_retry_first_ms, unchanged_retry_max_ms;     /* 5 s, 240 s */
	int64_t assumed_after_vouch_ms;                               /* 300 s */
	int64_t check_interval_ms;                                    /* 60 s */
	int64_t suspended_retry_first_ms, suspended_retry_max_ms;     /* 60 s, 15 min */
	int64_t backoff_first_ms, backoff_max_ms, retry_after_max_ms; /* 1 s, 300 s, 3600 s */
	int64_t demand_gap_ms;                                        /* 5 s */
	int64_t max_requests_per_hour, max_requests_per_life;         /* 30, 8 */
	int64_t permanent_retry_ms; /* 15 min: one probe for assertion grants after a permanent error */
	int64_t required_wait_ms; /* 60 s */
	int64_t start_spread_ms;  /* 60 s */
	int64_t keep_alive_ms; /* 14 days: a refresh token is spent at least so often (Salesforce forgets it after 30) */
	/* per host */
	int64_t max_scheduled_in_flight, max_demanded_in_flight, breaker_failures; /* 8, 64, 5 */
	/* parent */
	int64_t restart_first_ms, restart_max_ms, front_watchdog_ms, mint_watchdog_ms,
		stop_timeout_ms; /* 100 ms, 5 s, 10 s, 60 s, 5 s */
};

struct listener_settings {
	char *name;
	int interface; /* enum listener_interface */
	char *path;
	int64_t mode; /* -1: not set */
	char *group;
	struct config_list credentials;
	char *fd_name;  /* FileDescriptorName=: the manager's socket of that name */
	bool disabled;  /* a disabled one is not in settings_listeners() */
	bool on_demand; /* built in, and opened only when some credential has LoadCredentialUnit=; false once that is known */
	struct listener_settings *next;
};
enum listener_interface { LISTENER_BROKER, LISTENER_MANAGER, LISTENER_CREDENTIAL };

struct settings {
	unsigned refs;
	struct {
		char *user, *admin_group, *default_credential;
		char *on_event; /* a template unit, as written: "NAME@.service" or "NAME@" */
	} daemon;
	struct {
		char *ca_file, *proxy;
		int64_t connect_timeout_ms, timeout_ms;
		struct config_list allowed_hosts; /* empty: the default list */
	} network;
	struct {
		char *key; /* a reference, or "auto" */
	} store;
	struct {
		int level;
		int format;
	} log; /* -1: not set here */
	struct limits limits;
	struct listener_settings
		*listeners; /* as written; the built-in ones are made by settings_listeners() */
	struct listener_settings *disabled; /* taken out by settings_listeners() */
	struct config_origin *origin;
	struct config_files files;
};

extern const struct config_section settings_sections[];
extern const size_t settings_n_sections;

/* Where things are: --config, --state, --runtime, --user, and the defaults. */
struct places {
	bool user_mode;
	bool outside; /* --check by a person: secrets that the service manager hands over are not there */
	char *config_dir, *state_dir, *runtime_dir;
	char *config_option, *state_option, *runtime_option; /* as given, NULL if not */
};

/* Resolves the directories (interfaces.md 3). 0 or -ERR_ADMIN with what to do ("XDG_RUNTIME_DIR is not set: give --runtime DIR"). */
int places_resolve(struct places *p, struct err *err);
void places_fini(struct places *p);

/*
 * Reads it; mistakes go to notes. NULL only for -ERR_INTERNAL. service_uid CONFIG_ANY_OWNER: not known yet (the parent reads User= first), then who owns the files is not judged.
 */
struct settings *settings_read(const struct places *places, uid_t service_uid,
			       struct config_notes *notes, struct err *err);
/* Whether OnEvent= may name it: "NAME@.service" or "NAME@", of the characters of unit names (systemd.unit(5)). */
bool settings_is_template(const char *unit);
struct settings *settings_ref(struct settings *s);
struct settings *settings_unref(struct settings *s); /* takes NULL, returns NULL */
DEFINE_CLEANUP(struct settings *, settings_unref)

/* "broker" "manager" "credential": by enum listener_interface; ends with NULL. */
extern const char *const settings_interface_names[];

/*
 * The listeners: the built-in ones (unless disabled) and the [Listener] sections, paths filled in. The one for credentials has on_demand unless a section is written for it. The list belongs to s.
 */
const struct listener_settings *settings_listeners(struct settings *s, const struct places *places,
						   struct err *err);

/* Some credential has LoadCredentialUnit=: the listener for credentials is in use. After settings_listeners(). */
void settings_demand_loads(struct settings *s);

/* "io.sftoken.Broker", "io.sftoken.Manager" or "credential.sock" for the built-in listeners, NULL for any other name. */
const char *settings_listener_file(const char *name);

/* AllowedHosts= when it is not set; LoginUrl's hosts are added to it by the credentials. Ends with NULL. */
extern const char *const settings_default_hosts[];

/* Appends the merged configuration as --check prints it, every value with its origin. */
void settings_print(struct buf *out, const struct settings *s);

/* Defaults only, for tests. */
void limits_default(struct limits *l);

#endif
