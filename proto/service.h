/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Varlink service as tables: interfaces with their descriptions and methods. Resolving a call (unknown interface, unknown method, not
 * built yet, ExpectedMore, InvalidParameter) and org.varlink.service itself are the same for every socket and live here.
 */
#ifndef PROTO_SERVICE_H
#define PROTO_SERVICE_H

#include "proto/fields.h"
#include "proto/varlink.h"

enum method_flags {
	METHOD_MORE = 1,      /* needs more */
	METHOD_NOT_BUILT = 2, /* in the interface description, answered with MethodNotImplemented */
};

struct varlink_method {
	const char *name;            /* without the interface */
	const struct fields *params; /* NULL: takes none */
	unsigned flags;
	/* caller: as given to service_dispatch(); params: the decoded struct, valid during the call only (its texts: as long as the message) */
	void (*run)(void *caller, const struct varlink_call *call, const void *params);
};

struct varlink_interface {
	const char *name;
	const char *description; /* the .varlink file */
	const struct varlink_method *methods;
	size_t n_methods;
};

struct service {
	const char *vendor, *product, *version, *url;
	const struct varlink_interface *const
		*interfaces; /* without org.varlink.service, which is always there */
	size_t n_interfaces;
};

/*
 * Either runs a method (true), which answers by itself now or later, or appends a complete reply or error to out (false). False with nothing
 * appended: the call breaks the protocol (a fraction or exponent where an integer belongs), close the connection. A oneway call is
 * answered like any other here; not sending it is the connection's work.
 * The biggest params struct may be SERVICE_PARAMS_MAX bytes (asserted).
 */
enum { SERVICE_PARAMS_MAX = 512 };
bool service_dispatch(const struct service *s, const struct varlink_call *call, void *caller,
		      struct buf *out);

/* The descriptions, made from the .varlink files at build time (proto/descriptions.c). */
extern const char broker_description[], manager_description[], service_description[],
	systemd_description[];

#endif
