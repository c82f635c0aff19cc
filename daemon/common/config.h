/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd's INI, read into tables of keys. Every mistake is collected with file:line and what to do, not the first only.
 *
 *	static const struct config_key limits[] = {
 *		{ "MinRenewDelay", CONFIG_DURATION, offsetof(struct limits, min_renew_delay_ms), 0, 3600000,
 *		  "5s", "how soon after issue a token may be renewed" },
 *	};
 *
 * Files: a main file, then NAME.conf.d/ in the order of names; later assignments replace earlier ones, an empty assignment resets to the default.
 */
#ifndef COMMON_CONFIG_H
#define COMMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

enum config_type {
	CONFIG_TEXT, /* char *                      at most max bytes (0: as long as a line) */
	CONFIG_LIST, /* struct config_list          words; assignments add up, an empty one resets */
	CONFIG_BOOL,     /* bool                        yes no true false on off 1 0 */
	CONFIG_INT,      /* int64_t                     min..max */
	CONFIG_DURATION, /* int64_t, in milliseconds    "5s" "2h" "90min" "7d" "100ms", a bare number is seconds; min..max in ms */
	CONFIG_PERCENT,  /* int64_t                     "50%" or "50" */
	CONFIG_ENUM,     /* int                         index into names[]; without fallback -1 */
	CONFIG_MODE,     /* int64_t                     octal, 0..0777; without fallback -1 */
	CONFIG_LATER, /* known, but not in this version: always a mistake that says so; names[0] may list the values that are fine, e.g. the default */
};

struct config_list {
	char **items;
	size_t n;
};

struct config_key {
	const char *name;
	enum config_type type;
	size_t offset;
	int64_t min, max;
	const char *fallback;     /* default as it would be written; NULL: none */
	const char *meaning;      /* one line for --check and the man page */
	const char *const *names; /* CONFIG_ENUM, CONFIG_LATER; ends with NULL */
	const char *const *
		later_names; /* CONFIG_ENUM: values that this version cannot do yet (may be in names as well); ends with NULL */
};

struct config_section {
	const char *
		name; /* "Limits"; "Listener " with a trailing space takes a name: [Listener jobs] */
	const struct config_key *keys;
	size_t n_keys;
	size_t size; /* of the struct that the keys fill */
	/* For named sections: the struct for this name (made on first use, with config_defaults()), or NULL when out of memory. For others: NULL. */
	void *(*named)(void *target, const char *name);
	size_t offset; /* of the struct inside the target (plain sections) */
};

/* A mistake or a warning: "what is wrong — what to do". line 0: the file as a whole. */
struct config_note {
	char *file;
	unsigned line;
	char *text;
};

struct config_notes {
	struct config_note *items;
	size_t n;
	bool out_of_memory;
};

void config_note(struct config_notes *notes, const char *file, unsigned line, const char *format,
		 ...) __attribute__((format(printf, 4, 5)));
void config_notes_fini(struct config_notes *notes);
/* By file, then line; notes of one line keep their order. */
void config_notes_sort(struct config_notes *notes);
/* Appends "file:line: text\n" ("file: text\n" for line 0) for each note; prefix (e.g. "warning: ") goes before the text. */
void config_notes_print(struct buf *out, const struct config_notes *notes, const char *prefix);

/* Where each value came from, for --check and for mistakes found later. */
struct config_origin;
struct config_origin *config_origin_free(struct config_origin *o); /* takes NULL, returns NULL */
/* file:line of the last assignment of [section] key; file NULL if it has its default. */
void config_origin_of(const struct config_origin *o, const char *section, const char *key,
		      const char **file, unsigned *line);

struct config_file {
	char *path;
	uint64_t
		look; /* when it was read (look.h); 0: the main file, which is not there and need not be */
};

struct config_files {
	struct config_file *items; /* in the order in which they were read: the main file first */
	size_t n;
};

/* The longest physical line, the longest line with its continuations, the largest file. */
enum { CONFIG_LINE_MAX = 4096, CONFIG_JOINED_MAX = 65536, CONFIG_FILE_MAX = 1 << 20 };

/* An owner that is not known yet: ownership and mode of the files are not judged; the caller reads again when it knows. */
#define CONFIG_ANY_OWNER ((uid_t)-1)

/*
 * Sets the defaults of all plain sections in target, then reads DIR/name and DIR/name.d/ *.conf into it.
 * Mistakes go to notes; returns 0 (also with mistakes) or -ERR_INTERNAL. owner: uid of the service user; files and directories that others than root and it may write
 * are mistakes. Of a read-only mount that begins at DIR or below it (ConfigMaps, volumes of containers) directories of root may have any mode, and files any owner and group; files that everybody may
 * write are mistakes there too. *origin and *files are made here and the caller's from then on, also on failure.
 */
enum config_read_flags {
	CONFIG_REQUIRED = 1, /* DIR/name must exist */
	CONFIG_ALONE = 2,    /* the caller knows that there is no DIR/name.d */
};
int config_read(const char *dir, const char *name, unsigned flags,
		const struct config_section *sections, size_t n_sections, void *target, uid_t owner,
		struct config_notes *notes, struct config_origin **origin,
		struct config_files *files, struct err *err);

/* The same for bytes in memory: one file's text into target. 0 or -ERR_INTERNAL. */
int config_parse(const char *file, const char *bytes, size_t size,
		 const struct config_section *sections, size_t n_sections, void *target,
		 struct config_notes *notes, struct config_origin *origin, struct err *err);
struct config_origin *config_origin_new(void);                           /* NULL: out of memory */
struct config_origin *config_origin_copy(const struct config_origin *o); /* NULL: out of memory */
DEFINE_CLEANUP(struct config_origin *, config_origin_free)

/* A copy of every key of the section from one struct into another one that is zeroed. 0 or -ERR_INTERNAL. */
int config_section_copy(const struct config_section *section, void *to, const void *from,
			struct err *err);
/* 0 or -1: out of memory (the caller frees *to in both cases). */
int config_files_copy(struct config_files *to, const struct config_files *from);

/*
 * The first file that is another one than when it was read, gone, or new among the drop-ins (what stands in files was read by config_read()): *path, which the caller frees. No file
 * is read: a stat() each, and a look into the folder of drop-ins, where it is not known
 * that there is none (CONFIG_ALONE). Without memory all is as it was.
 */
enum config_change { CONFIG_SAME, CONFIG_CHANGED, CONFIG_ADDED, CONFIG_REMOVED };
extern const char *const config_change_words[CONFIG_REMOVED + 1]; /* follow the path */
enum config_change config_compare(const struct config_files *files, unsigned flags, char **path);

/*
 * The names in dir that end with suffix (a name that is nothing else does not count), without hidden ones, in the order of their bytes. A directory that does not exist is empty.
 * dir itself, in or below the directory top of the configuration, is judged as in config_read(). 0 or -ERR_INTERNAL. The caller frees *names with config_list_fini().
 */
int config_list_dir(const char *dir, const char *top, const char *suffix, uid_t owner,
		    struct config_notes *notes, struct config_list *names, struct err *err);

/* Appends a copy of word. 0 or -1: out of memory. */
int config_list_add(struct config_list *list, const char *word);
void config_list_fini(struct config_list *list);

/* Every key of the section becomes its fallback. 0 or -ERR_INTERNAL. strukt must be zeroed or filled before. */
int config_defaults(const struct config_section *section, void *strukt, struct err *err);
/* Sets one key from text as it would be written. 0; -ERR_ADMIN: err says what is wrong and what to do; -ERR_INTERNAL. An empty text resets. */
int config_set(const struct config_key *key, void *strukt, const char *text, struct err *err);

/* Frees what the keys of a section own (texts, lists) inside its struct. */
void config_section_fini(const struct config_section *section, void *strukt);
void config_files_fini(struct config_files *files);

/* Appends `Key=value    # origin` lines for --check. */
void config_print_section(struct buf *out, const struct config_section *section, const char *title,
			  const void *strukt, const struct config_origin *origin);

/* "2h" -> ms; -1 when it is not a duration. */
int64_t config_duration(const char *text);
/* Appends "5s", "90min": the largest unit that divides it. */
void config_add_duration(struct buf *out, int64_t ms);
/* The nearest known word within edit distance 2 for "did you mean", or NULL. */
const char *config_nearest(const char *word, const char *const *known, size_t n);

#endif
