/* SPDX-License-Identifier: Apache-2.0 */
/* saml_print KEY.pem ID ISSUER SUBJECT RECIPIENT AUDIENCE: prints the assertion that the mint would send now. For test_saml.py. */
#include <stdio.h>

#include "base/clock.h"
#include "daemon/mint/saml.h"
#include "daemon/mint/sign.h"

int main(int argc, char **argv)
{
	CLEANUP(secret_unrefp) struct secret *key = NULL;
	CLEANUP(buf_finip) struct buf out;
	struct saml_claims claims = { 0 };
	struct err err = { 0 };
	char pem[16384];
	FILE *f;

	buf_init(&out, SAML_MAX);
	if (argc != 7 || !(f = fopen(argv[1], "re"))) {
		fprintf(stderr, "usage: saml_print KEY.pem ID ISSUER SUBJECT RECIPIENT AUDIENCE\n");
		return 64;
	}
	key = secret_new(pem, fread(pem, 1, sizeof pem, f));
	fclose(f);
	claims = (struct saml_claims){ .id = argv[2],
				       .issuer = argv[3],
				       .subject = argv[4],
				       .recipient = argv[5],
				       .audience = argv[6],
				       .now_ms = clock_real_ms() };
	if (!key || saml_write(&claims, key, NULL, &out, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	fwrite(out.data, 1, out.len, stdout);
	sign_forget();
	return fflush(stdout) == 0 ? 0 : 1;
}
