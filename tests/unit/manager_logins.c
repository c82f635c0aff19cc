/* SPDX-License-Identifier: Apache-2.0 */
/* Logins that only remember what was asked of them, for tests of the Manager's face. */
#include "tests/unit/manager_logins.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/manager_fixture.h"

struct logins {
	struct login_handlers handlers;
};

struct login {
	unsigned number;
	struct login_order order;
	struct login_reply reply;
};

struct manager_logins manager_logins;
static struct logins the_logins;
static struct login logins[8];

struct logins *logins_new(const struct login_handlers *handlers, struct err *err)
{
	(void)err;
	memset(&manager_logins, 0, sizeof manager_logins);
	memset(logins, 0, sizeof logins);
	the_logins.handlers = *handlers;
	return &the_logins;
}

size_t logins_count(const struct logins *all)
{
	(void)all;
	return manager_logins.started;
}

void logins_free(struct logins *all)
{
	(void)all;
}

int login_flow_of(const struct credential *c, int flow)
{
	if (c->grant_type != GRANT_REFRESH_TOKEN)
		return -1;
	return flow < 0 ? LOGIN_WEB_SERVER : flow == LOGIN_USER_AGENT ? -1 : flow;
}

bool login_redirect_allowed(const struct credential *c, const char *uri)
{
	(void)c;
	return strcmp(uri, "http://localhost:1717/OauthRedirect") == 0;
}

struct login *login_start(struct logins *all, const struct login_order *order, struct err *err)
{
	static const char *const ids[] = { "L1", "L2", "L3", "L4", "L5", "L6", "L7", "L8" };
	struct login *l = &logins[manager_logins.started];

	(void)all;
	if (manager_logins.err.code) {
		*err = manager_logins.err;
		return NULL;
	}
	l->reply.login_id = ids[manager_logins.started++];
	l->order = *order;
	l->order.redirect_uri = NULL;
	return l;
}

struct login *logins_find(struct logins *all, const char *id)
{
	(void)all;
	for (unsigned i = 0; i < manager_logins.started; i++)
		if (strcmp(logins[i].reply.login_id, id) == 0 &&
		    logins[i].reply.state == LOGIN_PENDING)
			return &logins[i];
	return NULL;
}

uid_t login_uid(const struct login *l)
{
	return l->order.uid;
}

const struct credential *login_credential(const struct login *l)
{
	return &l->order.keeper->credential;
}

int login_complete(struct login *l, const struct secret *url, struct err *err)
{
	(void)l;
	snprintf(manager_logins.completed, sizeof manager_logins.completed, "%s",
		 secret_bytes(url));
	if (manager_logins.status < 0)
		*err = manager_logins.err;
	return manager_logins.status;
}

void login_cancel(struct login *l, const char *why)
{
	manager_logins.cancelled++;
	l->reply.state = LOGIN_CANCELLED;
	l->reply.message = why;
	the_logins.handlers.ended(l, the_logins.handlers.arg);
}

void logins_keeper_gone(struct logins *all, struct keeper *old, struct keeper *new, const char *why)
{
	(void)all;
	(void)old;
	(void)new;
	(void)why;
	manager_logins.gone++;
}

void login_describe(const struct login *l, struct login_reply *out)
{
	*out = l->reply;
}

void manager_login_offer(unsigned number, const char *url)
{
	struct login *l = &logins[number - 1];

	l->reply.authorization_url = url;
	l->reply.expires_at = (struct opt_int){ 1800000300, true };
	the_logins.handlers.offered(l, the_logins.handlers.arg);
}

void manager_login_end(unsigned number, int state, const char *message)
{
	struct login *l = &logins[number - 1];

	l->reply = (struct login_reply){ .login_id = l->reply.login_id,
					 .state = state,
					 .message = message };
	the_logins.handlers.ended(l, the_logins.handlers.arg);
}

const struct login_order *manager_login_order(unsigned number)
{
	return &logins[number - 1].order;
}
