/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every sentence of io.sftoken.Broker.varlink and architecture.md 7 about what a caller gets, as a
 * row.
 */
#include "daemon/front/judge.h"

#include "tests/unit/check.h"

/* Rows name what differs from the usual. */
#pragma GCC diagnostic ignored "-Woverride-init"

enum { NOW = 10000000, S = 1000, HOUR = 3600 * S };

/* clang-format off */
/* A token of two hours at half of its life. */
#define TOKEN(...)                                                                                                     \
	.token = { .generation = 7, .life_ms = 2 * HOUR, .issued_ms = NOW - HOUR, .deadline_ms = NOW + HOUR, .vouched_ms = NOW - HOUR, \
		   ##__VA_ARGS__ }
#define NO_TOKEN .token = { 0 }
#define LEFT(ms) .deadline_ms = NOW + (ms)
/* A credential in peace, with a mint. */
#define CRED(...) .cred = { .state = STATE_VALID, .linked = true, .problem = -1, ##__VA_ARGS__ }
#define BACKOFF .state = STATE_BACKOFF, .problem = BROKER_UNAVAILABLE
/* A caller who has just come, with no wishes. */
#define ASK(...)                                                                                                      \
	.ask = { .min_valid_ms = -1, .rejected = -1, .start_ms = NOW, .deadline_ms = NOW + 30 * S, .first = true, ##__VA_ARGS__ }
#define GIVES(v) .what = JUDGE_GIVE, .result = VALIDITY_##v
#define WAITS(ms) .what = JUDGE_WAIT, .until_ms = NOW + (ms)
#define FAILS(e) .what = JUDGE_ERROR, .result = BROKER_##e

struct row {
	const char *says;
	struct judge_token token;
	struct judge_credential cred;
	struct judge_ask ask;
	enum judge_what what;
	int result;
	int64_t until_ms, retry_s, max_s;
	bool want, report, miss, alive, of_problem;
};

static const struct row rows[] = {
	/* --- the current token --- */
	{ "a token well inside its life is given at once", TOKEN(), CRED(), ASK(), GIVES(FRESH) },
	{ "exactly 60 s left are enough by default", TOKEN(LEFT(60 * S)), CRED(), ASK(), GIVES(FRESH) },
	{ "59.999 s are not: a renewal may be had for the asking", TOKEN(LEFT(60 * S - 1)), CRED(), ASK(), WAITS(30 * S), .want = true },
	{ "a tenth of the life is enough if that is less", TOKEN(.life_ms = 60 * S, LEFT(6 * S)), CRED(), ASK(), GIVES(FRESH) },
	{ "a little less than a tenth is not", TOKEN(.life_ms = 60 * S, LEFT(6 * S - 1)), CRED(), ASK(), WAITS(5 * S - 1), .want = true },
	{ "the default is no wish: with a renewal under way it waits, but not past the end", TOKEN(LEFT(20 * S)), CRED(.attempt = true), ASK(),
	  WAITS(19 * S) },
	{ "and is then given whatever is left", TOKEN(LEFT(1 * S)), CRED(.attempt = true), ASK(), GIVES(FRESH) },
	{ "when the answer was no renewal, it is given whatever is left", TOKEN(LEFT(20 * S)), CRED(.want_ms = NOW - 1), ASK(.first = false),
	  GIVES(FRESH) },
	{ "waitSeconds 0 never waits for a better one", TOKEN(LEFT(20 * S)), CRED(), ASK(.deadline_ms = NOW), GIVES(FRESH) },
	{ "believed valid in back-off: served", TOKEN(LEFT(20 * S)), CRED(BACKOFF, .retry_at_ms = NOW + 300 * S), ASK(), GIVES(FRESH) },
	{ "believed valid, login required: served", TOKEN(), CRED(.state = STATE_LOGIN_REQUIRED), ASK(), GIVES(FRESH) },
	{ "believed valid and short, login required: served", TOKEN(LEFT(5 * S)), CRED(.state = STATE_LOGIN_REQUIRED), ASK(), GIVES(FRESH) },
	{ "believed valid, suspended: served", TOKEN(), CRED(.state = STATE_SUSPENDED, .problem = BROKER_NOT_SERVED, .permanent = true), ASK(),
	  GIVES(FRESH) },
	{ "disabled serves nothing, valid or not", TOKEN(), CRED(.state = STATE_DISABLED), ASK(), FAILS(NOT_SERVED) },
	{ "without a mint what is believed valid is served", TOKEN(), CRED(.linked = false), ASK(), GIVES(FRESH) },
	{ "also when it is short", TOKEN(LEFT(5 * S)), CRED(.linked = false), ASK(), GIVES(FRESH) },
	{ "another caller's claim: given as reported", TOKEN(.reported = true), CRED(), ASK(), GIVES(REPORTED) },

	/* --- minValidSeconds --- */
	{ "an explicit wish that is met", TOKEN(), CRED(), ASK(.min_valid_ms = HOUR), GIVES(FRESH) },
	{ "an explicit 0 is met by anything alive", TOKEN(LEFT(1)), CRED(), ASK(.min_valid_ms = 0), GIVES(FRESH) },
	{ "longer than the believed life: too short at once", TOKEN(), CRED(), ASK(.min_valid_ms = 2 * HOUR + 1), FAILS(LIFETIME_TOO_SHORT),
	  .max_s = 7200 },
	{ "longer than the life is a mistake that allowStale does not mend", TOKEN(), CRED(), ASK(.min_valid_ms = 3 * HOUR, .allow_stale = true),
	  FAILS(LIFETIME_TOO_SHORT), .max_s = 7200 },
	{ "a wish that a new token could meet starts a renewal", TOKEN(), CRED(), ASK(.min_valid_ms = HOUR + 1), WAITS(30 * S), .want = true,
	  .miss = true },
	{ "the renewal brought the same token: too short with what is left", TOKEN(.unchanged = true), CRED(), ASK(.min_valid_ms = HOUR + 1),
	  FAILS(LIFETIME_TOO_SHORT), .max_s = 3600 },
	{ "or one no better", TOKEN(.issued_ms = NOW, .life_ms = 2 * HOUR), CRED(), ASK(.min_valid_ms = 2 * HOUR, .first = false),
	  FAILS(LIFETIME_TOO_SHORT), .max_s = 3600 },
	{ "an explicit wish waits for the attempt under way", TOKEN(), CRED(.attempt = true), ASK(.min_valid_ms = HOUR + 1), WAITS(30 * S),
	  .want = true, .miss = true },
	{ "unmet in back-off with the next try far away: unavailable", TOKEN(), CRED(BACKOFF, .next_attempt_ms = NOW + 90 * S, .demand_ms = NOW - 1),
	  ASK(.min_valid_ms = HOUR + 1), FAILS(UNAVAILABLE), .retry_s = 90, .miss = true, .of_problem = true },
	{ "unmet with waitSeconds 0: asks the mint and times out", TOKEN(), CRED(), ASK(.min_valid_ms = HOUR + 1, .deadline_ms = NOW),
	  FAILS(TIMED_OUT), .want = true, .miss = true },

	/* --- the same token again --- */
	{ "unchanged: no wish gets it at once, however little is left", TOKEN(.unchanged = true, LEFT(1)), CRED(), ASK(), GIVES(FRESH) },
	{ "unchanged and just vouched for: assumed after its end without allowStale",
	  TOKEN(.unchanged = true, LEFT(-10 * S), .vouched_ms = NOW - 299 * S), CRED(), ASK(), GIVES(ASSUMED) },
	{ "the end itself is the end", TOKEN(.unchanged = true, LEFT(0), .vouched_ms = NOW - 1), CRED(), ASK(), GIVES(ASSUMED) },
	{ "vouched for 300 s ago is too long", TOKEN(.unchanged = true, LEFT(-10 * S), .vouched_ms = NOW - 300 * S), CRED(), ASK(),
	  WAITS(30 * S), .want = true, .miss = true },
	{ "never vouched for", TOKEN(.unchanged = true, LEFT(-10 * S), .vouched_ms = 0), CRED(), ASK(), WAITS(30 * S), .want = true,
	  .miss = true },
	{ "a wish after the end: nothing is left", TOKEN(.unchanged = true, LEFT(-10 * S), .vouched_ms = NOW - 1), CRED(),
	  ASK(.min_valid_ms = 1 * S), FAILS(LIFETIME_TOO_SHORT), .max_s = 0 },
	{ "a wish unmet by an unchanged one, with allowStale", TOKEN(.unchanged = true), CRED(), ASK(.min_valid_ms = HOUR + 1, .allow_stale = true),
	  GIVES(FRESH) },

	/* --- rejectedGeneration --- */
	{ "smaller: already satisfied", TOKEN(), CRED(), ASK(.rejected = 6), GIVES(FRESH) },
	{ "greater: ignored", TOKEN(), CRED(), ASK(.rejected = 8), GIVES(FRESH) },
	{ "equal: the claim is checked and its outcome waited for", TOKEN(), CRED(), ASK(.rejected = 7), WAITS(30 * S), .report = true },
	{ "equal with waitSeconds 0: claimed, and timed out", TOKEN(), CRED(), ASK(.rejected = 7, .deadline_ms = NOW), FAILS(TIMED_OUT),
	  .report = true },
	{ "alive: rejected, and nothing is renewed", TOKEN(),
	  CRED(.verdict_generation = 7, .verdict_ms = NOW, .next_check_ms = NOW + 60 * S, .verdict_alive = true),
	  ASK(.rejected = 7, .claimed_ms = NOW), FAILS(REJECTED), .alive = true, .retry_s = 60 },
	{ "not known: the reporter gets Unavailable until the next check", TOKEN(.reported = true),
	  CRED(.verdict_generation = 7, .verdict_ms = NOW, .next_check_ms = NOW + 60 * S), ASK(.rejected = 7, .claimed_ms = NOW - 5),
	  FAILS(UNAVAILABLE), .retry_s = 60 },
	{ "a verdict from before the claim does not answer it", TOKEN(),
	  CRED(.verdict_generation = 7, .verdict_ms = NOW - 70 * S, .next_check_ms = NOW - 10 * S, .verdict_alive = true),
	  ASK(.rejected = 7, .claimed_ms = NOW - 1), WAITS(30 * S), .report = true },
	{ "within the minute: the next check is waited for if the deadline allows", TOKEN(),
	  CRED(.verdict_generation = 7, .verdict_ms = NOW - 40 * S, .next_check_ms = NOW + 20 * S, .verdict_alive = true), ASK(.rejected = 7),
	  WAITS(30 * S), .report = true },
	{ "else the last result is given", TOKEN(),
	  CRED(.verdict_generation = 7, .verdict_ms = NOW - 10 * S, .next_check_ms = NOW + 50 * S, .verdict_alive = true), ASK(.rejected = 7),
	  FAILS(REJECTED), .alive = true, .retry_s = 50 },
	{ "a verdict about an older generation is none", TOKEN(),
	  CRED(.verdict_generation = 6, .verdict_ms = NOW, .next_check_ms = NOW + 50 * S, .verdict_alive = true), ASK(.rejected = 7),
	  WAITS(30 * S), .report = true },
	{ "who rejects a token does not get it as stale", TOKEN(),
	  CRED(.verdict_generation = 7, .verdict_ms = NOW, .next_check_ms = NOW + 60 * S, .verdict_alive = true),
	  ASK(.rejected = 7, .claimed_ms = NOW, .allow_stale = true), FAILS(REJECTED), .alive = true, .retry_s = 60 },
	{ "no verdict in time", TOKEN(), CRED(), ASK(.rejected = 7, .claimed_ms = NOW - 30 * S, .deadline_ms = NOW), FAILS(TIMED_OUT),
	  .report = true },
	{ "confirmed dead: the reporter waits for the next one like everybody", NO_TOKEN, CRED(.attempt = true), ASK(.rejected = 7),
	  WAITS(30 * S), .want = true, .miss = true },

	/* --- a miss --- */
	{ "nothing there: the mint is asked", NO_TOKEN, CRED(.state = STATE_EMPTY), ASK(), WAITS(30 * S), .want = true, .miss = true },
	{ "an expired token is a miss", TOKEN(LEFT(-1)), CRED(), ASK(), WAITS(30 * S), .want = true, .miss = true },
	{ "one question is out: the next caller joins it", NO_TOKEN, CRED(.state = STATE_EMPTY, .want_pending = true), ASK(), WAITS(30 * S),
	  .miss = true },
	{ "an attempt in flight is waited for", NO_TOKEN, CRED(.state = STATE_MINTING, .attempt = true), ASK(), WAITS(30 * S), .want = true, .miss = true },
	{ "once it is known that somebody waits, the mint is not told by each caller", NO_TOKEN,
	  CRED(.state = STATE_MINTING, .attempt = true, .want_ms = NOW - 999), ASK(), WAITS(30 * S), .miss = true },
	{ "nor by one who has said so", NO_TOKEN, CRED(.state = STATE_MINTING, .attempt = true), ASK(.first = false), WAITS(30 * S),
	  .miss = true },
	{ "also when the problem before it was permanent", NO_TOKEN,
	  CRED(.state = STATE_MINTING, .attempt = true, .problem = BROKER_REJECTED, .permanent = true), ASK(), WAITS(30 * S), .want = true, .miss = true },
	{ "waitSeconds 0 never waits: the mint is asked, the caller times out", NO_TOKEN, CRED(.state = STATE_EMPTY), ASK(.deadline_ms = NOW),
	  FAILS(TIMED_OUT), .want = true, .miss = true },
	{ "waitSeconds 0 in back-off", NO_TOKEN, CRED(BACKOFF, .next_attempt_ms = NOW + 9 * S, .demand_ms = NOW - 1), ASK(.deadline_ms = NOW),
	  FAILS(UNAVAILABLE), .retry_s = 9, .miss = true, .of_problem = true },
	{ "the deadline comes while the attempt hangs", NO_TOKEN, CRED(.state = STATE_MINTING, .attempt = true),
	  ASK(.deadline_ms = NOW, .first = false), FAILS(TIMED_OUT), .miss = true },
	{ "a try due before the deadline is waited for", NO_TOKEN, CRED(BACKOFF, .next_attempt_ms = NOW + 30 * S, .demand_ms = NOW - 1), ASK(),
	  WAITS(30 * S), .miss = true },
	{ "a try planned later: unavailable at once", NO_TOKEN, CRED(BACKOFF, .next_attempt_ms = NOW + 30 * S + 1, .demand_ms = NOW - 1), ASK(),
	  FAILS(UNAVAILABLE), .retry_s = 31, .miss = true, .of_problem = true },
	{ "retry_at says it where no try is planned", NO_TOKEN, CRED(BACKOFF, .retry_at_ms = NOW + 60 * S, .demand_ms = NOW - 1), ASK(),
	  FAILS(UNAVAILABLE), .retry_s = 60, .miss = true, .of_problem = true },
	{ "a first demand after 5 s without one brings it forward", NO_TOKEN,
	  CRED(BACKOFF, .next_attempt_ms = NOW + 300 * S, .demand_ms = NOW - 5 * S), ASK(), WAITS(30 * S), .want = true, .miss = true },
	{ "so does the very first", NO_TOKEN, CRED(BACKOFF, .next_attempt_ms = NOW + 300 * S), ASK(), WAITS(30 * S), .want = true,
	  .miss = true },
	{ "not one 4.999 s after another", NO_TOKEN, CRED(BACKOFF, .next_attempt_ms = NOW + 300 * S, .demand_ms = NOW - 5 * S + 1), ASK(),
	  FAILS(UNAVAILABLE), .retry_s = 300, .miss = true, .of_problem = true },
	{ "once only: a caller who has waited for it does not do so again", NO_TOKEN,
	  CRED(BACKOFF, .next_attempt_ms = NOW + 300 * S, .demand_ms = NOW - 20 * S), ASK(.first = false), FAILS(UNAVAILABLE), .retry_s = 300,
	  .miss = true, .of_problem = true },
	{ "back-off of which no details have come", NO_TOKEN, CRED(.state = STATE_BACKOFF, .demand_ms = NOW), ASK(), FAILS(UNAVAILABLE),
	  .retry_s = 1, .miss = true },
	{ "a problem that may pass keeps its own name", NO_TOKEN,
	  CRED(.state = STATE_BACKOFF, .problem = BROKER_REJECTED, .retry_at_ms = NOW + 60 * S, .demand_ms = NOW), ASK(), FAILS(REJECTED),
	  .retry_s = 60, .miss = true, .of_problem = true },
	{ "login required: at once", NO_TOKEN, CRED(.state = STATE_LOGIN_REQUIRED), ASK(), FAILS(LOGIN_REQUIRED), .miss = true },
	{ "login required, and no mint: at once", NO_TOKEN, CRED(.state = STATE_LOGIN_REQUIRED, .linked = false), ASK(), FAILS(LOGIN_REQUIRED),
	  .miss = true },
	{ "suspended: at once", NO_TOKEN, CRED(.state = STATE_SUSPENDED), ASK(), FAILS(NOT_SERVED), .miss = true },
	{ "a permanent refusal: at once", NO_TOKEN, CRED(.state = STATE_BACKOFF, .problem = BROKER_REJECTED, .permanent = true), ASK(),
	  FAILS(REJECTED), .miss = true, .of_problem = true },
	{ "without a mint a miss waits", NO_TOKEN, CRED(.state = STATE_EMPTY, .linked = false), ASK(), WAITS(30 * S), .miss = true },
	{ "until its deadline", NO_TOKEN, CRED(.state = STATE_EMPTY, .linked = false), ASK(.deadline_ms = NOW), FAILS(TIMED_OUT),
	  .miss = true },
	{ "the mint answered without an attempt: not asked again within a second", NO_TOKEN, CRED(.want_ms = NOW - 400), ASK(.first = false),
	  WAITS(600), .miss = true },
	{ "after that it is", NO_TOKEN, CRED(.want_ms = NOW - 1000), ASK(.first = false), WAITS(1000), .want = true, .miss = true },
	{ "unless a try is planned in time", NO_TOKEN, CRED(.want_ms = NOW - 1000, .next_attempt_ms = NOW + 5 * S), ASK(.first = false),
	  WAITS(30 * S), .miss = true },

	/* --- allowStale --- */
	{ "a stale one waits for a fresh one first", TOKEN(LEFT(-HOUR)), CRED(), ASK(.allow_stale = true), WAITS(30 * S), .want = true,
	  .miss = true },
	{ "but is better than TimedOut", TOKEN(LEFT(-HOUR)), CRED(), ASK(.allow_stale = true, .deadline_ms = NOW), GIVES(ASSUMED), .want = true,
	  .miss = true },
	{ "and than Unavailable", TOKEN(LEFT(-HOUR)), CRED(BACKOFF, .retry_at_ms = NOW + 60 * S, .demand_ms = NOW), ASK(.allow_stale = true),
	  GIVES(ASSUMED), .miss = true },
	{ "and than LoginRequired", TOKEN(LEFT(-HOUR)), CRED(.state = STATE_LOGIN_REQUIRED), ASK(.allow_stale = true), GIVES(ASSUMED),
	  .miss = true },
	{ "a stale one that was reported says so", TOKEN(LEFT(-HOUR), .reported = true), CRED(.state = STATE_LOGIN_REQUIRED),
	  ASK(.allow_stale = true), GIVES(REPORTED), .miss = true },
	{ "without it nobody gets one", TOKEN(LEFT(-HOUR)), CRED(.state = STATE_LOGIN_REQUIRED), ASK(), FAILS(LOGIN_REQUIRED), .miss = true },
	{ "a dead one is not given as stale", NO_TOKEN, CRED(.state = STATE_LOGIN_REQUIRED), ASK(.allow_stale = true), FAILS(LOGIN_REQUIRED),
	  .miss = true },
	{ "disabled gives none", TOKEN(LEFT(-HOUR)), CRED(.state = STATE_DISABLED), ASK(.allow_stale = true), FAILS(NOT_SERVED) },
};
/* clang-format on */

TEST(every_sentence_holds)
{
	struct limits limits;

	limits_default(&limits);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct judgement j = judge(&r->token, &r->cred, &r->ask, &limits, NOW);

		check_row(r->says);
		CHECK_INT(j.what, r->what);
		CHECK_INT(j.want, r->want);
		CHECK_INT(j.report, r->report);
		CHECK_INT(j.miss, r->miss);
		if (r->what == JUDGE_GIVE)
			CHECK_INT(j.validity, r->result);
		if (r->what == JUDGE_WAIT)
			CHECK_INT(j.until_ms, r->until_ms);
		if (r->what != JUDGE_ERROR)
			continue;
		CHECK_INT(j.error, r->result);
		CHECK_INT(j.alive, r->alive);
		CHECK_INT(j.of_problem, r->of_problem);
		CHECK_INT(j.retry_after_s, r->retry_s);
		CHECK_INT(j.max_valid_s, r->max_s);
	}
}

/* Whatever the state, an answer for a caller whose time is over is never another wait. */
TEST(nobody_waits_past_the_deadline)
{
	struct limits limits;

	limits_default(&limits);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct judge_ask ask = rows[i].ask;

		ask.deadline_ms = NOW;
		check_row(rows[i].says);
		CHECK(judge(&rows[i].token, &rows[i].cred, &ask, &limits, NOW).what != JUDGE_WAIT);
	}
}

/* A wait that ends when it begins would keep the processor busy. */
TEST(every_wait_lies_in_the_future)
{
	struct limits limits;

	limits_default(&limits);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct judgement j = judge(&rows[i].token, &rows[i].cred, &rows[i].ask, &limits,
					   NOW);

		check_row(rows[i].says);
		CHECK(j.what != JUDGE_WAIT ||
		      (j.until_ms > NOW && j.until_ms <= rows[i].ask.deadline_ms));
	}
}

CHECK_MAIN()
