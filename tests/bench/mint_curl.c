/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program does that has no broker: fetches a token by libcurl, with the client credentials grant, and prints the answer.
 *
 *	mint_curl URL CA_FILE
 */
#include <curl/curl.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	CURL *curl;
	CURLcode code;
	long status = 0;

	if (argc != 3)
		return 64;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	curl = curl_easy_init();
	if (!curl)
		return 71;
	curl_easy_setopt(curl, CURLOPT_URL, argv[1]);
	curl_easy_setopt(curl, CURLOPT_CAINFO, argv[2]);
	curl_easy_setopt(
		curl, CURLOPT_POSTFIELDS,
		"grant_type=client_credentials&client_id=bench&client_secret=bench-secret");
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK)
		fprintf(stderr, "mint_curl: %s\n", curl_easy_strerror(code));
	curl_easy_cleanup(curl);
	curl_global_cleanup();
	return code != CURLE_OK || status != 200;
}
