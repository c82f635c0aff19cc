/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a service manager connects from to read a credential (systemd.exec(5), LoadCredential=): the abstract address
 * "\0HEX/unit/UNIT/ID", with a random number, the unit and the id of the credential, which is
 * CREDENTIAL.FIELD here. Strangers' bytes: pure, and strict.
 */
#ifndef FRONT_LOAD_ADDRESS_H
#define FRONT_LOAD_ADDRESS_H

#include <stddef.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/err.h"

/* What of a token is asked for. */
enum load_field { LOAD_TOKEN, LOAD_URL, LOAD_JSON, LOAD_ENV, LOAD_FIELDS };

struct load_address {
	enum load_field field;
	char unit[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	char credential[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

/*
 * size: as the kernel gave it, so that it ends the name. 0; -ERR_INPUT with what is wrong in err, which quotes nothing of it.
 * unit and credential are empty where they could not be read.
 */
int load_address_parse(const struct sockaddr_un *from, size_t size, struct load_address *a,
		       struct err *err);

const char *load_field_name(enum load_field field);

#endif
