/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that uses libsftoken as installed, for tests/system/test_library.py.
 *
 *	library_user SOCKET threads CREDENTIAL N CALLS    N threads share a handle, N have their own
 *	library_user SOCKET fork CREDENTIAL               a handle is used on both sides of a fork, and beside closed descriptors
 *	library_user SOCKET loop CREDENTIAL SECONDS       gets until the time is over, over every restart
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sftoken.h>

struct job {
	struct sftoken *handle;
	const char *path, *credential;
	int calls, failed;
};

static int get(struct sftoken *h, const char *credential)
{
	struct sftoken_get_options options = SFTOKEN_GET_OPTIONS_INIT;
	struct sftoken_token *token;
	struct sftoken_err err;

	options.credential = credential;
	if (sftoken_get(h, &options, &token, &err) < 0) {
		fprintf(stderr, "%s: %s\n", err.name, err.text);
		return -1;
	}
	if (!sftoken_token_access_token(token)[0] ||
	    strcmp(sftoken_token_credential(token), credential) != 0) {
		fprintf(stderr, "wrong token\n");
		sftoken_token_free(token);
		return -1;
	}
	sftoken_token_free(token);
	return 0;
}

static struct sftoken *open_handle(const char *path)
{
	struct sftoken_err err;
	struct sftoken *h = NULL;

	if (sftoken_open(&h, path, &err) < 0)
		fprintf(stderr, "%s\n", err.text);
	else
		sftoken_set_connect_wait(h, 20000);
	return h;
}

static void *work(void *arg)
{
	struct job *j = arg;
	struct sftoken *own = j->handle ? NULL : open_handle(j->path);

	for (int i = 0; i < j->calls; i++)
		j->failed += get(j->handle ? j->handle : own, j->credential) < 0;
	sftoken_close(own);
	return NULL;
}

static int threads(const char *path, const char *credential, int n, int calls)
{
	struct sftoken *shared = open_handle(path);
	struct job *jobs = calloc((size_t)n * 2, sizeof *jobs);
	pthread_t *ids = calloc((size_t)n * 2, sizeof *ids);
	int failed = 0;

	if (!shared || !jobs || !ids)
		return 1;
	for (int i = 0; i < 2 * n; i++) {
		jobs[i] = (struct job){ i % 2 ? shared : NULL, path, credential, calls, 0 };
		if (pthread_create(&ids[i], NULL, work, &jobs[i]) != 0)
			return 1;
	}
	for (int i = 0; i < 2 * n; i++) {
		pthread_join(ids[i], NULL);
		failed += jobs[i].failed;
	}
	sftoken_close(shared);
	free(jobs);
	free(ids);
	printf("%d calls, %d failed\n", 2 * n * calls, failed);
	return failed ? 1 : 0;
}

/* The application closes all descriptors that it does not know, and uses their numbers for its own files. */
static bool outlives_close_all(struct sftoken *h, const char *credential, int files[2])
{
	char back[4];

	for (int fd = 3; fd < 64; fd++)
		close(fd);
	return pipe(files) == 0 && get(h, credential) == 0 && write(files[1], "mine", 4) == 4 &&
	       read(files[0], back, 4) == 4 && memcmp(back, "mine", 4) == 0;
}

static int forked(const char *path, const char *credential)
{
	struct sftoken *h = open_handle(path);
	int files[2], status, failed = 0;
	pid_t pid;

	if (!h || get(h, credential) < 0)
		return 1;
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 100; i++)
			failed += get(h, credential) < 0;
		_exit(failed ? 1 : 0);
	}
	for (int i = 0; i < 100; i++)
		failed += get(h, credential) < 0;
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		return 1;
	failed += !outlives_close_all(h, credential, files);
	sftoken_close(h);
	failed += write(files[1], "mine", 4) != 4;
	return failed ? 1 : 0;
}

static int loop(const char *path, const char *credential, int seconds)
{
	struct sftoken *h = open_handle(path);
	time_t end = time(NULL) + seconds;
	int calls = 0, failed = 0;

	while (h && time(NULL) < end) {
		failed += get(h, credential) < 0;
		calls++;
	}
	sftoken_close(h);
	printf("%d calls, %d failed\n", calls, failed);
	return failed || !calls ? 1 : 0;
}

static int number(const char *text)
{
	return (int)strtol(text, NULL, 10);
}

int main(int argc, char **argv)
{
	if (argc == 6 && strcmp(argv[2], "threads") == 0)
		return threads(argv[1], argv[3], number(argv[4]), number(argv[5]));
	if (argc == 4 && strcmp(argv[2], "fork") == 0)
		return forked(argv[1], argv[3]);
	if (argc == 5 && strcmp(argv[2], "loop") == 0)
		return loop(argv[1], argv[3], number(argv[4]));
	return 64;
}
