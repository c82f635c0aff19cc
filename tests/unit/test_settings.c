/* SPDX-License-Identifier: Apache-2.0 */
/* sftokend.conf: every key of every section, places, listeners. */
#include "tests/unit/check.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/common/settings.h"
#include "daemon/common/url.h"
#include "tests/unit/config_fixture.h"

static const struct config_section *section(const char *name)
{
	for (size_t i = 0; i < settings_n_sections; i++)
		if (!strcmp(settings_sections[i].name, name))
			return &settings_sections[i];
	return NULL;
}

/* The settings of a text, with the notes that came; the caller unrefs. */
static struct settings *read_text(struct fixture *f, const char *text, struct config_notes *notes)
{
	struct places places = { .config_option = strdup(f->dir),
				 .state_option = strdup("/s"),
				 .runtime_option = strdup("/r") };
	struct err err = { 0 };

	fixture_write(f, "sftokend.conf", text);
	places_resolve(&places, &err);
	struct settings *s = settings_read(&places, f->uid, notes, &err);

	places_fini(&places);
	return s;
}

/* A value inside the range that is not the default, as text. */
static void other_value(const struct config_key *key, char *text, size_t size, int64_t *value)
{
	*value = key->max;
	if (key->type == CONFIG_DURATION)
		snprintf(text, size, "%lldms", (long long)key->max);
	else
		snprintf(text, size, "%lld", (long long)key->max);
}

static int64_t *limit_at(struct settings *s, const struct config_key *key)
{
	void *at = (char *)s + key->offset;

	return at;
}

TEST(every_limit_reaches_its_own_field)
{
	const struct config_section *limits = section("Limits");

	for (size_t i = 0; i < limits->n_keys; i++) {
		const struct config_key *key = &limits->keys[i];
		struct settings a = { .refs = 1 }, b = { .refs = 1 };
		struct err err = { 0 };
		char text[40];
		int64_t value;

		check_row(key->name);
		CHECK_INT(config_defaults(limits, &a, &err), 0);
		CHECK_INT(config_defaults(limits, &b, &err), 0);
		other_value(key, text, sizeof(text), &value);
		CHECK_INT(config_set(key, &b, text, &err), 0);
		CHECK_INT(*limit_at(&b, key), value);
		CHECK(*limit_at(&a, key) != value);
		*limit_at(&b, key) = *limit_at(&a, key);
		CHECK(!memcmp(&a.limits, &b.limits, sizeof(a.limits)));
		snprintf(text, sizeof(text), "%lld%s", (long long)key->max + 1,
			 key->type == CONFIG_DURATION ? "ms" : "");
		CHECK_INT(config_set(key, &b, text, &err), -ERR_ADMIN);
		CHECK(key->meaning && *key->meaning);
		for (size_t j = 0; j < i; j++)
			CHECK(limits->keys[j].offset != key->offset);
	}
	CHECK_INT(limits->n_keys * sizeof(int64_t), sizeof(struct limits));
}

TEST(the_defaults_are_those_of_the_contract)
{
	struct limits l;

	limits_default(&l);
	CHECK_INT(l.max_connections, 10240);
	CHECK_INT(l.max_connections_per_user, 2560);
	CHECK_INT(l.reserved_connections, 32);
	CHECK_INT(l.max_calls_per_second, 20000);
	CHECK_INT(l.max_reports_per_second, 10);
	CHECK_INT(l.request_timeout_ms, 5000);
	CHECK_INT(l.idle_timeout_ms, 300000);
	CHECK_INT(l.watch_stall_timeout_ms, 60000);
	CHECK_INT(l.backlog, 4096);
	CHECK_INT(l.accept_pause_ms, 100);
	CHECK_INT(l.renew_at_percent, 50);
	CHECK_INT(l.renew_refresh_at_percent, 66);
	CHECK_INT(l.renew_jitter_percent, 5);
	CHECK_INT(l.min_renew_delay_ms, 5000);
	CHECK_INT(l.renew_margin_ms, 300000);
	CHECK_INT(l.renew_margin_life_ms, 600000);
	CHECK_INT(l.unchanged_retry_max_ms, 240000);
	CHECK_INT(l.assumed_after_vouch_ms, 300000);
	CHECK_INT(l.suspended_retry_max_ms, 900000);
	CHECK_INT(l.backoff_max_ms, 300000);
	CHECK_INT(l.retry_after_max_ms, 3600000);
	CHECK_INT(l.max_requests_per_hour, 30);
	CHECK_INT(l.max_requests_per_life, 8);
	CHECK_INT(l.max_scheduled_in_flight, 8);
	CHECK_INT(l.max_demanded_in_flight, 64);
	CHECK_INT(l.front_watchdog_ms, 10000);
	CHECK_INT(l.mint_watchdog_ms, 60000);
	CHECK_INT(l.stop_timeout_ms, 5000);
	CHECK_INT(l.keep_alive_ms, INT64_C(14) * 24 * 3600 * 1000);
}

TEST(every_other_key_is_read)
{
	struct config_notes notes = { 0 };
	struct fixture f;

	fixture_init(&f);
	struct settings *s = read_text(
		&f,
		"[Daemon]\nUser=svc\nAdminGroup=adm\nDefaultCredential=prod\n"
		"[Network]\nCaFile=@DIR@/sftokend.conf\nConnectTimeout=2s\nTimeout=9s\nProxy=http:/"
		"/proxy.example:3128\n"
		"AllowedHosts=*.example.com 127.0.0.1:8443\n"
		"[Log]\nLevel=debug\nFormat=json\n[Store]\nKey=file:/k\n"
		"[Listener "
		"jobs]\nInterface=broker\nPath=/run/jobs\nMode=0666\nGroup=jobs\nCredential=prod "
		"etl-*\n"
		"[Listener manager]\nDisabled=yes\n",
		&notes);

	REQUIRE(s);
	CHECK_INT(notes.n, 0);
	CHECK_STR(s->daemon.user, "svc");
	CHECK_STR(s->daemon.admin_group, "adm");
	CHECK_STR(s->daemon.default_credential, "prod");
	CHECK_STR(s->network.ca_file, fixture_path(&f, "sftokend.conf"));
	CHECK_INT(s->network.connect_timeout_ms, 2000);
	CHECK_INT(s->network.timeout_ms, 9000);
	CHECK_STR(s->network.proxy, "http://proxy.example:3128");
	CHECK_INT(s->network.allowed_hosts.n, 2);
	CHECK_STR(s->store.key, "file:/k");
	CHECK_INT(s->log.level, LOG_LEVEL_DEBUG);
	CHECK_INT(s->log.format, LOG_FORMAT_JSON);
	REQUIRE(s->listeners && s->listeners->next);
	CHECK_STR(s->listeners->name, "jobs");
	CHECK_INT(s->listeners->interface, LISTENER_BROKER);
	CHECK_STR(s->listeners->path, "/run/jobs");
	CHECK_INT(s->listeners->mode, 0666);
	CHECK_STR(s->listeners->group, "jobs");
	CHECK_INT(s->listeners->credentials.n, 2);
	CHECK(s->listeners->next->disabled);
	settings_unref(s);
	fixture_fini(&f);
}

TEST(without_a_file_everything_has_its_default)
{
	struct config_notes notes = { 0 };
	struct fixture f;

	fixture_init(&f);
	struct settings *s = read_text(&f, "", &notes);

	REQUIRE(s);
	CHECK_INT(notes.n, 0);
	CHECK_STR(s->daemon.user, "sftokend");
	CHECK_STR(s->daemon.admin_group, "sftokend-admin");
	CHECK_STR(s->daemon.default_credential, NULL);
	CHECK_INT(s->network.connect_timeout_ms, 5000);
	CHECK_INT(s->network.timeout_ms, 15000);
	CHECK_INT(s->network.allowed_hosts.n, 0);
	CHECK_STR(s->store.key, "auto");
	CHECK_INT(s->log.level, -1);
	CHECK_INT(s->log.format, -1);
	settings_unref(s);
	fixture_fini(&f);
}

static const struct {
	const char *text, *said;
} mistakes[] = {
	{ "[Daemon]\nUser=a b\n",
	  "sftokend.conf:2: User= is not a user name — write a name or a number\n" },
	{ "[Daemon]\nAdminGroup=a/b\n",
	  "sftokend.conf:2: AdminGroup= is not a group name — write a name or a number\n" },
	{ "[Daemon]\nOnEvent=/bin/true\n",
	  "sftokend.conf:2: OnEvent=/bin/true is not a template unit — write NAME@.service, as in "
	  "OnEvent=sftoken-mail@.service\n" },
	{ "[Network]\nCaFile=ca.pem\n",
	  "sftokend.conf:2: CaFile= is not absolute — begin it with /\n" },
	{ "[Network]\nCaFile=/nonexistent/ca.pem\n",
	  "sftokend.conf:2: CaFile=/nonexistent/ca.pem: No such file or directory — name a PEM "
	  "file with certificates\n" },
	{ "[Network]\nCaFile=/\n",
	  "sftokend.conf:2: CaFile=/ is not a regular file — name a PEM file with certificates\n" },
	{ "[Network]\nConnectTimeout=20s\n",
	  "sftokend.conf:2: ConnectTimeout= is longer than Timeout= — make it shorter\n" },
	{ "[Network]\nAllowedHosts=*.salesforce.com *x\n",
	  "sftokend.conf:2: AllowedHosts=*x is not a host — write HOST, HOST:PORT or *.DOMAIN\n" },
	{ "[Network]\nProxy=http://me:pw@proxy:1\n",
	  "sftokend.conf:2: Proxy=: the URL holds a user or a password — remove everything up to "
	  "the @\n" },
	{ "[Network]\nProxy=https://proxy:1\n",
	  "sftokend.conf:2: Proxy= is not an HTTP proxy — write http://HOST:PORT\n" },
	{ "[Limits]\nBackoffFirst=10s\nBackoffMax=5s\n",
	  "sftokend.conf:2: BackoffFirst= is more than BackoffMax= — change one of them\n" },
	{ "[Limits]\nMaxWait=10s\n",
	  "sftokend.conf:2: DefaultWait= is more than MaxWait= — change one of them\n" },
	{ "[Limits]\nMaxConnections=10\n", "sftokend.conf:2: MaxConnections=10 leaves nothing "
					   "beside ReservedConnections=32 — change one of them\n" },
	{ "[Store]\nKey=pkcs11:token=me:pw\n",
	  "sftokend.conf:2: Key=pkcs11: is not available in this version — write credential:ID, "
	  "file:PATH or auto\n" },
	{ "[Store]\nKey=me:pw\n",
	  "sftokend.conf:2: Key= is not a reference — secrets are never in this file: write "
	  "credential:ID, file:PATH or auto\n" },
	{ "[Limits]\nKeepAlive=30d\n",
	  "sftokend.conf:2: KeepAlive=30d is out of range — write a value from 1min to 29d\n" },
	{ "[Log]\nFormat=xml\n",
	  "sftokend.conf:2: Format=xml is unknown — write one of: text, json, journal\n" },
	{ "[Log]\nLevel=loud\n", "sftokend.conf:2: Level=loud is unknown — write one of: err, "
				 "warning, notice, info, debug\n" },
	{ "[Listener x]\nMode=660\n",
	  "sftokend.conf: [Listener x] Path= is missing — say where the socket is\n" },
	{ "[Listener x]\nPath=run/x\n",
	  "sftokend.conf:2: [Listener x] Path= is not absolute — begin it with /\n" },
	{ "[Listener "
	  "x]\nPath=/"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaa\n",
	  "sftokend.conf:2: [Listener x] Path= has more than 107 bytes, which no socket can have — "
	  "shorten it\n" },
	{ "[Listener x]\nPath=/run/x\n[Listener y]\nPath=/run/x\n",
	  "sftokend.conf:4: [Listener y] Path= is the one of another [Listener] — choose "
	  "another\n" },
	{ "[Listener x]\nPath=/run/x\n[Listener y]\nPath=//run/./a/..//x\n",
	  "sftokend.conf:4: [Listener y] Path= is the one of another [Listener] — choose "
	  "another\n" },
	{ "[Listener x]\nPath=/proc/self/cwd/x\n[Listener y]\nPath=/proc/thread-self/cwd/x\n",
	  "sftokend.conf:4: [Listener y] Path= is the one of another [Listener] — choose "
	  "another\n" },
	{ "[Listener x]\nMode=0666\nPath=/run/x/io.sftoken.Broker\n",
	  "sftokend.conf:3: [Listener x] Path= is the one of the built-in [Listener broker] — "
	  "choose another\n" },
	{ "[Listener x]\nInterface=manager\nPath=/run/x/../x//io.sftoken.Manager\n[Listener "
	  "manager]\nMode=0600\n",
	  "sftokend.conf:3: [Listener x] Path= is the one of the built-in [Listener manager] — "
	  "choose another\n" },
	{ "[Listener x]\nPath=/run/x/credential.sock\n",
	  "sftokend.conf:2: [Listener x] Path= is the one of the built-in [Listener credential] "
	  "— choose another\n" },
	{ "[Listener broker]\nInterface=manager\n",
	  "sftokend.conf:2: [Listener broker] Interface= cannot be changed for this name — choose "
	  "another name for the section\n" },
	{ "[Listener x]\nInterface=manager\nPath=/run/x\nCredential=a\n",
	  "sftokend.conf:4: [Listener x] Credential= does not fit Interface=manager — remove the "
	  "line\n" },
	{ "[Listener x]\nPath=/run/x\nCredential=a/b\n",
	  "sftokend.conf:3: [Listener x] Credential= holds something that no name matches — names "
	  "or globs with * ? [ ]\n" },
	{ "[Listener broker]\nDisabled=yes\n[Listener manager]\nDisabled=yes\n",
	  ": every [Listener] is disabled — nobody could reach the daemon\n" },
};

TEST(every_mistake_says_what_to_do)
{
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		struct fixture f;

		fixture_init(&f);
		fixture_good(&f);
		fixture_write(&f, "sftokend.conf", mistakes[i].text);
		check_row(mistakes[i].text);
		const char *said = fixture_check(&f);

		CHECK(strlen(said) >= strlen(mistakes[i].said));
		if (mistakes[i].said[0] == ':') /* the directory as a whole */
			CHECK(strstr(said, mistakes[i].said) != NULL);
		else
			CHECK_STR(said, mistakes[i].said);
		CHECK_INT(f.status, 78);
		CHECK(!strstr(f.merged, "me:pw"));
		fixture_fini(&f);
	}
}

TEST(drop_ins_are_read_in_the_order_of_their_names)
{
	struct fixture f;

	fixture_init(&f);
	fixture_good(&f);
	fixture_write(&f, "sftokend.conf",
		      "[Limits]\nMaxRequestsPerHour=1\nBackoffMax=10s\nMaxRequestsPerLife=3\n");
	fixture_write(&f, "sftokend.conf.d/20.conf",
		      "[Limits]\nMaxRequestsPerHour=20\nMaxRequestsPerLife=\n");
	fixture_write(&f, "sftokend.conf.d/10.conf",
		      "[Limits]\nMaxRequestsPerHour=10\nBackoffMax=20s\n");
	fixture_write(&f, "sftokend.conf.d/.99.conf", "[Limits]\nMaxRequestsPerHour=99\n");
	fixture_write(&f, "sftokend.conf.d/99.conf~", "[Nonsense]\n");
	CHECK_STR(fixture_check(&f), "");
	CHECK_INT(f.status, 0);
	CHECK(strstr(f.merged, "MaxRequestsPerHour=20    # sftokend.conf.d/20.conf:2\n") != NULL);
	CHECK(strstr(f.merged, "BackoffMax=20s    # sftokend.conf.d/10.conf:3\n") != NULL);
	CHECK(strstr(f.merged, "MaxRequestsPerLife=8    # default\n") != NULL);
	fixture_fini(&f);
}

TEST(a_config_map_may_be_mounted)
{
	struct fixture f;

	fixture_init(&f);
	fixture_good(&f);
	fixture_write(&f, "sftokend.conf.d/..2026_01/a.conf", "[Limits]\nMaxRequestsPerHour=11\n");
	fixture_write(&f, "credentials/..2026_01/two.conf",
		      "[Credential]\nGrantType=client_credentials\nLoginUrl=https://"
		      "two.my.salesforce.com\nClientId=2\nClientSecret=file:@DIR@/secret.txt\n");
	CHECK_INT(symlink("..2026_01", fixture_path(&f, "sftokend.conf.d/..data")), 0);
	CHECK_INT(symlink("..data/a.conf", fixture_path(&f, "sftokend.conf.d/a.conf")), 0);
	CHECK_INT(symlink("..2026_01", fixture_path(&f, "credentials/..data")), 0);
	CHECK_INT(symlink("..data/two.conf", fixture_path(&f, "credentials/two.conf")), 0);
	CHECK_STR(fixture_check(&f), "");
	CHECK(strstr(f.merged, "MaxRequestsPerHour=11    # sftokend.conf.d/a.conf:2\n") != NULL);
	CHECK(strstr(f.merged, "# credential two\n") != NULL);
	fixture_fini(&f);
}

TEST(odd_files_are_refused)
{
	struct fixture f;
	char *big = malloc((1 << 20) + 2);

	REQUIRE(big);
	fixture_init(&f);
	fixture_good(&f);
	memset(big, '\n', (1 << 20) + 1);
	fixture_write_bytes(&f, "sftokend.conf", big, (1 << 20), 0644);
	CHECK_STR(fixture_check(&f), "");
	fixture_write_bytes(&f, "sftokend.conf", big, (1 << 20) + 1, 0644);
	CHECK_STR(fixture_check(&f),
		  "sftokend.conf: it is larger than 1 MiB — this is no configuration file\n");
	unlink(fixture_path(&f, "sftokend.conf"));
	CHECK_INT(mkfifo(fixture_path(&f, "sftokend.conf"), 0600), 0);
	CHECK_STR(fixture_check(&f), "sftokend.conf: it is not a regular file — remove it\n");
	free(big);
	fixture_fini(&f);
}

/* --- places --- */

static struct err resolve_err;

static int resolve(struct places *p)
{
	resolve_err = (struct err){ 0 };
	return places_resolve(p, &resolve_err);
}

TEST(the_system_has_its_places)
{
	struct places p = { 0 };

	CHECK_INT(resolve(&p), 0);
	CHECK_STR(p.config_dir, "/etc/sftokend");
	CHECK_STR(p.state_dir, "/var/lib/sftokend");
	CHECK_STR(p.runtime_dir, "/run/sftokend");
	places_fini(&p);
}

TEST(a_user_has_those_of_xdg)
{
	struct places p = { .user_mode = true };

	setenv("XDG_CONFIG_HOME", "/c", 1);
	setenv("XDG_STATE_HOME", "relative", 1);
	setenv("XDG_RUNTIME_DIR", "/r", 1);
	setenv("HOME", "/h", 1);
	CHECK_INT(resolve(&p), 0);
	CHECK_STR(p.config_dir, "/c/sftokend");
	CHECK_STR(p.state_dir, "/h/.local/state/sftokend");
	CHECK_STR(p.runtime_dir, "/r/sftokend");
	unsetenv("XDG_RUNTIME_DIR");
	CHECK_INT(resolve(&p), -ERR_ADMIN);
	CHECK_STR(resolve_err.text, "XDG_RUNTIME_DIR is not set — give --runtime DIR");
	unsetenv("HOME");
	CHECK_INT(resolve(&p), -ERR_ADMIN);
	CHECK_STR(resolve_err.text, "neither XDG_STATE_HOME nor HOME is set — give --state DIR");
	places_fini(&p);
}

TEST(options_come_first_and_become_absolute)
{
	struct places p = { .user_mode = true,
			    .config_option = strdup("/a"),
			    .state_option = strdup("/b"),
			    .runtime_option = strdup("c") };

	CHECK_INT(chdir("/usr"), 0);
	CHECK_INT(resolve(&p), 0);
	CHECK_STR(p.config_dir, "/a");
	CHECK_STR(p.runtime_dir, "/usr/c");
	places_fini(&p);
}

/* --- listeners --- */

TEST(two_listeners_are_there_without_any_section)
{
	struct config_notes notes = { 0 };
	struct places p = { .runtime_dir = strdup("/r") };
	struct fixture f;

	fixture_init(&f);
	struct settings *s = read_text(&f, "", &notes);
	const struct listener_settings *l = settings_listeners(s, &p, NULL);

	REQUIRE(l && l->next);
	CHECK_STR(l->name, "broker");
	CHECK_STR(l->path, "/r/io.sftoken.Broker");
	CHECK_INT(l->mode, -1);
	CHECK_STR(l->next->name, "manager");
	CHECK_STR(l->next->path, "/r/io.sftoken.Manager");
	CHECK_INT(l->next->interface, LISTENER_MANAGER);
	REQUIRE(l->next->next);
	CHECK_INT(l->next->next->interface, LISTENER_CREDENTIAL);
	CHECK(l->next->next->on_demand && !l->on_demand && !l->next->on_demand);
	CHECK(!l->next->next->next);
	CHECK(settings_listeners(s, &p, NULL) == l);
	settings_unref(s);
	places_fini(&p);
	fixture_fini(&f);
}

TEST(a_listener_may_be_removed_or_changed)
{
	struct config_notes notes = { 0 };
	struct places p = { .runtime_dir = strdup("/r") };
	struct fixture f;

	fixture_init(&f);
	struct settings *s = read_text(&f,
				       "[Listener manager]\nDisabled=yes\n[Listener "
				       "broker]\nMode=0666\n[Listener x]\nPath=/x\n",
				       &notes);
	const struct listener_settings *l = settings_listeners(s, &p, NULL);

	REQUIRE(l && l->next);
	CHECK_STR(l->name, "broker");
	CHECK_INT(l->mode, 0666);
	CHECK_STR(l->path, "/r/io.sftoken.Broker");
	CHECK_STR(l->next->name, "x");
	CHECK(l->next->next && l->next->next->on_demand && !l->next->next->next);
	settings_unref(s);
	places_fini(&p);
	fixture_fini(&f);
}

/* --- URLs and hosts --- */

TEST(hosts_are_allowed_by_label)
{
	static const struct {
		const char *pattern, *url;
		bool allowed;
	} rows[] = {
		{ "*.salesforce.com", "https://a.my.salesforce.com", true },
		{ "*.salesforce.com", "https://A.Salesforce.COM/", true },
		{ "*.salesforce.com", "https://salesforce.com", false },
		{ "*.salesforce.com", "https://evilsalesforce.com", false },
		{ "*.salesforce.com", "https://a.salesforce.com.evil.com", false },
		{ "*.salesforce.com", "https://a.salesforce.com:8443", false },
		{ "*.salesforce.com:8443", "https://a.salesforce.com:8443", true },
		{ "a.example", "https://a.example:443/x", true },
		{ "127.0.0.1:1", "http://127.0.0.1:1", true },
		{ "127.0.0.1", "http://127.0.0.1:1", false },
		{ "[::1]:2", "http://[::1]:2", true },
		{ "[::1]:2", "http://[::1]:3", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *word = strdup(rows[i].pattern);
		struct config_list list = { &word, 1 };
		struct url u;

		check_row(rows[i].url);
		CHECK(url_pattern_ok(word));
		CHECK_INT(url_parse(rows[i].url, &u, NULL), 0);
		CHECK_INT(url_allowed(&u, &list), rows[i].allowed);
		free(word);
	}
}

TEST(urls_that_can_be_read_in_two_ways_are_refused)
{
	static const char *const bad[] = {
		"",
		"a.example",
		"ftp://a.example",
		"https://",
		"https:///x",
		"https://a b",
		"https://a.example:",
		"https://a.example:0",
		"https://a.example:65536",
		"https://a.example:1:2",
		"https://u@a.example",
		"https://a.example?x",
		"https://a.example#x",
		"https://a.example/x?y",
		"https://a..example",
		"https://.a",
		"https://a.",
		"https://-a.example",
		"https://a%2eb",
		"https://a.example/%2e",
		"https://a.example/../x",
		"https://a.example/x/..",
		"https://a.example//x",
		"https://a\\b",
		"https://[::1",
		"https://::1",
		"https://[::1]x",
		"https://b\xc3\xbc.example",
		"https://*.example",
	};
	static const char *const bad_patterns[] = { "",     "*",         "*.",  "*x",  "a.*.b",
						    "**.a", "https://a", "a:0", "a/b", "*.[::1]" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct url u;
		struct err err = { 0 };

		check_row(bad[i]);
		CHECK_INT(url_parse(bad[i], &u, &err), -ERR_ADMIN);
		CHECK(err.text[0]);
	}
	for (size_t i = 0; i < sizeof(bad_patterns) / sizeof(bad_patterns[0]); i++) {
		check_row(bad_patterns[i]);
		CHECK(!url_pattern_ok(bad_patterns[i]));
	}
}

CHECK_MAIN()
