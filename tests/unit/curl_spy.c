/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/curl_spy.h"

#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct spy_fd spy_fds[SPY_FDS];
struct spy spy;

/* Those of http.c. */
static curl_socket_callback set_socket;
static curl_closesocket_callback close_socket;
static bool closing; /* libcurl says so */

/* libevent calls this one. */
int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	int r = (int)syscall(SYS_epoll_ctl, epoll, op, fd, event);

	if (fd < SPY_FDS) {
		spy.ctls += spy_fds[fd].curls;
		if (op == EPOLL_CTL_DEL)
			spy_fds[fd].registered = 0;
		else if (r == 0)
			spy_fds[fd].registered = event->events & (IN | OUT);
	}
	return r;
}

/* libcurl, too, calls this one. The kernel forgets what is closed. */
int close(int fd)
{
	if (fd >= 0 && fd < SPY_FDS) {
		spy.untold += spy_fds[fd].spoken && !closing;
		memset(&spy_fds[fd], 0, sizeof spy_fds[fd]);
	}
	return (int)syscall(SYS_close, fd);
}

int clock_gettime(clockid_t id, struct timespec *at)
{
	int r = (int)syscall(SYS_clock_gettime, id, at);

	if (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_RAW) /* 7.88, later ones */
		at->tv_sec += spy.later_s;
	return r;
}

static int spy_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	bool leaves = what == CURL_POLL_REMOVE;

	if (fd >= SPY_FDS)
		abort();
	spy_fds[fd].curls = true;
	spy_fds[fd].wanted = leaves ? 0
				    : (what & CURL_POLL_IN ? IN : 0u) |
					      (what & CURL_POLL_OUT ? OUT : 0u);
	spy_fds[fd].spoken = spy_fds[fd].spoken || spy_fds[fd].wanted == IN;
	return set_socket(easy, fd, what, arg, known);
}

static int spy_close(void *http, curl_socket_t fd)
{
	int r;

	spy.told++;
	closing = true;
	r = spy.swallows ? close(fd) : close_socket(http, fd);
	closing = false;
	return r;
}

/* http.c gives long and pointers, which are of one size where this is tested. */
CURLMcode __real_curl_multi_setopt(CURLM *m, CURLMoption option, ...);
CURLMcode __wrap_curl_multi_setopt(CURLM *m, CURLMoption option, ...);

CURLMcode __wrap_curl_multi_setopt(CURLM *m, CURLMoption option, ...)
{
	va_list list;
	void *value;

	va_start(list, option);
	value = va_arg(list, void *);
	va_end(list);
	if (option != CURLMOPT_SOCKETFUNCTION)
		return __real_curl_multi_setopt(m, option, value);
	memcpy(&set_socket, &value, sizeof value);
	return __real_curl_multi_setopt(m, option, spy_socket);
}

CURLcode __real_curl_easy_setopt(CURL *easy, CURLoption option, ...);
CURLcode __wrap_curl_easy_setopt(CURL *easy, CURLoption option, ...);

CURLcode __wrap_curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
	va_list list;
	void *value;

	va_start(list, option);
	value = va_arg(list, void *);
	va_end(list);
	if (option != CURLOPT_CLOSESOCKETFUNCTION)
		return __real_curl_easy_setopt(easy, option, value);
	memcpy(&close_socket, &value, sizeof value);
	return __real_curl_easy_setopt(easy, option, spy_close);
}

curl_version_info_data *__real_curl_version_info(CURLversion age);
curl_version_info_data *__wrap_curl_version_info(CURLversion age);

curl_version_info_data *__wrap_curl_version_info(CURLversion age)
{
	static curl_version_info_data info;

	info = *__real_curl_version_info(age);
	if (spy.version)
		info.version_num = spy.version;
	return &info;
}

unsigned spy_wanted(void)
{
	unsigned wanted = 0;

	for (int i = 0; i < SPY_FDS; i++)
		wanted |= spy_fds[i].wanted;
	return wanted;
}

bool spy_heard(void)
{
	for (int i = 0; i < SPY_FDS; i++) {
		unsigned deaf = spy_fds[i].wanted & ~spy_fds[i].registered;
		unsigned loud = spy_fds[i].curls ? spy_fds[i].registered & ~spy_fds[i].wanted & OUT
						 : 0;

		if (!deaf && !loud)
			continue;
		printf("# socket %d: libcurl wants %#x, the kernel has %#x\n", i, spy_fds[i].wanted,
		       spy_fds[i].registered);
		return false;
	}
	return true;
}
