/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between http.c, libcurl, libevent and the kernel: what libcurl wants to hear of its sockets (its calls of CURLMOPT_SOCKETFUNCTION) and what the kernel will tell of them
 * (epoll_ctl() and close()). Links with --wrap=curl_multi_setopt, curl_easy_setopt and curl_version_info.
 */
#ifndef TESTS_UNIT_CURL_SPY_H
#define TESTS_UNIT_CURL_SPY_H

#include <stdbool.h>
#include <sys/epoll.h>
#include <time.h>

enum { SPY_FDS = 1024, IN = EPOLLIN, OUT = EPOLLOUT };

struct spy_fd {
	unsigned wanted;     /* by libcurl: IN, OUT */
	unsigned registered; /* with epoll */
	bool curls;          /* it is a socket of libcurl's */
	bool spoken; /* libcurl has waited to read from it: over plain HTTP, for an answer */
};

extern struct spy_fd spy_fds[SPY_FDS];

struct spy {
	unsigned ctls; /* calls of epoll_ctl() for sockets of libcurl's */
	unsigned told; /* sockets that libcurl closed as it should */
	unsigned
		untold; /* those that it closed without a word, though it had waited for an answer on them */
	/* to be set by a test */
	bool swallows;    /* libcurl is one that says nothing */
	unsigned version; /* that it claims to be; 0: its own */
	time_t later_s;   /* its clock, than the computer's */
};

extern struct spy spy;

/* Of all sockets. */
unsigned spy_wanted(void);
/* What libcurl wants to hear of, the kernel tells; and it tells of no room to write that nobody waits for, which it would do without end. false: says which socket. */
bool spy_heard(void);

#endif
