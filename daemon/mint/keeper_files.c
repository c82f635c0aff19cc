/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assertion= and SubjectToken= belong to somebody who renews them: they are read at each attempt, and what failed is tried again when the file has changed.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/common/look.h"
#include "daemon/mint/keeper_parts.h"

/* What each attempt needs anew; NULL: nothing. value: as it was at the load, or as it was given to the store. */
static const char *reference_of(const struct credential *c, const char **key, struct secret **value)
{
	bool saml = c->grant_type == GRANT_SAML_BEARER;

	*key = saml ? "Assertion" : "SubjectToken";
	*value = saml ? c->assertion : c->subject_token;
	if (saml)
		return c->assertion_ref;
	return c->grant_type == GRANT_TOKEN_EXCHANGE ? c->subject_token_ref : NULL;
}

static bool is_file(const char *ref)
{
	return !strncmp(ref, "file:", 5) || !strncmp(ref, "credential:", 11);
}

/* Only a hint that it is worth reading again; what it is read by is strict. chmod and chown mend it, too. */
static uint64_t look(const char *ref)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	char path[4096 + 300];

	if (!strncmp(ref, "file:", 5))
		snprintf(path, sizeof path, "%s", ref + 5);
	else
		snprintf(path, sizeof path, "%s/%s", folder ? folder : "", ref + 11);
	return look_at(path);
}

int keeper_read_files(struct keeper *k, struct secret **assertion, struct secret **subject_token,
		      struct err *err)
{
	const struct credential *c = k->credential;
	struct secret *value;
	const char *key, *ref = reference_of(c, &key, &value);
	struct secret *read;

	if (!ref)
		return 0;
	if (is_file(ref)) {
		k->file = look(ref);
		read = credential_secret(ref, geteuid(), true, err);
		if (!read)
			return err_prefix(err, "%s=", key);
	} else {
		read = value ? secret_ref(value) : NULL;
	}
	*(c->grant_type == GRANT_SAML_BEARER ? assertion : subject_token) = read;
	return 0;
}

void keeper_look_at_files(struct keeper *k)
{
	struct secret *value;
	const char *key, *ref = reference_of(k->credential, &key, &value);
	uint64_t now;

	if (!ref || !is_file(ref) || k->schedule.trouble == TROUBLE_NONE)
		return;
	now = look(ref);
	if (now == k->file)
		return;
	k->file = now;
	log_event(LOG_LEVEL_INFO, "keeper.file_changed", F_STR("credential", k->credential->name),
		  F_STR("key", key));
	keeper_supplied(k);
}
