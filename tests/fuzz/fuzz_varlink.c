/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of bytes, cut into two pieces at a place that the first byte names: the frames do not depend on the cut; each is parsed as call and
 * as reply; parameters go through the table of every message. What was decoded and encoded decodes and encodes the same.
 */
#include "fuzz.h"

#include "proto/messages.h"
#include "proto/service.h"

static const struct fields *const tables[] = {
	&token_fields_table, &credential_info_table, &get_token_table, &credential_call_table, &credential_required_table, &report_rejected_table,
	&report_rejected_reply_table, &list_credentials_table, &refresh_table, &refresh_reply_table, &set_enabled_table, &reload_reply_table,
	&listener_info_table, &status_reply_table, &event_reply_table, &configuration_invalid_table, &set_log_level_table,
};

enum { N_TABLES = sizeof(tables) / sizeof(tables[0]) };

/* Decodes a copy of the object and encodes it again. False: it was refused, and the name of the culprit is there. */
static bool translate(const struct fields *f, const char *object, size_t size, enum unknown unknown,
		      struct buf *out)
{
	char *text = fuzz_copy(object, size);
	_Alignas(16) char message[SERVICE_PARAMS_MAX];
	const char *bad = NULL;
	int r;

	MUST(f->size <= sizeof(message));
	r = fields_decode(f, json_root(text, size), unknown, message, &bad, NULL);
	MUST(r == 0 || ((r == -ERR_INPUT || r == -ERR_PROTOCOL) && bad));
	if (r == 0)
		fields_encode(f, message, out);
	free(text);
	return r == 0;
}

static void check_table(const struct fields *f, struct json_value parameters)
{
	size_t size = (size_t)(parameters.end - parameters.start);
	struct buf first, second;

	buf_init(&first, 16 * VARLINK_MESSAGE_MAX);
	buf_init(&second, 16 * VARLINK_MESSAGE_MAX);
	if (translate(f, parameters.start, size, UNKNOWN_IGNORE, &first)) {
		MUST(json_check(first.data, first.len, JSON_DEPTH_MAX, NULL) == 0);
		MUST(translate(f, first.data, first.len, UNKNOWN_REFUSE, &second));
		MUST(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
	}
	buf_fini(&first);
	buf_fini(&second);
}

static void ran(void *caller, const struct varlink_call *call, const void *params)
{
	(void)call;
	(void)params;
	++*(unsigned *)caller;
}

static const struct varlink_method methods[] = {
	{ "GetToken", &get_token_table, 0, ran },
	{ "WatchToken", &credential_call_table, METHOD_MORE, ran },
	{ "ReportRejected", &report_rejected_table, 0, ran },
	{ "ListCredentials", NULL, METHOD_NOT_BUILT, NULL },
	{ "GetCredential", NULL, 0, ran },
};
static const struct varlink_interface broker = { BROKER_INTERFACE, broker_description, methods, 5 };
static const struct varlink_interface *const interfaces[] = { &broker };
static const struct service service = { "v", "p", "1", "u", interfaces, 1 };

/* A call either runs one method, or is answered by one message, or closes the connection. */
static void check_dispatch(const struct varlink_call *call)
{
	struct varlink_reply reply;
	unsigned runs = 0;
	struct buf out;
	bool run;

	buf_init(&out, 8 * VARLINK_MESSAGE_MAX);
	run = service_dispatch(&service, call, &runs, &out);
	MUST(runs == run && (!run || out.len == 0));
	if (out.len > 0) {
		MUST(!buf_failed(&out) && strlen(out.data) == out.len - 1);
		MUST(varlink_parse_reply(out.data, out.len - 1, &reply, NULL) == 0);
	}
	buf_fini(&out);
}

static void check_message(const char *bytes, size_t size)
{
	char *text = fuzz_copy(bytes, size);
	struct varlink_call call;
	struct varlink_reply reply;
	size_t i;

	if (varlink_parse_call(text, size, &call, NULL) == 0) {
		MUST(strchr(call.method, '.') && !(call.more && call.oneway));
		for (i = 0; call.parameters.start && i < N_TABLES; i++)
			check_table(tables[i], call.parameters);
		check_dispatch(&call);
	}
	memcpy(text, bytes, size);
	if (varlink_parse_reply(text, size, &reply, NULL) == 0)
		MUST(!(reply.error && reply.continues));
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t cut, scanned = 0, start = 0, whole_scanned = 0;
	const char *bytes = (const char *)data + 1;
	long n, whole;

	if (size == 0)
		return 0;
	cut = data[0] < --size ? data[0] : size;
	varlink_frame(bytes, cut, &scanned);
	scanned = scanned <= cut ? scanned : 0;
	for (;;) {
		whole_scanned = 0;
		n = varlink_frame(bytes + start, size - start, &scanned);
		whole = varlink_frame(bytes + start, size - start, &whole_scanned);
		MUST(n == whole && n < VARLINK_MESSAGE_MAX);
		if (n < 0)
			break;
		check_message(bytes + start, (size_t)n);
		start += (size_t)n + 1;
	}
	if (start < size)
		check_message(bytes + start, size - start);
	return 0;
}
