/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor of `sftoken get` as a process: connects, asks, prints the text between two marks of the answer. Checks nothing.
 *
 *	minimal PATH REQUEST
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static const char mark[] = "\"accessToken\":\"";
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char answer[65536], *token, *end;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ssize_t n;

	if (argc != 3 || strlen(argv[1]) >= sizeof address.sun_path)
		return 64;
	memcpy(address.sun_path, argv[1], strlen(argv[1]) + 1);
	if (connect(fd, (const void *)&address, sizeof address) < 0)
		return 69;
	if (write(fd, argv[2], strlen(argv[2]) + 1) < 0)
		return 70;
	n = read(fd, answer, sizeof answer - 1);
	if (n <= 0)
		return 70;
	answer[n] = '\0';
	token = strstr(answer, mark);
	if (!token)
		return 76;
	token += sizeof mark - 1;
	end = strchr(token, '"');
	*end = '\n';
	return write(STDOUT_FILENO, token, (size_t)(end - token) + 1) < 0;
}
