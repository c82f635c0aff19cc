/* SPDX-License-Identifier: Apache-2.0 */
/* A packet on the link and on the control channel: what is decoded encodes to a packet that decodes, and encodes, the same. */
#include "fuzz.h"

#include "proto/link_messages.h"

enum { ROOM = 8 * PACKET_MAX };

static void check_link(const char *bytes, size_t size)
{
	char *packet = fuzz_copy(bytes, size), *again;
	struct buf first, second;
	struct link_message m;
	struct err err;

	buf_init(&first, ROOM);
	buf_init(&second, ROOM);
	if (link_decode(packet, size, &m, &err) < 0) {
		MUST(err.code == ERR_PROTOCOL);
	} else {
		MUST(m.type < LINK_TYPES);
		link_encode(&m, &first);
		again = fuzz_copy(first.data, first.len);
		MUST(link_decode(again, first.len, &m, NULL) == 0);
		link_encode(&m, &second);
		MUST(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
		free(again);
	}
	free(packet);
	buf_fini(&first);
	buf_fini(&second);
}

static void check_control(const char *bytes, size_t size)
{
	char *packet = fuzz_copy(bytes, size), *again;
	struct buf first, second;
	struct control_message m;
	struct err err;

	buf_init(&first, ROOM);
	buf_init(&second, ROOM);
	if (control_decode(packet, size, &m, &err) < 0) {
		MUST(err.code == ERR_PROTOCOL);
	} else {
		MUST(m.type < CONTROL_TYPES);
		control_encode(&m, &first);
		again = fuzz_copy(first.data, first.len);
		MUST(control_decode(again, first.len, &m, NULL) == 0);
		control_encode(&m, &second);
		MUST(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
		free(again);
	}
	free(packet);
	buf_fini(&first);
	buf_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > PACKET_MAX)
		return 0;
	check_link((const char *)data, size);
	check_control((const char *)data, size);
	return 0;
}
