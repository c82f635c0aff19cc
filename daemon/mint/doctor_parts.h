/* SPDX-License-Identifier: Apache-2.0 */
/* Between doctor_judge.c and doctor_way.c; nobody else includes this. */
#ifndef MINT_DOCTOR_PARTS_H
#define MINT_DOCTOR_PARTS_H

#include "daemon/mint/doctor_judge.h"

#define CHECK_NETWORK \
	"check host and port of LoginUrl=, the network and the firewall; where a proxy is needed, set Proxy= in [Network] of sftokend.conf"

void doctor_say(struct doctor_finding *out, enum check_outcome outcome, enum check_actor actor,
		const char *format, ...) __attribute__((format(printf, 4, 5)));
void doctor_act(struct doctor_finding *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* As doctor_act(), with the key that names the server: what is said of LoginUrl= concerns Issuer= where that is set. */
void doctor_act_server(struct doctor_finding *out, const struct credential *c, const char *text);

#define OK(...) doctor_say(out, CHECK_OK, ACTOR_NONE, __VA_ARGS__)
#define SKIP(...) doctor_say(out, CHECK_SKIPPED, ACTOR_NONE, __VA_ARGS__)
#define WARN(actor, ...) doctor_say(out, CHECK_WARNING, actor, __VA_ARGS__)
#define FAIL(actor, ...) doctor_say(out, CHECK_FAILED, actor, __VA_ARGS__)

/* "5 min": people want no more of it. */
const char *doctor_span(int64_t seconds, char text[32]);

bool doctor_failed(const struct doctor_facts *f, enum doctor_step step);
/* The token endpoint refuses because of this step: *out says so. */
bool doctor_blamed(const struct doctor_facts *f, enum doctor_step step, struct doctor_finding *out);
/* A text of ours that says what is wrong and what to do (doctor_cut()): of the configuration, the store and the keeper. */
void doctor_fail_with(struct doctor_finding *out, enum check_outcome outcome,
		      enum check_actor actor, const char *text);

/* doctor_way.c */
void doctor_judge_name(const struct doctor_facts *f, struct doctor_finding *out);
void doctor_judge_tls(const struct doctor_facts *f, struct doctor_finding *out);
void doctor_judge_clock(const struct doctor_facts *f, struct doctor_finding *out);
void doctor_judge_host(const struct doctor_facts *f, struct doctor_finding *out);
/* name and tls are judged, and good. */
bool doctor_reached(const struct doctor_facts *f);
/* http.c says "what is wrong: what to check: libcurl's words": the last part, for where the first two are said better. */
const char *doctor_libcurl_words(const char *problem);

#endif
