/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of systemd's INI: lines, values, mistakes with their exact texts. */
#include "tests/unit/check.h"

#include <stdlib.h>

#include "daemon/common/config.h"

struct room {
	char *text;
	struct config_list list;
	bool yes;
	int64_t count, time, percent, mode;
	int choice;
	struct inner {
		char name[80];
		char *text;
		bool used;
	} inner[2];
};

static const char *const choices[] = { "red", "green", "blue", "black", NULL };
static const char *const later_choices[] = { "black", NULL };
static const char *const fine[] = { "no", NULL };

static const struct config_key room_keys[] = {
	{ "Text", CONFIG_TEXT, offsetof(struct room, text), .max = 20, .fallback = "t" },
	{ "List", CONFIG_LIST, offsetof(struct room, list), .fallback = "a b" },
	{ "Truth", CONFIG_BOOL, offsetof(struct room, yes), .fallback = "yes" },
	{ "Count", CONFIG_INT, offsetof(struct room, count), 1, 10, "3" },
	{ "Time", CONFIG_DURATION, offsetof(struct room, time), 1000, 7200000, "5s" },
	{ "Percent", CONFIG_PERCENT, offsetof(struct room, percent), 10, 90, NULL },
	{ "Mode", CONFIG_MODE, offsetof(struct room, mode), .max = 0777 },
	{ "Choice", CONFIG_ENUM, offsetof(struct room, choice), .names = choices,
	  .later_names = later_choices },
	{ "Future", CONFIG_LATER, .names = fine },
};
static const struct config_key inner_keys[] = {
	{ "InnerText", CONFIG_TEXT, offsetof(struct inner, text) },
};

static void *inner_named(void *target, const char *name)
{
	struct room *r = target;

	for (int i = 0; i < 2; i++) {
		if (r->inner[i].used && strcmp(r->inner[i].name, name))
			continue;
		snprintf(r->inner[i].name, sizeof(r->inner[i].name), "%s", name);
		r->inner[i].used = true;
		return &r->inner[i];
	}
	return NULL;
}

static const struct config_section sections[] = {
	{ "Room", room_keys, sizeof(room_keys) / sizeof(room_keys[0]), sizeof(struct room), NULL,
	  0 },
	{ "Inner ", inner_keys, 1, sizeof(struct inner), inner_named, 0 },
};

static struct room room;
static struct config_notes notes;
static struct config_origin *origin;

static void finish(void)
{
	config_section_fini(&sections[0], &room);
	for (int i = 0; i < 2; i++)
		config_section_fini(&sections[1], &room.inner[i]);
	config_notes_fini(&notes);
	origin = config_origin_free(origin);
	room = (struct room){ 0 };
}

static int parse_bytes(const char *bytes, size_t size)
{
	struct err err = { 0 };

	finish();
	origin = config_origin_new();
	config_defaults(&sections[0], &room, &err);
	return config_parse("f", bytes, size, sections, 2, &room, &notes, origin, &err);
}

/* The notes of a text as --check would print them. */
static const char *parse(const char *text)
{
	static char said[1 << 16];
	struct buf out;

	if (parse_bytes(text, strlen(text)) != 0)
		return "failed";
	buf_init(&out, sizeof(said) - 1);
	config_notes_print(&out, &notes, "");
	snprintf(said, sizeof(said), "%s", out.data ? out.data : "");
	buf_fini(&out);
	return said;
}

static const struct {
	const char *text, *said;
} mistakes[] = {
	{ "[Room\n", "f:1: a section ends with ] — write [NAME]\n" },
	{ "[]\n", "f:1: a section ends with ] — write [NAME]\n" },
	{ "[Rom]\nCount=1\n", "f:1: the section [Rom] is unknown — did you mean [Room]?\n" },
	{ "[Iner x]\n", "f:1: the section [Iner x] is unknown — did you mean [Inner NAME]?\n" },
	{ "[Zebra]\n", "f:1: the section [Zebra] is unknown — remove it\n" },
	{ "[-----BEGIN KEY-----]\n", "f:1: this section is unknown — remove it\n" },
	{ "[Inner]\n", "f:1: [Inner] needs a name — write [Inner NAME]\n" },
	{ "[Inner ../x]\n", "f:1: the name of [Inner ...] is not allowed — letters, digits and . _ "
			    "@ - (at most 64, a letter or digit first)\n" },
	{ "Count=1\nTime=1s\n[Room]\n",
	  "f:1: an assignment before the first section — put a line like [Room] before it\n" },
	{ "[Room]\nCount\n", "f:2: this is neither a section nor an assignment — write Key=value, "
			     "or # before a comment\n" },
	{ "[Room]\n=1\n", "f:2: this is neither a section nor an assignment — write Key=value, or "
			  "# before a comment\n" },
	{ "[Room]\nCuont=1\n", "f:2: Cuont= is unknown in [Room] — did you mean Count=?\n" },
	{ "[Room]\ncount=1\n", "f:2: count= is unknown in [Room] — did you mean Count=?\n" },
	{ "[Room]\nElephant=1\n", "f:2: Elephant= is unknown in [Room] — remove the line\n" },
	{ "[Room]\nMIIEvQIBADANBgkqhkiG9w0=\n",
	  "f:2: this is no key of [Room] — remove the line\n" },
	{ "[Room]\nInnerText=1\n",
	  "f:2: InnerText= does not belong into [Room] — move it to [Inner NAME]\n" },
	{ "[Inner a]\nCount=1\n",
	  "f:2: Count= does not belong into [Inner a] — move it to [Room]\n" },
	{ "[Room]\nText=123456789012345678901\n",
	  "f:2: Text= has more than 20 bytes — write a shorter one\n" },
	{ "[Room]\nTruth=maybe\n", "f:2: Truth=maybe is neither yes nor no — write yes or no\n" },
	{ "[Room]\nTruth=yes # really\n", "f:2: Truth=yes # really is neither yes nor no — write "
					  "yes or no (comments stand on lines of their own)\n" },
	{ "[Room]\nCount=x\n", "f:2: Count=x is not a number — write digits alone\n" },
	{ "[Room]\nCount=-1\n", "f:2: Count=-1 is not a number — write digits alone\n" },
	{ "[Room]\nCount=11\n", "f:2: Count=11 is out of range — write a value from 1 to 10\n" },
	{ "[Room]\nCount=9999999999999999999\n",
	  "f:2: Count=9999999999999999999 is not a number — write digits alone\n" },
	{ "[Room]\nTime=2x\n",
	  "f:2: Time=2x is not a duration — write for example 500ms, 30s, 5min, 2h or 7d\n" },
	{ "[Room]\nTime=500ms\n",
	  "f:2: Time=500ms is out of range — write a value from 1s to 2h\n" },
	{ "[Room]\nPercent=5%\n",
	  "f:2: Percent=5% is out of range — write a value from 10% to 90%\n" },
	{ "[Room]\nPercent=half\n",
	  "f:2: Percent=half is not a percentage — write for example 50%\n" },
	{ "[Room]\nMode=0888\n",
	  "f:2: Mode=0888 is not a file mode — write three octal digits, for example 0660\n" },
	{ "[Room]\nMode=1777\n",
	  "f:2: Mode=1777 is not a file mode — write three octal digits, for example 0660\n" },
	{ "[Room]\nChoice=gren\n", "f:2: Choice=gren is unknown — did you mean green?\n" },
	{ "[Room]\nChoice=purple\n",
	  "f:2: Choice=purple is unknown — write one of: red, green, blue\n" },
	{ "[Room]\nChoice=black\n",
	  "f:2: Choice=black is not available in this version — choose another one\n" },
	{ "[Room]\nFuture=7\n",
	  "f:2: Future= is not available in this version — remove the line\n" },
	{ "\xef\xbb\xbf[Room]\nCount=2\n",
	  "f:1: the file begins with a byte order mark — save it as UTF-8 without one\n" },
	{ "[Room]\nText=\xff\n", "f:2: this line is not valid UTF-8 — save the file as UTF-8\n" },
	{ "[Room]\nText=\xc0\xaf\n",
	  "f:2: this line is not valid UTF-8 — save the file as UTF-8\n" },
	{ "[Room]\nText=\xed\xa0\x80\n",
	  "f:2: this line is not valid UTF-8 — save the file as UTF-8\n" },
	{ "[Room]\nText=a\x1b[0m\n", "f:2: this line holds a control character — remove it\n" },
	{ "[Room]\nText=a\rb\n", "f:2: this line holds a control character — remove it\n" },
};

TEST(every_mistake_has_its_line_and_says_what_to_do)
{
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		check_row(mistakes[i].text);
		CHECK_STR(parse(mistakes[i].text), mistakes[i].said);
	}
	finish();
}

TEST(a_nul_byte_is_refused)
{
	CHECK_INT(parse_bytes("[Room]\nText=a\0b\nCount=4\n", 23), 0);
	CHECK_INT(notes.n, 1);
	CHECK_STR(notes.items[0].text, "this line holds a NUL byte — remove it");
	CHECK_INT(notes.items[0].line, 2);
	CHECK_INT(room.count, 4);
	finish();
}

TEST(all_mistakes_are_told_and_good_lines_count)
{
	CHECK_STR(parse("[Room]\nCount=99\nTime=10s\nNope=1\n[Zebra]\nx=1\n[Room]\nTruth="
			"perhaps\nText=ok\n"),
		  "f:2: Count=99 is out of range — write a value from 1 to 10\n"
		  "f:4: Nope= is unknown in [Room] — remove the line\n"
		  "f:5: the section [Zebra] is unknown — remove it\n"
		  "f:8: Truth=perhaps is neither yes nor no — write yes or no\n");
	CHECK_INT(room.count, 3);
	CHECK_INT(room.time, 10000);
	CHECK_STR(room.text, "ok");
	finish();
}

TEST(every_type_takes_its_forms)
{
	CHECK_STR(parse("[Room]\nText = two words "
			"\nList=c\nList=d\te\nTruth=off\nCount=10\nTime=1h\nPercent=50\nMode="
			"640\nChoice=blue\n"
			"Future=no\n"),
		  "");
	CHECK_STR(room.text, "two words");
	CHECK_INT(room.list.n, 5);
	CHECK_STR(room.list.items[4], "e");
	CHECK(!room.yes);
	CHECK_INT(room.count, 10);
	CHECK_INT(room.time, 3600000);
	CHECK_INT(room.percent, 50);
	CHECK_INT(room.mode, 0640);
	CHECK_INT(room.choice, 2);
	finish();
}

TEST(durations_have_units)
{
	static const struct {
		const char *text;
		int64_t ms;
	} rows[] = {
		{ "5", 5000 },
		{ "5s", 5000 },
		{ "5sec", 5000 },
		{ "100ms", 100 },
		{ "90min", 5400000 },
		{ "3m", 180000 },
		{ "2h", 7200000 },
		{ "7d", 604800000 },
		{ "2 h", 7200000 },
		{ "0", 0 },
		{ "", -1 },
		{ "s", -1 },
		{ "-1s", -1 },
		{ "1.5h", -1 },
		{ "1w", -1 },
		{ "9999999999999s", -1 },
		{ "999999999999d", -1 },
		{ "5s5", -1 },
		{ "5 s s", -1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row(rows[i].text);
		CHECK_INT(config_duration(rows[i].text), rows[i].ms);
	}
}

TEST(an_empty_assignment_resets_to_the_default)
{
	CHECK_STR(parse("[Room]\nList=c\nList=\nText=x\nText=\nCount=9\nCount=\nChoice=red\nChoice="
			"\nTruth=no\nTruth=\nMode=600\nMode=\n"),
		  "");
	CHECK_INT(room.list.n, 2);
	CHECK_STR(room.list.items[0], "a");
	CHECK_STR(room.text, "t");
	CHECK_INT(room.count, 3);
	CHECK_INT(room.choice, -1);
	CHECK(room.yes);
	CHECK_INT(room.mode, -1);
	const char *file;
	unsigned line;

	config_origin_of(origin, "Room", "Count", &file, &line);
	CHECK_STR(file, NULL);
	finish();
}

TEST(comments_stand_on_their_own_lines)
{
	CHECK_STR(parse("# one\n  ; two\n[Room]\n\t# three\nText=a # b\n"), "");
	CHECK_STR(room.text, "a # b");
	finish();
}

TEST(a_backslash_continues_a_line_as_in_systemd)
{
	/* comments inside are left out, the backslash becomes a blank, two backslashes are none,
	 * the mistake has the first line */
	CHECK_STR(parse("[Room]\nList=\nList=c \\\n# no\n  "
			"d\\\n;no\\\ne\nCount=\\\n77\nText=x\\\\\n"),
		  "f:8: Count=77 is out of range — write a value from 1 to 10\n");
	CHECK_INT(room.list.n, 5);
	CHECK_STR(room.list.items[3], "d");
	CHECK_STR(room.list.items[4], "e");
	CHECK_STR(room.text, "x\\\\");
	CHECK_STR(parse("[Room]\nText=end\\"), "");
	CHECK_STR(room.text, "end");
	finish();
}

TEST(lines_may_end_as_on_other_systems)
{
	CHECK_STR(parse("[Room]\r\nText=a\r\nCount=5"), "");
	CHECK_STR(room.text, "a");
	CHECK_INT(room.count, 5);
	finish();
}

TEST(a_line_has_at_most_4_kib)
{
	char *text = malloc(8192);

	REQUIRE(text);
	memset(text, 'a', 8192);
	memcpy(text, "[Room]\n# ", 9);
	memcpy(text + 7 + 4096, "\nCount=4\n", 10);
	CHECK_STR(parse(text), "");
	memmove(text + 7 + 4097, text + 7 + 4096, 10);
	text[7 + 4096] = 'a';
	CHECK_STR(parse(text),
		  "f:2: this line has more than 4096 bytes — split it with \\ at the end\n");
	CHECK_INT(room.count, 4);
	free(text);
	finish();
}

TEST(named_sections_are_one_struct_a_name)
{
	CHECK_STR(parse("[Inner b]\nInnerText=1\n[Inner c]\nInnerText=2\n[Inner b]\nInnerText=3\n"),
		  "");
	CHECK_STR(room.inner[0].name, "b");
	CHECK_STR(room.inner[0].text, "3");
	CHECK_STR(room.inner[1].text, "2");
	finish();
}

TEST(noise_does_not_fill_the_memory)
{
	char *text = malloc(10000);

	REQUIRE(text);
	for (size_t i = 0; i < 9998; i += 2)
		memcpy(text + i, "x\n", 3);
	CHECK_INT(parse_bytes(text, 9998), 0);
	CHECK_INT(notes.n, 1001);
	CHECK_STR(notes.items[1000].text, "there are more mistakes — mend these first");
	free(text);
	finish();
}

TEST(values_are_printed_with_their_origin)
{
	struct buf out;

	parse("[Room]\nTime=90min\nMode=600\nPercent=20%\nChoice=green\nList=\nList=x\n");
	buf_init(&out, 4096);
	config_print_section(&out, &sections[0], "Room", &room, origin);
	CHECK_STR(out.data, "[Room]\nText=t    # default\nList=a b x    # f:7\nTruth=yes    # "
			    "default\nCount=3    # default\nTime=90min    # f:2\n"
			    "Percent=20%    # f:4\nMode=0600    # f:3\nChoice=green    # f:5\n");
	buf_fini(&out);
	finish();
}

TEST(notes_are_sorted_by_file_and_line)
{
	struct buf out;

	config_note(&notes, "b", 2, "1");
	config_note(&notes, "a", 9, "2");
	config_note(&notes, "b", 0, "3\n\x1b");
	config_note(&notes, "a", 9, "4");
	config_notes_sort(&notes);
	buf_init(&out, 4096);
	config_notes_print(&out, &notes, "warning: ");
	CHECK_STR(out.data, "a:9: warning: 2\na:9: warning: 4\nb: warning: 3??\nb:2: warning: 1\n");
	buf_fini(&out);
	finish();
}

TEST(the_nearest_word_is_found)
{
	static const char *const words[] = { "GrantType", "LoginUrl", "Mode" };

	CHECK_STR(config_nearest("GrantTyp", words, 3), "GrantType");
	CHECK_STR(config_nearest("granttype", words, 3), "GrantType");
	CHECK_STR(config_nearest("LoginURL", words, 3), "LoginUrl");
	CHECK_STR(config_nearest("Mdoe", words, 3), "Mode");
	CHECK_STR(config_nearest("Elephant", words, 3), NULL);
	CHECK_STR(config_nearest("", words, 3), NULL);
}

CHECK_MAIN()
