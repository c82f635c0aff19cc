/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/varlink.h"

#include <string.h>

#define SERVICE_ERROR(name) "org.varlink.service." name

long varlink_frame(const char *bytes, size_t len, size_t *scanned)
{
	size_t limit = len < VARLINK_MESSAGE_MAX ? len : VARLINK_MESSAGE_MAX;
	const char *nul = *scanned < limit ? memchr(bytes + *scanned, '\0', limit - *scanned)
					   : NULL;

	if (nul) {
		*scanned = 0;
		return nul - bytes;
	}
	*scanned = limit;
	return len < VARLINK_MESSAGE_MAX ? -1 : -2;
}

enum { A = 1, D = 2, H = 4 }; /* a letter, a digit, a hyphen */

static const unsigned char classes[256] = {
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, H, 0, 0, D, D, D, D, D, D, D, D, D, D, 0, 0, 0, 0, 0, 0,
	0, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, 0, 0, 0, 0, 0,
	0, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, 0, 0, 0, 0, 0,
};

/* The end of the part of a name that begins at p: letters, digits and hyphens. */
static const char *part_end(const char *p)
{
	while (classes[(unsigned char)*p])
		p++;
	return p;
}

bool varlink_split_method(const char *method, size_t *interface_len, const char **name)
{
	const char *part = method, *end = part_end(part);

	while (*end == '.' && end > part) {
		part = end + 1;
		end = part_end(part);
	}
	/* The last part is the name: it begins with a letter and has no hyphen. */
	if (part == method || *end || classes[(unsigned char)*part] != A ||
	    memchr(part, '-', (size_t)(end - part)))
		return false;
	*interface_len = (size_t)(part - method) - 1;
	*name = part;
	return true;
}

/* --- reading --- */

static int refuse(struct err *err, const char *what)
{
	return err_set(err, ERR_PROTOCOL, "malformed Varlink message: %s", what);
}

static int check_object(char *message, size_t len, struct json_value *root, struct err *err)
{
	int r = json_check(message, len, JSON_DEPTH_MAX, err);

	if (r < 0)
		return r;
	*root = json_root(message, len);
	return json_type(*root) == JSON_OBJECT ? 0 : refuse(err, "not an object");
}

static int take_bool(struct json_value value, bool *to, struct err *err)
{
	if (json_type(value) != JSON_BOOL)
		return refuse(err, "a flag that is neither true nor false");
	*to = json_bool(value);
	return 0;
}

static int take_parameters(struct json_value value, struct json_value *to, struct err *err)
{
	enum json_type type = json_type(value);

	if (type != JSON_OBJECT && type != JSON_NULL)
		return refuse(err, "parameters are not an object");
	if (type == JSON_OBJECT)
		*to = value;
	return 0;
}

/* "a.b.C", as the names of methods and errors are. */
static int take_name(struct json_value value, const char **to, struct err *err)
{
	const char *name;
	size_t len;

	if (json_type(value) != JSON_STRING)
		return refuse(err, "a name that is not a string");
	*to = json_text(value, NULL);
	if (!varlink_split_method(*to, &len, &name))
		return refuse(err, "a name that is not of the form interface.Name");
	return 0;
}

static int take_call_member(const char *key, struct json_value value, struct varlink_call *call,
			    bool *upgrade, struct err *err)
{
	if (strcmp(key, "method") == 0)
		return take_name(value, &call->method, err);
	if (strcmp(key, "parameters") == 0)
		return take_parameters(value, &call->parameters, err);
	if (strcmp(key, "more") == 0)
		return take_bool(value, &call->more, err);
	if (strcmp(key, "oneway") == 0)
		return take_bool(value, &call->oneway, err);
	if (strcmp(key, "upgrade") == 0)
		return take_bool(value, upgrade, err);
	return strchr(key, '.') ? 0 : refuse(err, "an unknown key of the call");
}

/* `{}` is the same as no parameters. */
static bool is_empty(struct json_value object)
{
	struct json_iter i = json_iterate(object);
	struct json_value key, value;

	return object.start && !json_next(&i, &key, &value);
}

int varlink_parse_call(char *message, size_t len, struct varlink_call *call, struct err *err)
{
	struct json_value root, key, value;
	struct json_iter i;
	bool upgrade = false;
	int r;

	*call = (struct varlink_call){ 0 };
	r = check_object(message, len, &root, err);
	if (r < 0)
		return r;
	i = json_iterate(root);
	while (json_next(&i, &key, &value)) {
		r = take_call_member(json_text(key, NULL), value, call, &upgrade, err);
		if (r < 0)
			return r;
	}
	if (!call->method)
		return refuse(err, "no method");
	if (upgrade)
		return refuse(err, "upgrade is not offered");
	if (call->more && call->oneway)
		return refuse(err, "more together with oneway");
	if (is_empty(call->parameters))
		call->parameters.start = call->parameters.end = NULL;
	return 0;
}

static int take_reply_member(const char *key, struct json_value value, struct varlink_reply *reply,
			     struct err *err)
{
	if (strcmp(key, "error") == 0)
		return take_name(value, &reply->error, err);
	if (strcmp(key, "parameters") == 0)
		return take_parameters(value, &reply->parameters, err);
	if (strcmp(key, "continues") == 0)
		return take_bool(value, &reply->continues, err);
	return 0; /* a newer server may say more */
}

int varlink_parse_reply(char *message, size_t len, struct varlink_reply *reply, struct err *err)
{
	struct json_value root, key, value;
	struct json_iter i;
	int r;

	*reply = (struct varlink_reply){ 0 };
	r = check_object(message, len, &root, err);
	if (r < 0)
		return r;
	i = json_iterate(root);
	while (json_next(&i, &key, &value)) {
		r = take_reply_member(json_text(key, NULL), value, reply, err);
		if (r < 0)
			return r;
	}
	if (reply->error && reply->continues)
		return refuse(err, "an error that continues");
	return 0;
}

/* --- writing --- */

static void end_message(struct buf *out)
{
	buf_add(out, "}", 2); /* with its NUL */
}

void varlink_add_call(struct buf *out, const char *method, const char *parameters_json,
		      size_t parameters_size, bool more, bool oneway)
{
	json_begin_object(out);
	json_key(out, "method");
	json_add_text(out, method);
	if (parameters_size > 0) {
		json_key(out, "parameters");
		json_add_raw(out, parameters_json, parameters_size);
	}
	if (more) {
		json_key(out, "more");
		json_add_bool(out, true);
	}
	if (oneway) {
		json_key(out, "oneway");
		json_add_bool(out, true);
	}
	end_message(out);
}

void varlink_begin_reply(struct buf *out)
{
	buf_add_text(out, "{\"parameters\":");
}

void varlink_end_reply(struct buf *out, bool continues)
{
	if (continues)
		buf_add_text(out, ",\"continues\":true");
	end_message(out);
}

void varlink_begin_error(struct buf *out, const char *name)
{
	buf_add_text(out, "{\"error\":\"");
	buf_add_text(out, name);
	buf_add_text(out, "\",\"parameters\":");
}

/* key NULL: an error without parameters. */
static void add_service_error(struct buf *out, const char *name, const char *key, const char *value,
			      size_t size)
{
	varlink_begin_error(out, name);
	json_begin_object(out);
	if (key) {
		json_key(out, key);
		json_add_bytes(out, value, size);
	}
	json_end_object(out);
	varlink_end_reply(out, false);
}

void varlink_add_method_not_found(struct buf *out, const char *method)
{
	add_service_error(out, SERVICE_ERROR("MethodNotFound"), "method", method, strlen(method));
}

void varlink_add_method_not_implemented(struct buf *out, const char *method)
{
	add_service_error(out, SERVICE_ERROR("MethodNotImplemented"), "method", method,
			  strlen(method));
}

void varlink_add_interface_not_found(struct buf *out, const char *interface, size_t interface_len)
{
	add_service_error(out, SERVICE_ERROR("InterfaceNotFound"), "interface", interface,
			  interface_len);
}

void varlink_add_invalid_parameter(struct buf *out, const char *parameter)
{
	add_service_error(out, SERVICE_ERROR("InvalidParameter"), "parameter", parameter,
			  strlen(parameter));
}

void varlink_add_permission_denied(struct buf *out)
{
	add_service_error(out, SERVICE_ERROR("PermissionDenied"), NULL, NULL, 0);
}

void varlink_add_expected_more(struct buf *out)
{
	add_service_error(out, SERVICE_ERROR("ExpectedMore"), NULL, NULL, 0);
}
