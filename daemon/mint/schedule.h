/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When to renew (architecture.md 7): a pure function of rules, state, event and time. No system call, no memory, no randomness of its own: the caller gives
 * a random number with each event. A table state x event has one function a cell. All *_ms are CLOCK_BOOTTIME; 0 means "none".
 */
#ifndef MINT_SCHEDULE_H
#define MINT_SCHEDULE_H

#include "daemon/common/settings.h"
#include "daemon/mint/flow.h"
#include "daemon/mint/salesforce.h"
#include "proto/messages.h"

/* Request times that are remembered for the budget; larger limits are spread evenly (see schedule_budget.c). */
enum { SCHEDULE_RING = 65 };

struct schedule_rules {
	const struct limits *limits;
	enum renewal renewal;
	bool introspect; /* may the server be asked for the expiry? (a client secret is there and the administrator agrees) */
	bool renewal_ends_session; /* it waits for those who hold the session */
	bool renew_when_idle;      /* false: no renewal ahead for a token that nobody asked for */
	int64_t idle_stop_ms; /* no renewal ahead so long after the last caller; 0: never stops */
	int64_t session_timeout_ms; /* what to believe when nothing better is known */
	int64_t renew_at_percent;   /* 0: the default of the grant */
	int64_t start_spread_ms;    /* the first attempt comes within this time after the start */
};

struct schedule_now {
	int64_t boot_ms;
	int64_t real_ms;
};

/* What is being done about a claim. */
enum schedule_check { CHECK_IDLE, CHECK_USERINFO, CHECK_INTROSPECTION, CHECK_GRANT };

/* Why there is no token, where the answer of the token endpoint does not say it. */
enum schedule_trouble {
	TROUBLE_NONE,
	TROUBLE_PROBLEM, /* the problem of the last SCHEDULE_FAILED that said take_problem */
	TROUBLE_SAME,    /* the server gives the very token that it refuses */
	TROUBLE_BUDGET,  /* the credential has made too many requests */
	TROUBLE_UNKNOWN, /* a refresh token was spent, and its answer is lost */
	TROUBLE_LOGIN, /* no attempt can bring a token: nobody has logged in, or what a login brought ends */
};

struct schedule {
	enum state state;
	bool in_flight; /* an attempt is running */
	bool demanded;  /* somebody waits for it */
	enum schedule_trouble trouble;
	bool permanent; /* trouble that time alone does not mend */
	int64_t next_attempt_ms;
	int64_t not_before_ms; /* the server said Retry-After */
	int64_t skew_ms;       /* server clock minus ours, learned from a refused assertion */
	bool clock_retried;
	unsigned failures; /* in a row */
	unsigned attempts; /* requests to the token endpoint since the start */
	int64_t last_demand_ms;
	int64_t wanted_until_ms; /* somebody waits till then for the attempt that is planned */
	int64_t last_use_ms;
	int64_t idle_from_ms; /* the later of the last use and the beginning */
	bool idle;            /* the renewal was left out because nobody asks */
	bool brought_forward; /* the planned attempt has been moved once */

	/* the current token */
	bool has_token, dead, unchanged;
	int64_t generation; /* stays after the token is gone */
	int64_t issued_ms, life_ms, deadline_ms, normal_ms, vouched_ms;
	enum expiry_source source;
	unsigned late_tries;  /* tries after the deadline that brought the same token */
	unsigned suspensions; /* the same token after a confirmed death, in a row */
	bool outlived;        /* counted in n_outlived */
	bool ending;          /* RENEW_PERSON: its end has been announced */

	/* callers hold the session of held_generation until then (0: nobody); put_off: the renewal was due, and waits for them */
	int64_t held_generation, held_until_ms;
	bool put_off;

	/* refresh grants: when the server took the refresh token last (may lie before the boot: negative) */
	bool spent;
	int64_t spent_ms;
	/* the answer of a spend is lost: nothing is sent while there is something to lose */
	bool unknown;
	unsigned replays; /* requests since, whose answer was lost too */

	/* the shorter life */
	int64_t learned_ms, learned_death_ms;
	unsigned n_outlived;
	/* a replaced token that is asked about when it is older than the one that died: without this one early death would shorten all lives for ever */
	bool elder, elder_asked;
	int64_t elder_due_ms;

	/* claims */
	bool reported;
	bool claim; /* waits for the next check */
	enum schedule_check check;
	bool verdict, verdict_alive;
	int64_t verdict_at_ms, next_check_ms;
	unsigned early_deaths; /* confirmed, in a row, of tokens younger than two CheckInterval= */

	int64_t requests[SCHEDULE_RING];
	unsigned n_requests; /* ever; the last one is at (n_requests - 1) % SCHEDULE_RING */
};

enum schedule_event_type {
	SCHEDULE_START, /* the mint begins (or a credential was added) and no token was taken over */
	SCHEDULE_TICK,  /* wake_ms has come */
	SCHEDULE_GRANTED,
	SCHEDULE_FAILED,
	SCHEDULE_REFUSED, /* without a request: what a renewal would spend is known to be dead (failed) */
	SCHEDULE_INTROSPECTED,
	SCHEDULE_CHECKED, /* userinfo answered */
	SCHEDULE_ELDER,   /* userinfo answered about the elder */
	SCHEDULE_WANTED,  /* a caller misses a token */
	SCHEDULE_USED,    /* a caller got it */
	SCHEDULE_REPORTED,
	SCHEDULE_HELD, /* who holds the session, and until when, has changed */
	SCHEDULE_REFRESH,    /* an administrator wants a new one now */
	SCHEDULE_TAKEN_OVER, /* a token that is known from elsewhere: the front, or before a reload */
	SCHEDULE_SUPPLIED,   /* what an attempt lacked is there now */
	SCHEDULE_REVOKED, /* an administrator ended the token: none is got before somebody asks */
	SCHEDULE_CLOCK,   /* the wall clock was set, and the deadline had been computed from it */
	SCHEDULE_ENABLE,
	SCHEDULE_DISABLE,
	SCHEDULE_LOGGED_IN, /* a person has brought a token (granted); no spend is in flight */
	SCHEDULE_EVENTS
};

struct schedule_event {
	enum schedule_event_type type;
	uint32_t random; /* uniform */
	union {
		struct {
			bool same;          /* the token is the current one again */
			int64_t generation; /* of a different one */
			int64_t sent_ms, expires_in_ms, jwt_exp_s, jwt_iat_s;
			int64_t date_real_ms; /* the server's clock, 0: unknown */
		} granted;
		const struct problem *failed;
		struct {
			int64_t generation; /* that was asked about */
			int active;         /* -1: no answer that can be read */
			int64_t exp_s, sent_ms, date_real_ms;
		} introspected;
		struct {
			int64_t generation;
			enum liveness liveness;
		} checked;
		enum liveness elder;
		struct {
			int64_t min_left_ms, not_generation, deadline_ms;
		} wanted;
		struct {
			int64_t generation, deadline_ms;
		} reported;
		struct {
			int64_t generation, until_ms;
		} held;
		struct {
			int64_t generation, issued_ms, life_ms, deadline_ms, vouched_ms;
			enum expiry_source source;
			bool unchanged;
		} taken_over;
		struct {
			bool fresh; /* a new refresh token: what was known of the old one counts no more */
		} supplied;
		struct {
			int64_t deadline_ms;
		} clock;
	};
};

/* What the keeper has to do now. */
struct schedule_actions {
	bool start;        /* begin an attempt; schedule.demanded says of which kind */
	bool demand;       /* somebody waits for the attempt in flight */
	bool cancel;       /* the attempt, and whatever is being asked */
	bool check;        /* ask userinfo */
	bool introspect;   /* ask introspection (expiry, or the second opinion of a check) */
	bool drop_checks;  /* what is being asked concerns an older token */
	bool keep_elder;   /* SCHEDULE_GRANTED: the token that was replaced becomes the elder */
	bool ask_elder;    /* ask userinfo about it */
	bool drop_elder;   /* forget it */
	bool take_problem; /* SCHEDULE_FAILED: this problem is what callers shall hear */
	bool confirmed_dead;
	bool put_off;    /* the renewal of this token begins to wait for those who hold it */
	bool ending;     /* tell people that only a login brings the next token */
	bool changed;    /* the front should hear of the state */
	int64_t wake_ms; /* give SCHEDULE_TICK then; 0: never */
};

/* Before the first event. generation: the highest that is known to have been given out (0: none). */
void schedule_init(struct schedule *s, int64_t generation);

/* The one way in. *out is filled. */
void schedule_step(const struct schedule_rules *rules, struct schedule *s,
		   const struct schedule_event *e, struct schedule_now now,
		   struct schedule_actions *out);

/* Is the current token better than nothing now: believed valid, or assumed because the server vouched for it a short while ago? */
bool schedule_usable(const struct schedule_rules *rules, const struct schedule *s, int64_t now_ms);

/* Whether the table of legal state changes has this one (tests; schedule_step asserts it). */
bool schedule_legal(enum state from, enum state to);

/* --- parts, tested by themselves --- */

/* schedule_budget.c: now or the time at which the budget lets the next request through. */
int64_t schedule_budget_ms(const struct schedule_rules *rules, const struct schedule *s,
			   int64_t now_ms);
void schedule_budget_take(struct schedule *s, int64_t now_ms);
/* The last request that was taken has never left this machine. */
void schedule_budget_return(struct schedule *s);
bool schedule_budget_half_spent(const struct schedule_rules *rules, const struct schedule *s,
				int64_t now_ms);
/* schedule_budget.c: delays. random: uniform. */
int64_t schedule_backoff_ms(const struct limits *l, unsigned failures, int64_t retry_after_ms,
			    uint32_t random);
int64_t schedule_doubled_ms(int64_t first_ms, int64_t max_ms, unsigned n);

/* schedule_life.c: believes and plans; they touch the token part of s only. */
void schedule_believe(const struct schedule_rules *rules, struct schedule *s,
		      const struct schedule_event *granted, struct schedule_now now);
bool schedule_correct(const struct schedule_rules *rules, struct schedule *s,
		      const struct schedule_event *introspected, struct schedule_now now);
void schedule_renewal_point(const struct schedule_rules *rules, struct schedule *s,
			    uint32_t random);
int64_t schedule_next_try(const struct schedule_rules *rules, struct schedule *s, int64_t now_ms);
void schedule_learn_death(const struct schedule_rules *rules, struct schedule *s, int64_t now_ms);
void schedule_vouch(struct schedule *s, int64_t at_ms);
/* A token was seen alive at a greater age than the one from whose death a shorter life was learned. */
void schedule_outlived(struct schedule *s);

#endif
