/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 6749, 7523, 7662 as far as they are not Salesforce's own: forms, the strict reading of answers, and the one table of errors. Home of json-c (after proto/json has
 * checked the bytes), and oauth_encode.c that of SHA-256 and base64url from OpenSSL. No I/O.
 */
#ifndef MINT_OAUTH_H
#define MINT_OAUTH_H

#include "base/buf.h"
#include "daemon/common/config.h"
#include "daemon/mint/exchange.h"

/* Appends name=value to a form body, percent-encoded (application/x-www-form-urlencoded, RFC 6749 appendix B). */
void oauth_form_add(struct buf *form, const char *name, const char *value, size_t size);

/* Appends bytes in that encoding. */
void oauth_form_encode(struct buf *out, const char *bytes, size_t size);

/* base64url without padding (RFC 4648 5), and base64 with it (4). They append. */
void oauth_base64url(struct buf *out, const void *bytes, size_t size);
void oauth_base64(struct buf *out, const void *bytes, size_t size);

/* Appends the bytes that base64url text without padding stands for. 0, or -1: it is no such text, or there is no room. */
int oauth_base64url_decode(const char *text, size_t size, struct buf *out);

/* 0, or -1: OpenSSL is out of memory. */
enum { OAUTH_SHA256_SIZE = 32 };
int oauth_sha256(const void *bytes, size_t size, unsigned char digest[OAUTH_SHA256_SIZE]);

/*
 * The answer of the token endpoint (facts: reliability.md 1.2.12): 200 with one strict JSON object, access_token of 1..16 KiB printable ASCII without spaces,
 * token_type Bearer in any case, of grants that spend one an optional refresh_token (same rules as access_token), instance_url https (or loopback literal) inside allowed hosts, expires_in 1..86400 else absent.
 * instance_url: what it is where the server does not say; NULL: it must. Returns a new grant, or NULL and fills *problem.
 */
struct grant *oauth_read_token(const struct http_response *res, int grant_type,
			       const struct config_list *allowed_hosts, const char *instance_url,
			       struct problem *problem);

/*
 * The same of the user-agent flow (RFC 6749 4.2.2): members of a fragment, decoded; NULL: not there. As strict as oauth_read_token(), and id must be there, because whose token it is
 * gets compared with it.
 */
struct oauth_fragment {
	const char *access_token, *token_type, *instance_url, *id, *scope, *expires_in, *issued_at;
};
struct grant *oauth_read_fragment(const struct oauth_fragment *f,
				  const struct config_list *allowed_hosts, int64_t now_ms,
				  struct problem *problem);

/* Fills *problem from what the authorization endpoint said instead (RFC 6749 4.1.2.1): error, error_description (NULL: none). */
void oauth_classify_redirect(int grant_type, const char *error, const char *description,
			     struct problem *problem);

/* Whether each request of this grant spends the token that it carries. */
bool oauth_spends(int grant_type);

/*
 * The next refresh token out of an answer with status 200 that cannot be used: damaged, cut off, too long, of another type, or for a host that is not allowed. There must be exactly
 * one member "refresh_token" on the first level of the object, complete with its closing quote, and a text as tokens are; with the least doubt there is none. The caller's; NULL: none,
 * or out of memory. The body is not changed.
 */
struct secret *oauth_salvage_refresh(const struct http_response *res);

/* RFC 7662. active -1: could not be read (problem filled). exp_s 0: none. */
struct introspection {
	int active;
	int64_t exp_s, iat_s;
	char username[128];
};
void oauth_read_introspection(const struct http_response *res, struct introspection *out,
			      struct problem *problem);

/* Copies words of a server for people: without control bytes, bytes beyond ASCII, and words that look like tokens; cut to fit. */
void oauth_clean(char *to, size_t room, const char *from);

/* Fills *problem from any answer that is not a token: the table of (grant, error, text) -> class. */
void oauth_classify(const struct http_response *res, int grant_type, struct problem *problem);

/* Fills *problem from a row of the table that is no OAuth error but a situation ("#json"); detail: in words, NULL: none. */
void oauth_situation(const struct http_response *res, int grant_type, const char *situation,
		     const char *detail, struct problem *problem);

/* The answer that begins a device flow (RFC 8628 3.2). Codes and pages are printable ASCII, pages https (or loopback); what the server does not say is 5 s and 600 s. */
struct oauth_device {
	struct secret *device_code;
	char *user_code, *verification_uri,
		*verification_uri_complete; /* the last one may be NULL */
	int64_t expires_in_ms, interval_ms;
};
/* false: *problem says what came instead, and there is nothing in *out. */
bool oauth_read_device(const struct http_response *res, struct oauth_device *out,
		       struct problem *problem);
void oauth_device_fini(struct oauth_device *d);

/* One row of the table, for tests and sftokend(8). description: lower case substring, NULL: any. */
struct oauth_error_row {
	int grant_type; /* -1: any */
	const char *error, *description;
	enum problem_class class;
	int state;            /* enum state that it leads to */
	int broker_error;     /* enum broker_error */
	int exit_status;      /* of sftoken */
	const char *sentence; /* for a person: what is wrong and what to do */
};
extern const struct oauth_error_row oauth_errors[];
extern const size_t oauth_n_errors;
const struct oauth_error_row *oauth_error_find(int grant_type, const char *error,
					       const char *description);

#endif
