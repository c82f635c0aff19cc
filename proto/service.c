/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/service.h"

#include <assert.h>
#include <string.h>

#define SERVICE_INTERFACE "org.varlink.service"

struct interface_call {
	const char *interface;
};

static const struct field interface_fields[] = {
	{ "interface", FIELD_TEXT, 0, AT(struct interface_call, interface), 0, 0, NULL },
};
static const struct fields interface_table = FIELDS(interface_fields, struct interface_call);
static const struct fields no_fields = { NULL, 0, 0 };

/* --- org.varlink.service --- */

static void add_member(struct buf *out, const char *key, const char *value)
{
	json_key(out, key);
	json_add_text(out, value);
}

static void add_info(const struct service *s, struct buf *out)
{
	size_t i;

	varlink_begin_reply(out);
	json_begin_object(out);
	add_member(out, "vendor", s->vendor);
	add_member(out, "product", s->product);
	add_member(out, "version", s->version);
	add_member(out, "url", s->url);
	json_key(out, "interfaces");
	json_begin_array(out);
	json_add_text(out, SERVICE_INTERFACE);
	for (i = 0; i < s->n_interfaces; i++)
		json_add_text(out, s->interfaces[i]->name);
	json_end_array(out);
	json_end_object(out);
	varlink_end_reply(out, false);
}

static const struct varlink_interface *find_interface(const struct service *s, const char *name,
						      size_t len)
{
	size_t i;

	for (i = 0; i < s->n_interfaces; i++)
		if (strncmp(s->interfaces[i]->name, name, len) == 0 &&
		    s->interfaces[i]->name[len] == '\0')
			return s->interfaces[i];
	return NULL;
}

static void add_description(const struct service *s, const char *name, struct buf *out)
{
	const struct varlink_interface *interface = find_interface(s, name, strlen(name));
	const char *text = interface ? interface->description : NULL;

	if (strcmp(name, SERVICE_INTERFACE) == 0)
		text = service_description;
	if (!text) {
		varlink_add_interface_not_found(out, name, strlen(name));
		return;
	}
	varlink_begin_reply(out);
	json_begin_object(out);
	add_member(out, "description", text);
	json_end_object(out);
	varlink_end_reply(out, false);
}

/* False when the call cannot go on; then the answer is written (or nothing is, for a call that breaks the protocol). */
static bool decode(const struct fields *f, const struct varlink_call *call, void *params,
		   struct buf *out)
{
	const char *bad = NULL;
	int r = fields_decode(f, call->parameters, UNKNOWN_REFUSE, params, &bad, NULL);

	if (r == -ERR_INPUT)
		varlink_add_invalid_parameter(out, bad);
	return r == 0;
}

static void run_service(const struct service *s, const char *name, const struct varlink_call *call,
			struct buf *out)
{
	struct interface_call params;

	if (strcmp(name, "GetInfo") == 0) {
		if (decode(&no_fields, call, &params, out))
			add_info(s, out);
	} else if (strcmp(name, "GetInterfaceDescription") == 0) {
		if (decode(&interface_table, call, &params, out))
			add_description(s, params.interface, out);
	} else {
		varlink_add_method_not_found(out, call->method);
	}
}

/* --- the interfaces of the program --- */

static const struct varlink_method *find_method(const struct varlink_interface *interface,
						const char *name)
{
	size_t i;

	for (i = 0; i < interface->n_methods; i++)
		if (strcmp(interface->methods[i].name, name) == 0)
			return &interface->methods[i];
	return NULL;
}

static bool run_method(const struct varlink_method *method, const struct varlink_call *call,
		       void *caller, struct buf *out)
{
	_Alignas(max_align_t) char params[SERVICE_PARAMS_MAX];
	const struct fields *f = method->params ? method->params : &no_fields;

	assert(f->size <= sizeof(params));
	if (!decode(f, call, params, out))
		return false;
	method->run(caller, call, method->params ? params : NULL);
	return true;
}

bool service_dispatch(const struct service *s, const struct varlink_call *call, void *caller,
		      struct buf *out)
{
	const struct varlink_interface *interface;
	const struct varlink_method *method;
	const char *name;
	size_t len;

	if (!varlink_split_method(call->method, &len, &name))
		return false;
	if (len == strlen(SERVICE_INTERFACE) && memcmp(call->method, SERVICE_INTERFACE, len) == 0) {
		run_service(s, name, call, out);
		return false;
	}
	interface = find_interface(s, call->method, len);
	if (!interface) {
		varlink_add_interface_not_found(out, call->method, len);
		return false;
	}
	method = find_method(interface, name);
	if (!method)
		varlink_add_method_not_found(out, call->method);
	else if (method->flags & METHOD_NOT_BUILT)
		varlink_add_method_not_implemented(out, call->method);
	else if ((method->flags & METHOD_MORE) && !call->more)
		varlink_add_expected_more(out);
	else
		return run_method(method, call, caller, out);
	return false;
}
