/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Varlink (https://varlink.org/Method-Call): NUL-terminated JSON objects. Pure: bytes in any pieces become checked calls or replies, and
 * back. Who reads the socket is somebody else (daemon/common/connection, client/libsftoken).
 */
#ifndef PROTO_VARLINK_H
#define PROTO_VARLINK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "proto/json.h"

enum { VARLINK_MESSAGE_MAX = 64 * 1024 }; /* bytes of one call or reply, the NUL included */

struct varlink_call {
	const char *method;           /* in the message */
	struct json_value parameters; /* start NULL: absent, null or {} alike */
	bool more;
	bool oneway;
};

struct varlink_reply {
	const char *error;            /* NULL: success */
	struct json_value parameters; /* start NULL: none */
	bool continues;
};

/*
 * Finds the first complete message in bytes[0..len). Returns its length without the NUL, or -1 when there is none yet, or -2 when
 * VARLINK_MESSAGE_MAX bytes hold no NUL (then the connection must be closed).
 * *scanned (in/out, starts at 0) remembers how far was looked, so that a slow sender costs linear time.
 */
long varlink_frame(const char *bytes, size_t len, size_t *scanned);

/*
 * Checks and decodes one message in place. Returns 0 or -ERR_PROTOCOL: the connection must be closed (interfaces.md 1 rule 3: malformed JSON, not an
 * object, duplicate key, a key without a dot that is not method/parameters/more/oneway/upgrade, upgrade:true, more with oneway, ...).
 * A key with a dot is ignored (vendor extension). method must be a string of the form interface.Method.
 */
int varlink_parse_call(char *message, size_t len, struct varlink_call *call, struct err *err);
int varlink_parse_reply(char *message, size_t len, struct varlink_reply *reply, struct err *err);

/* Splits "a.b.C" into interface length and method name; false if it is not of that form. */
bool varlink_split_method(const char *method, size_t *interface_len, const char **name);

/* --- writing; each appends one whole message with its NUL --- */

void varlink_add_call(struct buf *out, const char *method, const char *parameters_json,
		      size_t parameters_size, bool more, bool oneway);

/* `{"parameters":` ... `}` NUL around what is written between the two. continues is written only when true. */
void varlink_begin_reply(struct buf *out);
void varlink_end_reply(struct buf *out, bool continues);

/* `{"error":"name","parameters":` ... ; name must need no escaping. End with varlink_end_reply(out, false). */
void varlink_begin_error(struct buf *out, const char *name);

/* org.varlink.service errors with their one parameter. */
void varlink_add_method_not_found(struct buf *out, const char *method);
void varlink_add_method_not_implemented(struct buf *out, const char *method);
void varlink_add_interface_not_found(struct buf *out, const char *interface, size_t interface_len);
void varlink_add_invalid_parameter(struct buf *out, const char *parameter);
void varlink_add_permission_denied(struct buf *out);
void varlink_add_expected_more(struct buf *out);

#endif
