/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/http_server.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
	pid_t pid;
	int in; /* its end of file ends it */
	char dir[40], ca[64];
	char names[8][16];
	unsigned ports[8];
	size_t n;
} server;

static bool run_server(const char *dir, int in, int out)
{
	dup2(in, 0);
	dup2(out, 1);
	execl("/usr/bin/python3", "python3", HTTP_SERVER, dir, (char *)NULL);
	return false;
}

static bool read_ports(FILE *f)
{
	char name[16];

	while (fscanf(f, "%15s", name) == 1 && strcmp(name, "ready") != 0 && server.n < 8) {
		if (fscanf(f, "%u", &server.ports[server.n]) != 1)
			return false;
		memcpy(server.names[server.n++], name, sizeof name);
	}
	return server.n == 8;
}

__attribute__((constructor)) static void start_server(void)
{
	int in[2], out[2];
	FILE *f;

	/* libcurl must not listen to any of these */
	setenv("http_proxy", "http://127.0.0.1:9", 1);
	setenv("https_proxy", "http://127.0.0.1:9", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:9", 1);
	setenv("SSL_CERT_FILE", "/dev/null", 1);
	setenv("CURL_CA_BUNDLE", "/dev/null", 1);
	setenv("SSLKEYLOGFILE", "/tmp/sftokend-test-keylog", 1);
	unlink("/tmp/sftokend-test-keylog");
	snprintf(server.dir, sizeof server.dir, "/tmp/sftokend-test-XXXXXX");
	if (!mkdtemp(server.dir) || pipe(in) < 0 || pipe(out) < 0)
		abort();
	server.pid = fork();
	if (server.pid == 0) {
		close(in[1]);
		run_server(server.dir, in[0], out[1]);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	server.in = in[1];
	f = fdopen(out[0], "r");
	if (!f || !read_ports(f))
		abort();
	fclose(f);
	snprintf(server.ca, sizeof server.ca, "%s/ca.pem", server.dir);
}

__attribute__((destructor)) static void stop_server(void)
{
	close(server.in);
	waitpid(server.pid, NULL, 0);
	server.pid = fork();
	if (server.pid == 0) {
		execlp("rm", "rm", "-rf", server.dir, (char *)NULL);
		_exit(127);
	}
	waitpid(server.pid, NULL, 0);
}

unsigned http_server_port(const char *name)
{
	for (size_t i = 0; i < server.n; i++) {
		if (!strcmp(server.names[i], name))
			return server.ports[i];
	}
	return 0;
}

char *http_server_ca(void)
{
	return server.ca;
}
