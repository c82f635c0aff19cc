/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sign_with KEY [PASSPHRASE [TIMES]]: signs standard input as the mint does, and prints the signature in hex and the fingerprint, on a line each time. KEY is a URI or
 * the path of a PEM file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/mint/sign.h"

enum { BYTES_MAX = 65536 };

static struct secret *read_all(FILE *from)
{
	static char bytes[BYTES_MAX];

	return secret_new(bytes, fread(bytes, 1, sizeof(bytes), from));
}

static struct secret *read_from(const char *path)
{
	FILE *from = fopen(path, "r");
	struct secret *s = from ? read_all(from) : NULL;

	if (from)
		fclose(from);
	return s;
}

static int sign_once(struct secret *key, struct secret *passphrase, const struct secret *data)
{
	CLEANUP(buf_finip) struct buf signature;
	CLEANUP(buf_finip) struct buf fingerprint;
	struct err err = { 0 };

	buf_init(&signature, 2048);
	buf_init(&fingerprint, 200);
	if (sign_rs256(key, passphrase, secret_bytes(data), secret_size(data), &signature, &err) <
		    0 ||
	    sign_fingerprint(key, passphrase, &fingerprint, &err) < 0) {
		printf("error %d %s\n", err.code, err.text);
		return 1;
	}
	for (size_t i = 0; i < signature.len; i++)
		printf("%02x", (unsigned char)signature.data[i]);
	printf(" %s\n", fingerprint.data);
	return 0;
}

int main(int argc, char **argv)
{
	struct secret *key, *data, *passphrase = NULL;
	int failed = 0, times = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 1;

	if (argc < 2)
		return 64;
	key = argv[1][0] == '/' ? read_from(argv[1]) : secret_new(argv[1], strlen(argv[1]));
	if (argc > 2 && argv[2][0])
		passphrase = secret_new(argv[2], strlen(argv[2]));
	data = read_all(stdin); /* not every machine has /dev/stdin */
	if (!key || !data)
		return 66;
	for (int i = 0; i < times; i++)
		failed |= sign_once(key, passphrase, data);
	sign_forget();
	secret_unref(key);
	secret_unref(data);
	secret_unref(passphrase);
	return failed;
}
