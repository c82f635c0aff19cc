/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials whose grants carry something of others, or whose server is not Salesforce: "grant=saml_bearer assertion=TEXT|file:PATH", "grant=token_exchange subject=...", "issuer=URL". */
#include <string.h>

#include "proto/messages.h"
#include "tests/scenario/world.h"

bool world_flow_word(struct world_flow *f, const char *key, const char *value)
{
	if (strcmp(key, "grant") == 0 && strcmp(value, "saml_bearer") == 0)
		f->grant_type = GRANT_SAML_BEARER;
	else if (strcmp(key, "grant") == 0 && strcmp(value, "token_exchange") == 0)
		f->grant_type = GRANT_TOKEN_EXCHANGE;
	else if (strcmp(key, "assertion") == 0)
		f->assertion = value;
	else if (strcmp(key, "subject") == 0)
		f->subject = value;
	else if (strcmp(key, "issuer") == 0)
		f->issuer = value;
	else
		return false;
	return true;
}

/* What is no reference is the value itself, as the store would hold it. */
static void refer(const char *text, char **ref, struct secret **value)
{
	bool file = text && strncmp(text, "file:", 5) == 0;

	if (!text)
		return;
	*ref = strdup(file ? text : "stored:");
	*value = file ? NULL : secret_new(text, strlen(text));
}

void world_flow_shape(const struct world_flow *f, struct credential *c)
{
	if (f->grant_type) {
		c->grant_type = f->grant_type;
		c->username = c->username ? c->username : strdup("etl@example.com");
	}
	refer(f->assertion, &c->assertion_ref, &c->assertion);
	refer(f->subject, &c->subject_token_ref, &c->subject_token);
	if (!f->issuer)
		return;
	c->issuer = strdup(f->issuer);
	free(c->login_url);
	c->login_url = strdup(f->issuer);
}
