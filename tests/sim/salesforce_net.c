/* SPDX-License-Identifier: Apache-2.0 */
/* The way to Salesforce and back: what a request and its answer meet. */
#include <stdio.h>
#include <string.h>

#include "tests/sim/salesforce_parts.h"

enum fate {
	ARRIVES,
	REFUSED_BUSY,
	REFUSED_MANY,
	REFUSED_RATE,
	REFUSED_ODD, /* an OAuth error that passes */
	PAGE_BEFORE, /* a gateway's page, and nothing was done */
	PAGE_AFTER,  /* ... although it was done */
	LOST_BEFORE,
	LOST_AFTER,
	CUT,
	LATE,
	FATES
};

static enum fate any_of(const enum fate *fates, size_t n)
{
	return fates[sim_below(n)];
}

#define ANY_OF(...) \
	any_of((const enum fate[]){ __VA_ARGS__ }, \
	       sizeof((const enum fate[]){ __VA_ARGS__ }) / sizeof(enum fate))

static enum fate fate_now(void)
{
	switch (sf.trouble) {
	case SF_BUSY:
		return ANY_OF(REFUSED_BUSY, REFUSED_BUSY, REFUSED_BUSY, REFUSED_MANY, REFUSED_RATE,
			      REFUSED_ODD);
	case SF_GATEWAY:
		return ANY_OF(PAGE_BEFORE, PAGE_BEFORE, PAGE_AFTER, REFUSED_BUSY);
	case SF_SILENT:
		return ANY_OF(LOST_BEFORE, LOST_AFTER, CUT);
	case SF_SLOW:
		return ANY_OF(LATE, LATE, ARRIVES, LOST_AFTER);
	default:
		break;
	}
	if (sf.noise && sim_below(1000000) < sf.noise)
		return (enum fate)sim_below(FATES);
	return ARRIVES;
}

static void page(struct sf_reply *reply)
{
	static const long statuses[] = { 500, 502, 504, 200 };

	reply->status = statuses[sim_below(4)];
	reply->content_type = "text/html";
	reply->size = (size_t)snprintf(reply->body, sizeof reply->body,
				       "<html><body>Bad Gateway</body></html>");
	reply->answered = false;
}

static void refuse(enum fate fate, struct sf_reply *reply)
{
	if (fate == REFUSED_BUSY)
		sf_write_error(reply, 503, "temporarily_unavailable", "try again");
	else if (fate == REFUSED_MANY)
		sf_write_error(reply, 429, "temporarily_unavailable", "too many requests");
	else if (fate == REFUSED_RATE)
		sf_write_error(reply, 400, "invalid_grant", "login rate exceeded");
	else
		sf_write_error(reply, 400, "unknown_error", "retry your request");
	if (fate <= REFUSED_MANY && sim_once_in(2))
		reply->retry_after_ms = sim_between(1, sim_once_in(8) ? 3600 : 90) * 1000;
	reply->answered = true;
}

static void lose(struct sf_reply *reply, const char *problem)
{
	reply->outcome = HTTP_UNKNOWN;
	reply->problem = problem;
	reply->size = 0;
	reply->status = 0;
	reply->answered = reply->complete = reply->death = false;
	reply->date_real_ms = 0;
}

/* libcurl tells an answer that ends too early from a whole one only where its length was said (reliability.md 1.2.11). */
static void cut(struct sf_reply *reply)
{
	reply->size = sim_below(reply->size);
	reply->body[reply->size] = '\0';
	if (sim_once_in(2)) {
		reply->outcome = HTTP_UNKNOWN;
		reply->problem = "cut off";
	}
	reply->answered = reply->complete = reply->death = false;
}

/* Before the deadline of an attempt, or after it. */
static void delay(struct sf_reply *reply)
{
	reply->delay_ms = sim_between(2, 25) * 1000;
	if (reply->delay_ms < 15 * SECONDS)
		return;
	lose(reply, "timeout");
	reply->delay_ms = 15 * SECONDS;
}

static void unsent(struct sf_reply *reply)
{
	*reply = (struct sf_reply){ .outcome = HTTP_UNSENT, .content_type = "" };
	reply->problem = sf.trouble == SF_NO_CONNECT ? "connect timeout" : "no such host";
	reply->delay_ms = sf.trouble == SF_NO_CONNECT ? 5 * SECONDS : 20;
}

static void meet(enum fate fate, size_t user, const struct http_request *req,
		 struct sf_reply *reply)
{
	bool done = fate == ARRIVES || fate == PAGE_AFTER || fate == LOST_AFTER || fate == CUT ||
		    fate == LATE;

	if (done)
		sf_answer(user, req, reply);
	reply->complete = done;
	if (fate == LOST_BEFORE || fate == LOST_AFTER)
		lose(reply, "connection reset");
	else if (fate == CUT)
		cut(reply);
	else if (fate == LATE)
		delay(reply);
	else if (fate == PAGE_BEFORE || fate == PAGE_AFTER)
		page(reply);
	else if (!done)
		refuse(fate, reply);
	if (fate == PAGE_AFTER)
		reply->complete = reply->death = false;
}

/* The seconds of the server's clock. */
static int64_t date(void)
{
	return sf_real_ms() / 1000 * 1000;
}

bool sf_connects(struct sf_reply *reply)
{
	bool fails = sf.trouble == SF_NO_NAME || sf.trouble == SF_NO_CONNECT ||
		     (sf.trouble == SF_SILENT && sim_once_in(4)) ||
		     (sf.noise && sim_below(FATES * 1000000) < sf.noise);

	if (fails)
		unsent(reply);
	return !fails;
}

void sf_handle(size_t user, const struct http_request *req, struct sf_reply *reply)
{
	static const char *const names[FATES] = { "arrives",    "busy",        "many",
						  "rate",       "odd",         "page before",
						  "page after", "lost before", "lost after",
						  "cut",        "late" };
	enum fate fate = fate_now();

	*reply = (struct sf_reply){ .outcome = HTTP_ANSWERED,
				    .content_type = "application/json",
				    .problem = "",
				    .date_real_ms = date() };
	reply->delay_ms = sim_between(60, 900);
	meet(fate, user, req, reply);
	sim_note("net: %s of %zu %s%s: %ld %.90s", strrchr(req->url, '/') + 1, user, names[fate],
		 reply->rotated ? ", rotated" : "", reply->status, reply->body);
}
