/* SPDX-License-Identifier: Apache-2.0 */
/* Where to click. The names are those of Setup in English; an external client app and a connected app differ in the first step alone. */
#include "client/cli/setup.h"

#include <string.h>

static const struct {
	const char *grant;
	const char *steps[5]; /* %s: the certificate */
} clicks[] = {
	{ "client_credentials",
	  { "its OAuth Settings: tick \"Enable Client Credentials Flow\"; scopes: api",
	    "its Policies > Client Credentials Flow > Run As: choose the user, and save",
	    "its OAuth Settings > Consumer Key and Secret: copy both" } },
	{ "jwt_bearer",
	  { "its OAuth Settings: scopes api, refresh_token; tick \"Use digital signatures\", and upload\n     the certificate %s",
	    "its Policies > OAuth Policies > Permitted Users: \"Admin approved users are pre-authorized\"",
	    "its Policies > App Policies: add the profile or a permission set of the user",
	    "its OAuth Settings > Consumer Key and Secret: copy the consumer key" } },
	{ "web_server",
	  { "its OAuth Settings: callback URL http://localhost:1717/OauthRedirect; scopes: api, refresh_token",
	    "its OAuth Settings > Consumer Key and Secret: copy the key (and the secret, if it is required)" } },
	{ "device",
	  { "its OAuth Settings: tick \"Enable for Device Flow\"; scopes: api, refresh_token",
	    "its OAuth Settings > Consumer Key and Secret: copy the key (and the secret, if it is required)" } },
	{ "refresh_token",
	  { "the consumer key of the app that the refresh token was given to: no other one may use it" } },
};

static void print_step(int number, const char *step, const char *certificate)
{
	const char *place = strstr(step, "%s");

	if (place)
		fprintf(stderr, "  %d. %.*s%s%s\n", number, (int)(place - step), step,
			certificate ? certificate : "of the key", place + 2);
	else
		fprintf(stderr, "  %d. %s\n", number, step);
}

void advise(const struct grant *grant, const char *certificate)
{
	size_t i = 0;

	while (strcmp(clicks[i].grant, grant->name) != 0)
		i++;
	fputs("\nIn Salesforce:\n"
	      "  1. Setup > External Client App Manager (or App Manager): a new app, or one that is there\n",
	      stderr);
	for (int k = 0; k < 5 && clicks[i].steps[k]; k++)
		print_step(k + 2, clicks[i].steps[k], certificate);
	fputc('\n', stderr);
}
