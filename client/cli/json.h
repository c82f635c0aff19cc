/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json-c, loaded when a command needs it. `sftoken get` runs before every job and needs none: linking the library would cost it a third of its time (docs/performance.md).
 */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <stdbool.h>

#include <json-c/json.h>

/* Every function of json-c that the commands use. */
#define JSON_FUNCTIONS(F) \
	F(object_new_object) \
	F(object_new_array) \
	F(object_new_string) \
	F(object_new_int) \
	F(object_new_int64) \
	F(object_new_boolean) \
	F(object_object_add) \
	F(object_object_get) \
	F(object_object_get_ex) \
	F(object_array_length) \
	F(object_array_get_idx) \
	F(object_array_add) \
	F(object_get) \
	F(object_put) \
	F(object_get_string) \
	F(object_get_int64) \
	F(object_get_boolean) \
	F(object_to_json_string) \
	F(object_to_json_string_ext) \
	F(tokener_parse)

struct json_functions {
#define JSON_MEMBER(name) __typeof__(json_##name) *name;
	JSON_FUNCTIONS(JSON_MEMBER)
#undef JSON_MEMBER
};

/* Filled by json_open(). */
extern struct json_functions json;

/* Loads json-c; false without a word: it is not there. May be called again. */
bool json_find(void);
/* The same; 0, or an exit status after a complaint. */
int json_open(void);

#endif
