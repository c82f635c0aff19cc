/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor of minting with RS256: signs, sends, reads to the end, and does nothing else. No configuration, no store, no state, nobody to tell; what the answer says is not looked at.
 *
 *	mint_sign URL CA_FILE KEY_FILE NUMBER IN_FLIGHT
 *
 * Prints how many a second, and the CPU of each in ns.
 */
#include <curl/curl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { IN_FLIGHT_MAX = 256, SIGNATURE_MAX = 512, BODY_MAX = 1024 };

static EVP_PKEY_CTX *signer;
static CURLM *multi;
static long left, number;

static int64_t ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void open_key(const char *path)
{
	FILE *file = fopen(path, "re");
	EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;

	signer = key ? EVP_PKEY_CTX_new(key, NULL) : NULL;
	if (!signer || EVP_PKEY_sign_init(signer) <= 0 ||
	    EVP_PKEY_CTX_set_rsa_padding(signer, RSA_PKCS1_PADDING) <= 0 ||
	    EVP_PKEY_CTX_set_signature_md(signer, EVP_sha256()) <= 0)
		exit(66);
	fclose(file);
}

static size_t forget(char *bytes, size_t size, size_t n, void *arg)
{
	(void)bytes, (void)arg;
	return size * n;
}

static void begin(CURL *easy)
{
	unsigned char digest[EVP_MAX_MD_SIZE], signature[SIGNATURE_MAX];
	char claims[64], body[BODY_MAX];
	size_t size = sizeof signature;
	unsigned n = 0;
	int head;

	n = (unsigned)snprintf(claims, sizeof claims, "{\"exp\":%ld}", left);
	head = snprintf(body, sizeof body, "grant_type=jwt-bearer&assertion=");
	if (EVP_Digest(claims, n, digest, &n, EVP_sha256(), NULL) <= 0 ||
	    EVP_PKEY_sign(signer, signature, &size, digest, n) <= 0)
		exit(70);
	EVP_EncodeBlock((unsigned char *)body + head, signature, (int)size);
	curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, body);
	curl_multi_add_handle(multi, easy);
	left--;
}

static void start(const char *url, const char *ca, long in_flight)
{
	multi = curl_multi_init();
	for (long i = 0; i < in_flight && left; i++) {
		CURL *easy = curl_easy_init();

		curl_easy_setopt(easy, CURLOPT_URL, url);
		curl_easy_setopt(easy, CURLOPT_CAINFO, ca);
		curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, forget);
		begin(easy);
	}
}

static void run(void)
{
	int running;

	while (number) {
		CURLMsg *m;
		int more;

		curl_multi_perform(multi, &running);
		while ((m = curl_multi_info_read(multi, &more))) {
			CURL *easy = m->easy_handle;

			if (m->data.result != CURLE_OK)
				exit(69);
			curl_multi_remove_handle(multi, easy);
			number--;
			if (left)
				begin(easy);
		}
		if (number)
			curl_multi_poll(multi, NULL, 0, 1000, NULL);
	}
}

int main(int argc, char **argv)
{
	int64_t began, cpu;
	long all;

	if (argc != 6)
		return 64;
	all = number = left = strtol(argv[4], NULL, 10);
	open_key(argv[3]);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	began = ns(CLOCK_MONOTONIC);
	cpu = ns(CLOCK_PROCESS_CPUTIME_ID);
	start(argv[1], argv[2], strtol(argv[5], NULL, 10));
	run();
	printf("%.1f %.0f\n", (double)all * 1e9 / (double)(ns(CLOCK_MONOTONIC) - began),
	       (double)(ns(CLOCK_PROCESS_CPUTIME_ID) - cpu) / (double)all);
	return 0;
}
