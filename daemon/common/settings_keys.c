/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of sftokend.conf. sftokend.conf(5) is compared with these tables.
 */
#include <string.h>

#include "base/log.h"
#include "daemon/common/settings_parts.h"

#define COUNT(x) (sizeof(x) / sizeof((x)[0]))
enum { MS = 1, SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

#define DAEMON(field) offsetof(struct settings, daemon.field)
static const struct config_key daemon_keys[] = {
	{ "User", CONFIG_TEXT, DAEMON(user), .max = 256, .fallback = "sftokend",
	  .meaning = "user that the daemon becomes when it is started as root" },
	{ "AdminGroup", CONFIG_TEXT, DAEMON(admin_group), .max = 256, .fallback = "sftokend-admin",
	  .meaning = "group whose members may use the Manager socket" },
	{ "DefaultCredential", CONFIG_TEXT, DAEMON(default_credential), .max = 128,
	  .meaning = "credential (or alias) for callers that name none" },
	{ "OnEvent", CONFIG_TEXT, DAEMON(on_event), .max = 200,
	  .meaning = "template unit of systemd that is started when people should know of "
		     "something" },
};

#define NETWORK(field) offsetof(struct settings, network.field)
static const struct config_key network_keys[] = {
	{ "CaFile", CONFIG_TEXT, NETWORK(ca_file), .max = 4096,
	  .meaning = "PEM file with the certificate authorities to trust instead of the system's" },
	{ "ConnectTimeout", CONFIG_DURATION, NETWORK(connect_timeout_ms), 100 * MS, 60 * SECOND,
	  "5s", .meaning = "longest time to connect, TLS included" },
	{ "Timeout", CONFIG_DURATION, NETWORK(timeout_ms), 1 * SECOND, 300 * SECOND, "15s",
	  .meaning = "longest time for one request, connecting included" },
	{ "Proxy", CONFIG_TEXT, NETWORK(proxy), .max = 512,
	  .meaning = "HTTP proxy, http://HOST:PORT" },
	{ "AllowedHosts", CONFIG_LIST, NETWORK(allowed_hosts),
	  .meaning = "hosts that may be contacted; *. stands for one or more labels" },
};

static const struct config_key store_keys[] = {
	{ "Key", CONFIG_TEXT, offsetof(struct settings, store.key), .max = CONFIG_LINE_MAX,
	  .fallback = "auto",
	  .meaning = "where the key that seals the store is: credential:ID, file:PATH or auto" },
};

static const char *const level_names[] = { "err", "warning", "notice", "info", "debug", NULL };
static const char *const format_names[] = { "text", "json", "journal", NULL };
_Static_assert(LOG_LEVEL_ERR == 0 && LOG_LEVEL_DEBUG == 4 && LOG_FORMAT_TEXT == 0 &&
		       LOG_FORMAT_JSON == 1 && LOG_FORMAT_JOURNAL == 2,
	       "order of the names");

static const struct config_key log_keys[] = {
	{ "Level", CONFIG_ENUM, offsetof(struct settings, log.level), .names = level_names,
	  .meaning =
		  "least important events that are logged: err, warning, notice, info or debug" },
	{ "Format", CONFIG_ENUM, offsetof(struct settings, log.format), .names = format_names,
	  .meaning = "form of a log line: text, json or journal" },
};

#define L(field) offsetof(struct settings, limits.field)
#define TIME(name, field, min, max, fallback, meaning)                                   \
	{                                                                                \
		name, CONFIG_DURATION, L(field), min, max, fallback, meaning, NULL, NULL \
	}
#define NUMBER(name, field, min, max, fallback, meaning)                            \
	{                                                                           \
		name, CONFIG_INT, L(field), min, max, fallback, meaning, NULL, NULL \
	}
#define SHARE(name, field, min, max, fallback, meaning)                                 \
	{                                                                               \
		name, CONFIG_PERCENT, L(field), min, max, fallback, meaning, NULL, NULL \
	}
static const struct config_key limit_keys[] = {
	/* callers */
	NUMBER("MaxConnections", max_connections, 1, 1000000, "10240",
	       "connections of all callers together"),
	NUMBER("MaxConnectionsPerUser", max_connections_per_user, 1, 1000000, "2560",
	       "connections of one user"),
	NUMBER("ReservedConnections", reserved_connections, 0, 1000, "32",
	       "connections kept for root and the service user"),
	NUMBER("MaxCallsPerSecond", max_calls_per_second, 1, 10000000, "20000",
	       "calls of one user in a second"),
	NUMBER("MaxReportsPerSecond", max_reports_per_second, 1, 1000000, "10",
	       "reports of rejected tokens of one user in a second"),
	TIME("RequestTimeout", request_timeout_ms, 100 * MS, HOUR, "5s",
	     "from the first byte of a request to its last"),
	TIME("IdleTimeout", idle_timeout_ms, SECOND, 24 * HOUR, "300s",
	     "life of a connection without a request"),
	TIME("WatchStallTimeout", watch_stall_timeout_ms, SECOND, HOUR, "60s",
	     "how long a watcher may leave a reply unread"),
	NUMBER("Backlog", backlog, 1, 65535, "4096",
	       "connections that the kernel queues at a socket"),
	TIME("AcceptPause", accept_pause_ms, 10 * MS, MINUTE, "100ms",
	     "pause of accepting when descriptors run out"),
	TIME("DefaultWait", default_wait_ms, 0, HOUR, "30s",
	     "how long a caller waits who does not say"),
	TIME("MaxWait", max_wait_ms, SECOND, 24 * HOUR, "300s",
	     "longest time that a caller may wait"),
	TIME("DefaultMinValid", default_min_valid_ms, 0, HOUR, "60s",
	     "life that a token must have left for a caller who does not say; a tenth of the "
	     "believed life if that is less"),
	TIME("MaxHold", max_hold_ms, 0, 24 * HOUR, "2h",
	     "longest time that a caller may hold a session; 0: none is held"),
	TIME("HoldNotice", hold_notice_ms, 0, HOUR, "60s",
	     "how long before a hold ends its caller is told; a quarter of the hold if that is less"),
	TIME("LoadMinValid", load_min_valid_ms, 0, DAY, "90min",
	     "life that a token must have left for LoadCredential= of a unit, or it is renewed "
	     "first; three quarters of the believed life if that is less"),
	TIME("LoadWait", load_wait_ms, 0, HOUR, "30s",
	     "how long LoadCredential= of a unit waits for such a token, or for any"),
	TIME("IdentifyWait", identify_wait_ms, 0, HOUR, "2s",
	     "how long a call waits until it is known which unit and program makes it, where "
	     "AllowUnit= or AllowExecutable= may allow it"),
	/* renewal */
	SHARE("RenewAt", renew_at_percent, 10, 90, "50%",
	      "part of the believed life after which a token is renewed"),
	SHARE("RenewRefreshAt", renew_refresh_at_percent, 10, 90, "66%",
	      "the same for grants that spend a refresh token"),
	SHARE("RenewJitter", renew_jitter_percent, 0, 20, "5%",
	      "up to this much of the believed life earlier, by chance"),
	TIME("MinRenewDelay", min_renew_delay_ms, 0, HOUR, "5s",
	     "no renewal sooner than this after a token was issued"),
	TIME("RenewMargin", renew_margin_ms, 0, HOUR, "5min",
	     "a token with a long life is renewed at least this long before its end"),
	TIME("RenewMarginLife", renew_margin_life_ms, 0, 24 * HOUR, "10min",
	     "life from which on RenewMargin= counts"),
	TIME("UnchangedRetryFirst", unchanged_retry_first_ms, 100 * MS, HOUR, "5s",
	     "first pause when the server gives an expired token again"),
	TIME("UnchangedRetryMax", unchanged_retry_max_ms, 100 * MS, 24 * HOUR, "240s",
	     "longest such pause"),
	TIME("AssumedAfterVouch", assumed_after_vouch_ms, 0, 24 * HOUR, "300s",
	     "how long a token that the server gave again is served after its believed end"),
	TIME("CheckInterval", check_interval_ms, 100 * MS, HOUR, "60s",
	     "least time between two checks of a reported token"),
	TIME("SuspendedRetryFirst", suspended_retry_first_ms, 100 * MS, HOUR, "60s",
	     "first pause of a suspended credential"),
	TIME("SuspendedRetryMax", suspended_retry_max_ms, 100 * MS, 24 * HOUR, "15min",
	     "longest pause of a suspended credential"),
	/* failures */
	TIME("BackoffFirst", backoff_first_ms, 10 * MS, HOUR, "1s",
	     "first pause after a failed request"),
	TIME("BackoffMax", backoff_max_ms, 10 * MS, 24 * HOUR, "300s",
	     "longest pause after failed requests"),
	TIME("RetryAfterMax", retry_after_max_ms, SECOND, 24 * HOUR, "3600s",
	     "longest Retry-After of the server that is honoured"),
	TIME("DemandGap", demand_gap_ms, 0, HOUR, "5s",
	     "time without demand after which a caller may bring a planned try forward"),
	TIME("PermanentRetry", permanent_retry_ms, SECOND, 24 * HOUR, "15min",
	     "pause between tries while an administrator has to act"),
	TIME("KeepAlive", keep_alive_ms, MINUTE, 29LL * DAY, "14d",
	     "a refresh token is spent at least this often, so that the server does not forget it"),
	NUMBER("MaxRequestsPerHour", max_requests_per_hour, 1, 100000, "30",
	       "requests to the token endpoint for one credential in an hour"),
	NUMBER("MaxRequestsPerLife", max_requests_per_life, 1, 1000, "8",
	       "or this many in a believed life, if that is more"),
	NUMBER("MaxScheduledInFlight", max_scheduled_in_flight, 1, 10000, "8",
	       "planned requests to one host at a time"),
	NUMBER("MaxDemandedInFlight", max_demanded_in_flight, 1, 10000, "64",
	       "requests to one host at a time that a caller waits for"),
	NUMBER("BreakerFailures", breaker_failures, 1, 1000, "5",
	       "failures in a row after which a host is given a rest"),
	/* start and stop */
	TIME("RequiredWait", required_wait_ms, 0, HOUR, "60s",
	     "how long readiness waits for credentials with Required=yes"),
	TIME("StartSpread", start_spread_ms, 0, HOUR, "60s",
	     "time over which first requests without a caller are spread"),
	TIME("RestartFirst", restart_first_ms, 0, MINUTE, "100ms",
	     "first pause before a process that died again is started again"),
	TIME("RestartMax", restart_max_ms, 0, HOUR, "5s", "longest such pause"),
	TIME("FrontWatchdog", front_watchdog_ms, SECOND, HOUR, "10s",
	     "silence after which the front is killed and started again"),
	TIME("MintWatchdog", mint_watchdog_ms, SECOND, HOUR, "60s",
	     "silence after which the mint is killed and started again"),
	TIME("StopTimeout", stop_timeout_ms, 0, HOUR, "5s",
	     "how long stopping waits for an answer in flight"),
};

const char *const settings_interface_names[] = { "broker", "manager", "credential", NULL };
_Static_assert(LISTENER_BROKER == 0 && LISTENER_MANAGER == 1 && LISTENER_CREDENTIAL == 2,
	       "order of the names");

#define LISTENER(field) offsetof(struct listener_settings, field)
static const struct config_key listener_keys[] = {
	{ "Interface", CONFIG_ENUM, LISTENER(interface), .names = settings_interface_names,
	  .meaning = "what the socket serves: broker (callers), manager (administrators) or "
		     "credential (LoadCredential= of units)" },
	{ "Path", CONFIG_TEXT, LISTENER(path), .max = 4096,
	  .meaning = "the socket, absolute, at most 107 bytes" },
	{ "Mode", CONFIG_MODE, LISTENER(mode), .max = 0777, .meaning = "its mode, octal" },
	{ "Group", CONFIG_TEXT, LISTENER(group), .max = 256, .meaning = "its group" },
	{ "Credential", CONFIG_LIST, LISTENER(credentials),
	  .meaning = "names or globs of the credentials that this socket may give at all; narrows "
		     "[Access]" },
	{ "FileDescriptorName", CONFIG_TEXT, LISTENER(fd_name), .max = 255,
	  .meaning = "the socket of that name from systemd is taken, instead of opening one" },
	{ "Disabled", CONFIG_BOOL, LISTENER(disabled), .meaning = "yes: the socket is not opened" },
};

const struct config_section settings_sections[] = {
	{ "Daemon", daemon_keys, COUNT(daemon_keys), sizeof(struct settings), NULL, 0 },
	{ "Network", network_keys, COUNT(network_keys), sizeof(struct settings), NULL, 0 },
	{ "Store", store_keys, COUNT(store_keys), sizeof(struct settings), NULL, 0 },
	{ "Limits", limit_keys, COUNT(limit_keys), sizeof(struct settings), NULL, 0 },
	{ "Log", log_keys, COUNT(log_keys), sizeof(struct settings), NULL, 0 },
	{ "Listener ", listener_keys, COUNT(listener_keys), sizeof(struct listener_settings),
	  settings_listener_named, 0 },
};
const size_t settings_n_sections = COUNT(settings_sections);

const char *const settings_default_hosts[] = { "*.salesforce.com", "*.my.site.com",
					       "*.salesforce.mil", "*.my.sfcrmproducts.cn", NULL };

const struct config_section *settings_section(const char *name)
{
	for (size_t i = 0; i < settings_n_sections; i++)
		if (!strcmp(settings_sections[i].name, name))
			return &settings_sections[i];
	return NULL;
}

void limits_default(struct limits *l)
{
	struct settings s = { .refs = 1 };

	/* numbers alone: nothing is allocated, nothing can fail */
	(void)config_defaults(settings_section("Limits"), &s, NULL);
	*l = s.limits;
}
