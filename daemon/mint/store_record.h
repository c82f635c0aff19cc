/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one record of the store says, before it is sealed: a JSON object out of one table of fields. Times are BOOTTIME with the boot's id and both clocks beside them, so that
 * another boot can compute them anew from the wall clock. A number that is 0, a false and a text that is not there are left out. An unknown member is refused: a change of meaning
 * needs a new format version, and what cannot be read whole must not be written back shortened.
 */
#ifndef MINT_STORE_RECORD_H
#define MINT_STORE_RECORD_H

#include "daemon/mint/store.h"

/* Texts of any kind are at most this long, tokens and secrets of "import" their own. */
enum { STORE_TEXT_MAX = 8 * 1024, STORE_TOKEN_MAX = 16 * 1024, STORE_SECRET_MAX = 64 * 1024 };
/* The longest payload of any record, and what a RESULT may at most need more than the record of the same credential before: two tokens, each byte escaped, and what stands beside them. */
enum { STORE_PAYLOAD_MAX = 1024 * 1024, STORE_RESULT_MAX = 4 * STORE_TOKEN_MAX + 32 * 1024 };

enum store_kind {
	STORE_KIND_CREDENTIAL, /* everything but what "import" gave for "stored:" */
	STORE_KIND_SECRETS,    /* that */
	STORE_KIND_SUSPECT,    /* the store was found to be suspect; it stays so until it is adopted */
	STORE_KINDS
};

/* When and where: boot_id "" is no boot that could be recognised. */
struct store_clock {
	const char *boot_id;
	int64_t now_ms, now_real_ms;
};

/* A record's fields as they are written; decoded in place, texts point into the payload. */
struct store_record {
	int kind;
	const char *name, *boot_id;
	struct opt_int written_ms, written_real_ms;
	struct opt_int generation;
	struct opt_bool disabled;

	const char *access_token, *origin;
	struct opt_int token_generation, issued_ms, life_ms, deadline_ms, vouched_ms,
		deadline_real_ms;
	int source;
	struct opt_bool unchanged;
	const char *instance_url, *token_type, *scope, *identity_url, *organization_id, *user_id,
		*username;
	struct opt_int expires_in_ms, jwt_exp_s, jwt_iat_s, issued_at_real_ms, sent_ms;

	const char *refresh_token, *refresh_origin, *base_url;
	struct opt_int number, used_ms;
	struct opt_bool rotates, refused;

	int spend;
	struct opt_int spent_ms, spent_real_ms, replays;

	struct opt_int learned_ms, learned_death_ms, next_check_ms;
	struct int_list requests;
	struct opt_int told_states, told_generation, told_token, told_certificate_s,
		told_certificate_days;

	const char *secrets[STORED_SECRETS];
	const char *why;
};

/* Appends the payload of an entry. 0, -ERR_INPUT (a text is too long, or a secret is not text; the field is named), -ERR_INTERNAL. */
int store_record_encode(const struct stored *e, enum store_kind kind,
			const struct store_clock *clock, struct buf *out, struct err *err);
/* The payload of a SUSPECT record. */
int store_record_encode_why(const char *why, const struct store_clock *clock, struct buf *out,
			    struct err *err);

/* Reads a payload in place (it is changed). 0 or negative: no record of this format. */
int store_record_decode(char *text, size_t size, struct store_record *out, struct err *err);
/* Puts what a CREDENTIAL or SECRETS record says in the place of what e says; the name stays. An INTENT becomes UNKNOWN. 0 or -ERR_INTERNAL (e is as before). */
int store_record_apply(const struct store_record *r, const struct store_clock *clock,
		       struct stored *e, struct err *err);

/* Frees what an entry owns, but the entry. */
void store_record_fini(struct stored *e);

#endif
