/* SPDX-License-Identifier: Apache-2.0 */
/* [Listener NAME] FileDescriptorName=: sockets that systemd makes. */
#include <stdlib.h>

#include "daemon/common/settings.h"
#include "tests/unit/check.h"
#include "tests/unit/config_fixture.h"

static struct places places;
static struct config_notes notes;

/* The caller calls done(). */
static struct settings *read_text(struct fixture *f, const char *text)
{
	struct err err = { 0 };

	fixture_init(f);
	places = (struct places){ .config_option = strdup(f->dir),
				  .state_option = strdup("/s"),
				  .runtime_option = strdup("/r") };
	notes = (struct config_notes){ 0 };
	fixture_write(f, "sftokend.conf", text);
	places_resolve(&places, &err);
	return settings_read(&places, f->uid, &notes, &err);
}

static void done(struct fixture *f, struct settings *s)
{
	settings_unref(s);
	config_notes_fini(&notes);
	places_fini(&places);
	fixture_fini(f);
}

TEST(a_listener_of_systemd_needs_no_path)
{
	struct fixture f;
	struct settings *s = read_text(&f, "[Listener broker]\nFileDescriptorName=b\n"
					   "[Listener x]\nFileDescriptorName=jobs\n");
	const struct listener_settings *l = settings_listeners(s, &places, NULL);

	CHECK_INT(notes.n, 0);
	REQUIRE(l && l->next && l->next->next);
	CHECK_STR(l->name, "manager");
	CHECK_STR(l->path, "/r/io.sftoken.Manager");
	CHECK_STR(l->next->fd_name, "b");
	CHECK_STR(l->next->path, "systemd:b");
	CHECK_STR(l->next->next->path, "systemd:jobs");
	CHECK_INT(l->next->next->interface, LISTENER_BROKER);
	done(&f, s);
}

TEST(the_built_in_listeners_have_the_names_of_their_interfaces)
{
	CHECK_STR(settings_listener_file("broker"), "io.sftoken.Broker");
	CHECK_STR(settings_listener_file("manager"), "io.sftoken.Manager");
	CHECK_STR(settings_listener_file("credential"), "credential.sock");
	CHECK(!settings_listener_file("io.sftoken.Broker"));
}

TEST(the_credential_socket_is_on_demand_until_a_section_says_so)
{
	struct fixture f;
	struct settings *s = read_text(&f, "[Listener credential]\nMode=0660\nCredential=a*\n"
					   "[Listener y]\nInterface=credential\nPath=/run/y\n");
	const struct listener_settings *l = settings_listeners(s, &places, NULL);

	CHECK_INT(notes.n, 0);
	for (; l && strcmp(l->name, "credential") != 0; l = l->next)
		;
	REQUIRE(l && l->next);
	CHECK_STR(l->path, "/r/credential.sock");
	CHECK(!l->on_demand);
	CHECK_INT(l->next->interface, LISTENER_CREDENTIAL);
	done(&f, s);
	s = read_text(&f, "[Listener credential]\nDisabled=yes\n");
	for (l = settings_listeners(s, &places, NULL); l; l = l->next)
		CHECK(l->interface != LISTENER_CREDENTIAL);
	done(&f, s);
	s = read_text(&f, "[Listener broker]\nDisabled=yes\n[Listener manager]\nDisabled=yes\n");
	CHECK(!settings_listeners(s, &places, NULL)); /* it alone serves nobody */
	done(&f, s);
}

TEST(what_the_socket_unit_decides_is_not_said_twice)
{
	static const char *const says[] = { "ListenStream=", "SocketMode=", "SocketGroup=",
					    "FileDescriptorName= is the one of another" };
	struct fixture f;
	struct settings *s = read_text(
		&f, "[Listener x]\nFileDescriptorName=x\nPath=/run/x\nMode=0600\nGroup=x\n"
		    "[Listener y]\nFileDescriptorName=x\n"
		    "[Listener z]\nFileDescriptorName=x\nDisabled=yes\n");

	CHECK_INT(notes.n, 4);
	for (size_t i = 0; i < 4 && i < notes.n; i++) {
		CHECK_INT(notes.items[i].line, i < 3 ? i + 3 : 7);
		CHECK(strstr(notes.items[i].text, says[i]) != NULL);
	}
	done(&f, s);
}

CHECK_MAIN()
