/* SPDX-License-Identifier: Apache-2.0 */
/* Calls whose reply is looked at as an object, and how its members are printed. */
#ifndef CLI_REPLY_H
#define CLI_REPLY_H

#include "client/cli/cli.h"
#include "client/cli/json.h"

/* One call, its reply as an object that the caller puts; NULL and *status after a complaint. */
struct json_object *ask(const struct cli *cli, struct sftoken *h, const char *method,
			const char *parameters, int *status);
/* The same without a complaint: NULL and *err. */
struct json_object *ask_quietly(struct sftoken *h, const char *method, const char *parameters,
				struct sftoken_err *err);

/* The same within so many milliseconds. */
struct json_object *ask_within(struct sftoken *h, const char *method, const char *parameters,
			       int timeout_ms, struct sftoken_err *err);

/* {"credential": name}; name NULL: {} */
struct json_object *named(const char *credential);

/* A member; NULL or 0: absent or null. */
const char *text_of(struct json_object *o, const char *key);
int64_t int_of(struct json_object *o, const char *key);
/* The array of that name, and how many elements it has; *n is 0 if there is none. */
struct json_object *items_of(struct json_object *o, const char *key, size_t *n);

/* The object on one line; 0 or an exit status. */
int print_plain(struct json_object *o);

/* "title   text": aligned on a terminal, else with a tab between. text NULL or "": "-". */
void print_line(const char *title, const char *text);
/* The same in a colour (an SGR number or NULL). */
void print_coloured(const char *title, const char *text, const char *colour);
/* The same, broken into lines of a terminal's width. */
void print_paragraph(const char *title, const char *text);
void print_when(const char *title, int64_t at_s);
/* One line for each text of an array. */
void print_joined(const char *title, struct json_object *o, const char *key);

#endif
