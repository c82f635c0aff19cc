/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/browser.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS_MAX = 32, CANNOT_RUN = 127 };

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

bool browser_forbidden(void)
{
	return variable("SUDO_UID") || variable("DOAS_USER") || variable("PKEXEC_UID");
}

/* The words of one program of $BROWSER, which is cut into them; the address takes the place of %s, or comes last. */
static void run(char *command, const char *url)
{
	char *words[WORDS_MAX + 2];
	size_t n = 0;
	bool placed = false;

	while (n < WORDS_MAX && *(command += strspn(command, " "))) {
		char *end = command + strcspn(command, " ");
		bool more = *end;

		*end = '\0';
		placed |= strcmp(command, "%s") == 0;
		words[n++] = strcmp(command, "%s") == 0 ? (char *)(uintptr_t)url : command;
		command = more ? end + 1 : end;
	}
	if (n == 0)
		return;
	if (!placed)
		words[n++] = (char *)(uintptr_t)url;
	words[n] = NULL;
	(void)execvp(words[0], words);
}

static void run_all(const char *programs, const char *url)
{
	char *list = strdup(programs), *next = list;

	while (next && *next) {
		char *end = next + strcspn(next, ":");
		bool more = *end;

		*end = '\0';
		run(next, url);
		next = more ? end + 1 : end;
	}
}

/* In the child: a session of its own, so that Ctrl-C at our terminal does not end the browser, and nothing of ours to read or write. */
static void become_browser(const char *programs, const char *url, const sigset_t *mask)
{
	int null = open("/dev/null", O_RDWR);

	(void)setsid();
	for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
		(void)dup2(null, fd);
	(void)sigprocmask(SIG_SETMASK, mask, NULL);
	if (fork() == 0)
		run_all(programs, url);
	_exit(CANNOT_RUN);
}

static bool is_web(const char *url)
{
	return strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0;
}

bool browser_open(const char *url, const sigset_t *mask)
{
	const char *programs = variable("BROWSER");
	pid_t pid;

	if (!programs && (variable("DISPLAY") || variable("WAYLAND_DISPLAY")))
		programs = "xdg-open";
	if (!programs || !is_web(url))
		return false;
	pid = fork();
	if (pid == 0)
		become_browser(programs, url, mask);
	if (pid < 0)
		return false;
	(void)waitpid(pid, NULL,
		      0); /* it ends at once; the browser is its child, and nobody's soon */
	return true;
}
