/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between publish.c and publish_messages.c; nobody else includes this.
 */
#ifndef MINT_PUBLISH_PARTS_H
#define MINT_PUBLISH_PARTS_H

#include "daemon/common/link.h"
#include "daemon/mint/publish.h"

/* Each returns what link_send() does. */
int publish_send_rules(struct link_end *e, struct registry *registry, uid_t service_uid,
		       uid_t manager_uid);
/* Everything about one credential that the front has not been told. */
int publish_send_credential(struct link_end *e, struct keeper *k);

#endif
