/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of what a token endpoint may answer instead of a token (salesforce-oauth.md 8.1 and 8.3), and the page of a login instead of a code (8.2). The first row that fits
 * counts. The rows of web_server and device are those of the login: their renewals are answered like refresh tokens. Rows whose error begins with '#' are not OAuth errors but
 * situations; no server can name them.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "daemon/mint/oauth.h"
#include "proto/messages.h"

enum { ANY = -1, EXIT_TEMPFAIL = 75, EXIT_REFUSED = 76, EXIT_LOGIN = 80 };

/* class, state, broker error and exit status go together in these ways only. */
#define RETRY PROBLEM_RETRY, STATE_BACKOFF, BROKER_UNAVAILABLE, EXIT_TEMPFAIL
#define RATE PROBLEM_RATE, STATE_BACKOFF, BROKER_UNAVAILABLE, EXIT_TEMPFAIL
#define CLOCK PROBLEM_CLOCK, STATE_BACKOFF, BROKER_UNAVAILABLE, EXIT_TEMPFAIL
#define LOGIN PROBLEM_LOGIN, STATE_LOGIN_REQUIRED, BROKER_LOGIN_REQUIRED, EXIT_LOGIN
#define ADMIN PROBLEM_ADMIN, STATE_SUSPENDED, BROKER_REJECTED, EXIT_REFUSED
#define BUG PROBLEM_BUG, STATE_SUSPENDED, BROKER_REJECTED, EXIT_REFUSED
#define HERE PROBLEM_ADMIN, STATE_SUSPENDED, BROKER_NOT_SERVED, EXIT_REFUSED /* no OAuth error to show */

/* Said of more than one grant in the same words. */
#define NOT_APPROVED \
	"the user is not pre-authorized: in the app's policies set \"Admin approved users are pre-authorized\" and add " \
	"the user's profile or permission set; check Username= and that LoginUrl= is the user's org"
#define OTHER_CERTIFICATE \
	"Salesforce cannot verify the assertion: upload the certificate of PrivateKey= to the app, and check ClientId= and " \
	"Username="
#define OTHER_AUDIENCE \
	"Salesforce expects another audience: set Audience=https://login.salesforce.com (sandboxes: " \
	"https://test.salesforce.com)"
#define REFUSED_BY_PERSON "the login was refused on the page of Salesforce: log in again, and choose Allow"
#define DEVICE_FLOW_OFF \
	"the app may not log in by a code: in the app's OAuth settings tick \"Enable for Device Flow\", or use another flow"

const struct oauth_error_row oauth_errors[] = {
	/* JWT bearer */
	{ GRANT_JWT_BEARER, "invalid_grant", "expired authorization code", CLOCK,
	  "Salesforce found the assertion expired: check the clock of this machine" },
	{ GRANT_JWT_BEARER, "invalid_grant", "user hasn't approved this consumer", ADMIN, NOT_APPROVED },
	{ GRANT_JWT_BEARER, "invalid_grant", "invalid assertion", ADMIN, OTHER_CERTIFICATE },
	{ GRANT_JWT_BEARER, "invalid_grant", "audience", ADMIN, OTHER_AUDIENCE },
	{ GRANT_JWT_BEARER, "invalid_client", "invalid client credentials", ADMIN,
	  "the app has another certificate: upload the certificate that belongs to PrivateKey= to the app in Salesforce" },
	/* SAML bearer */
	{ GRANT_SAML_BEARER, "invalid_grant", "expired authorization code", CLOCK,
	  "Salesforce found the assertion expired: check the clock of this machine; with Assertion=, have its provider renew it" },
	{ GRANT_SAML_BEARER, "invalid_grant", "user hasn't approved this consumer", ADMIN, NOT_APPROVED },
	{ GRANT_SAML_BEARER, "invalid_grant", "invalid assertion", ADMIN, OTHER_CERTIFICATE },
	{ GRANT_SAML_BEARER, "invalid_grant", "audience", ADMIN, OTHER_AUDIENCE },
	{ GRANT_SAML_BEARER, "invalid_grant", "recipient", ADMIN,
	  "Salesforce expects another recipient: set Recipient=https://login.salesforce.com/services/oauth2/token (sandboxes: "
	  "test.salesforce.com)" },
	{ GRANT_SAML_BEARER, "invalid_client", NULL, ADMIN,
	  "Salesforce refuses the client: check that ClientId= is the consumer key of an app in this org, and that the app has "
	  "the certificate of PrivateKey=" },
	/* token exchange: what the handler says stays hidden from the caller */
	{ GRANT_TOKEN_EXCHANGE, "invalid_grant", "user hasn't approved this consumer", ADMIN, NOT_APPROVED },
	/* client credentials */
	{ GRANT_CLIENT_CREDENTIALS, "invalid_grant", "no client credentials user enabled", ADMIN,
	  "the app has no user to run as: in the app's policies, Client Credentials Flow, choose a Run As user" },
	{ GRANT_CLIENT_CREDENTIALS, "invalid_grant", "request not supported on this domain", ADMIN,
	  "this grant works on the My Domain only: set LoginUrl=https://YOUR-DOMAIN.my.salesforce.com" },
	{ GRANT_CLIENT_CREDENTIALS, "invalid_grant", "client credentials flow not enabled", ADMIN,
	  "the flow is off: in the app's OAuth settings tick \"Enable Client Credentials Flow\"" },
	/* refresh token */
	{ GRANT_REFRESH_TOKEN, "invalid_grant", "expired access/refresh token", LOGIN,
	  "the refresh token is dead: expired, revoked, replaced, or the oldest of more than five logins; log in again with "
	  "sftoken login, or give a new one with sftoken import" },
	{ GRANT_REFRESH_TOKEN, "invalid_grant", "expired authorization code", RETRY, /* its words until September 2024 */
	  "Salesforce is still busy with the request before: nothing to do, it is repeated" },
	/* a code from the browser (the renewals of such a grant are refreshes) */
	{ GRANT_WEB_SERVER, "invalid_grant", "expired authorization code", LOGIN,
	  "the code from the browser was used already or is older than 15 minutes: log in again" },
	{ GRANT_WEB_SERVER, "invalid_grant", "invalid code verifier", LOGIN,
	  "Salesforce does not find the code to belong to this login: log in again, and open the newest link only" },
	/* what the page of the login says (8.2) */
	{ GRANT_WEB_SERVER, "access_denied", NULL, LOGIN, REFUSED_BY_PERSON },
	{ GRANT_WEB_SERVER, "access-denied", NULL, LOGIN, REFUSED_BY_PERSON },
	{ GRANT_WEB_SERVER, "immediate_unsuccessful", NULL, LOGIN,
	  "Salesforce wants to ask the person first: log in again, and confirm on its page" },
	{ GRANT_WEB_SERVER, "invalid_request", "code challenge", BUG,
	  "Salesforce says that the login has no code challenge, but it has: check that nothing between changes the link; if so, "
	  "report this" },
	{ GRANT_USER_AGENT, "access_denied", NULL, LOGIN, REFUSED_BY_PERSON },
	{ GRANT_USER_AGENT, "access-denied", NULL, LOGIN, REFUSED_BY_PERSON },
	{ GRANT_USER_AGENT, "immediate_unsuccessful", NULL, LOGIN,
	  "Salesforce wants to ask the person first: log in again, and confirm on its page" },
	/* a device code */
	{ GRANT_DEVICE, "authorization_pending", NULL, RETRY, "nobody has confirmed the code yet: nothing to do" },
	{ GRANT_DEVICE, "slow_down", NULL, RETRY, "nobody has confirmed the code yet: nothing to do, it is asked less often" },
	{ GRANT_DEVICE, "access_denied", NULL, LOGIN, "the login was refused on the page of the code: log in again" },
	{ GRANT_DEVICE, "expired_token", NULL, LOGIN, "nobody confirmed the code in time: log in again" },
	{ GRANT_DEVICE, "unsupported_grant_type", NULL, ADMIN, DEVICE_FLOW_OFF },
	{ GRANT_DEVICE, "unauthorized_client", NULL, ADMIN, DEVICE_FLOW_OFF },
	{ GRANT_DEVICE, "#late", NULL, LOGIN, "nobody confirmed the code in time: log in again" },
	/* all grants */
	{ ANY, "invalid_grant", "request not supported on this domain", ADMIN,
	  "this host does not serve tokens: set LoginUrl=https://YOUR-DOMAIN.my.salesforce.com" },
	{ ANY, "invalid_grant", "ip restricted", ADMIN,
	  "the user may not log in from this address: add it to the login IP ranges of the user's profile, or relax IP "
	  "restrictions in the app's policies" },
	{ ANY, "invalid_grant", "invalid login hours", ADMIN,
	  "the user may not log in at this hour: change the login hours of the user's profile" },
	{ ANY, "invalid_grant", "user is locked", RATE,
	  "the user is locked out: unlock the user in Salesforce, or wait for the end of the lockout" },
	{ ANY, "invalid_grant", "token request is already being processed", RETRY,
	  "Salesforce is still busy with the request before: nothing to do, it is repeated" },
	{ ANY, "invalid_grant", "login rate exceeded", RATE,
	  "too many logins of this user: wait up to an hour, and look for other programs that log in as the same user" },
	{ ANY, "invalid_app_access", NULL, ADMIN,
	  "the user may not use this app: assign the app to the user's profile or permission set" },
	{ ANY, "invalid_client_id", NULL, ADMIN,
	  "Salesforce does not know the client id: check ClientId= and LoginUrl= (a new app takes about 10 minutes to be "
	  "known)" },
	{ ANY, "invalid_client", NULL, ADMIN,
	  "Salesforce refuses the client: check ClientId=, ClientSecret= and ClientAuth= (a new secret takes about 10 minutes to "
	  "be known)" },
	{ ANY, "app_not_found", NULL, ADMIN,
	  "the External Client App is not installed in the org that LoginUrl= names: install it there, or use the org's My "
	  "Domain" },
	{ ANY, "OAUTH_EC_APP_NOT_FOUND", NULL, ADMIN,
	  "the External Client App is not installed in the org that LoginUrl= names: install it there, or use the org's My "
	  "Domain" },
	{ ANY, "OAUTH_APP_ACCESS_DENIED", NULL, ADMIN,
	  "the user may not use this app: assign the app to the user's profile or permission set" },
	{ ANY, "OAUTH_APP_BLOCKED", NULL, ADMIN,
	  "the app is blocked in this org: unblock it in Setup, Connected Apps OAuth Usage" },
	{ ANY, "OAUTH_APPROVAL_ERROR_GENERIC", NULL, ADMIN,
	  "Salesforce could not approve the login: check the app's policies, its scopes, and that the user's profile or permission "
	  "set may use the app" },
	{ ANY, "redirect_uri_mismatch", NULL, ADMIN,
	  "the app does not know the address that the browser comes back to: add RedirectUri= to the app's Callback URLs, "
	  "character by character" },
	{ ANY, "redirect_uri_missing", NULL, BUG,
	  "Salesforce misses the address that the browser comes back to: set RedirectUri=; if it is set, report this" },
	{ ANY, "unsupported_response_type", NULL, ADMIN,
	  "the app does not take this kind of login: enable the flow in the app's OAuth settings, or use GrantType=web_server" },
	{ ANY, "inactive_user", NULL, ADMIN, "the user is inactive: activate the user in Salesforce, or change the user" },
	{ ANY, "inactive_org", NULL, ADMIN,
	  "the org is locked, closed or suspended: an administrator of the org has to ask Salesforce" },
	{ ANY, "rate_limit_exceeded", NULL, RATE,
	  "too many logins of this user: wait up to an hour, and look for other programs that log in as the same user" },
	{ ANY, "LOGIN_RATE_EXCEEDED", NULL, RATE,
	  "too many logins of this user: wait up to an hour, and look for other programs that log in as the same user" },
	{ ANY, NULL, "login rate exceeded", RATE,
	  "too many logins of this user: wait up to an hour, and look for other programs that log in as the same user" },
	{ ANY, NULL, "number of logins exceeded", RATE,
	  "too many logins of this user: wait up to an hour, and look for other programs that log in as the same user" },
	{ ANY, "unknown_error", NULL, RETRY, "Salesforce had a passing fault: nothing to do, the request is repeated" },
	{ ANY, "server_error", NULL, RETRY, "Salesforce had a passing fault: nothing to do, the request is repeated" },
	{ ANY, "temporarily_unavailable", NULL, RETRY,
	  "Salesforce is not available for the moment: nothing to do, the request is repeated" },
	{ ANY, "unsupported_grant_type", NULL, ADMIN,
	  "this grant is not enabled here: enable the flow in the app's OAuth settings, and check GrantType= and LoginUrl=" },
	{ ANY, "unauthorized_client", NULL, ADMIN,
	  "the app may not use this grant: enable the flow in the app's OAuth settings, and check GrantType=" },
	{ ANY, "access_denied", NULL, ADMIN, "Salesforce denies access: check the app's policies and the user's permissions" },
	{ ANY, "invalid_scope", NULL, ADMIN,
	  "the app may not give a scope that was asked for: add the scope in the app's OAuth settings, or take it out of Scopes=" },
	{ ANY, "invalid_target", NULL, ADMIN, "the server gives no token for this target: check Audience= and Scopes=" },
	{ ANY, "invalid_request", "code challenge", ADMIN,
	  "the app requires PKCE, which this grant has not: in the app's OAuth settings untick \"Require Proof Key for Code "
	  "Exchange\", or use GrantType=web_server" },
	{ ANY, "invalid_request", "https required", ADMIN, "the server wants https: set LoginUrl= to an https:// address" },
	{ GRANT_REFRESH_TOKEN, "invalid_request", NULL, BUG,
	  "Salesforce calls the request invalid: check ClientId=, ClientSecret= and LoginUrl=; if they are right, report "
	  "this" },
	{ GRANT_TOKEN_EXCHANGE, "invalid_request", NULL, ADMIN,
	  "Salesforce calls the request invalid: check SubjectTokenType=, TokenHandler= and ClientId=, and that the app is enabled "
	  "for the Token Exchange Handler" },
	{ GRANT_WEB_SERVER, "invalid_request", NULL, BUG,
	  "Salesforce calls the request invalid: check ClientId=, ClientSecret=, RedirectUri= and Scopes=; if they are right, "
	  "report this" },
	{ ANY, "invalid_request", NULL, BUG,
	  "Salesforce calls the request invalid: check ClientId=, Username= and LoginUrl=; if they are right, report this" },
	/* catch-alls: an error text that nobody has seen yet */
	{ GRANT_REFRESH_TOKEN, "invalid_grant", NULL, LOGIN,
	  "Salesforce refuses the refresh token: check that it was given to the app of ClientId=; log in again with sftoken login, "
	  "or give a new one with sftoken import" },
	{ GRANT_SAML_BEARER, "invalid_grant", NULL, ADMIN,
	  "Salesforce refuses the assertion: check Username=, ClientId=, the app's certificate, and the user's login history in "
	  "Salesforce" },
	{ GRANT_TOKEN_EXCHANGE, "invalid_grant", NULL, ADMIN,
	  "Salesforce refuses the subject token: check SubjectToken=, SubjectTokenType= and TokenHandler=, and the debug log of the "
	  "Token Exchange Handler" },
	{ GRANT_WEB_SERVER, "invalid_grant", NULL, LOGIN,
	  "Salesforce refuses the code from the browser: log in again" },
	{ GRANT_DEVICE, "invalid_grant", NULL, LOGIN,
	  "the code is not good any more: it has expired, or was used already; log in again" },
	{ ANY, "invalid_grant", NULL, ADMIN,
	  "Salesforce refuses the grant: check the user, the app's policies and its login history in Salesforce" },
	/* answers that are no OAuth error at all (8.3) */
	{ ANY, "#unsettled", NULL, RETRY, "the My Domain is not settled yet after a move: nothing to do, it is tried again" },
	{ ANY, "#redirect", NULL, HERE,
	  "the host sends us elsewhere, which is not followed with secrets in hand: set LoginUrl= to the host it moved to" },
	{ ANY, "#many", NULL, RATE, "the server has had too many requests: nothing to do, it is tried again later" },
	{ ANY, "#server", NULL, RETRY, "the server is in trouble: nothing to do, it is tried again" },
	{ ANY, "#page", NULL, RETRY,
	  "a web page came instead of an answer (maintenance, or LoginUrl= is not a Salesforce login host)" },
	{ ANY, "#unauthorized", NULL, HERE,
	  "the server refuses the client without a reason: check ClientId=, ClientSecret= and ClientAuth=" },
	{ ANY, "#type", NULL, RETRY,
	  "the answer is not JSON (maintenance, a proxy, or LoginUrl= is not a Salesforce login host)" },
	{ ANY, "#json", NULL, RETRY, "the answer is damaged or not what a token endpoint says: it is tried again" },
	{ ANY, "#host", NULL, HERE, "the token is for a host that is not allowed" },
	{ ANY, "#status", NULL, RETRY, "the answer is no OAuth answer: check LoginUrl=; it is tried again" },
	{ ANY, "#unsent", NULL, RETRY, "the server could not be reached" },
	{ ANY, "#unknown", NULL, RETRY, "the server did not answer completely" },
	{ ANY, "#big", NULL, RETRY, "the answer is far too long for a token endpoint: check LoginUrl= and any proxy" },
	{ ANY, "#refused", NULL, RETRY, "the request was not sent" },
	{ ANY, NULL, NULL, ADMIN,
	  "Salesforce refuses with an error that is not known here: look it up, and check the app and the user" },
};
const size_t oauth_n_errors = sizeof oauth_errors / sizeof oauth_errors[0];

/* needle is lower case already. */
static bool has_text(const char *text, const char *needle)
{
	size_t size = strlen(needle);

	for (; *text; text++) {
		if (!strncasecmp(text, needle, size))
			return true;
	}
	return false;
}

static bool row_fits(const struct oauth_error_row *row, int grant_type, const char *error,
		     const char *description)
{
	if (row->grant_type != ANY && row->grant_type != grant_type)
		return false;
	if (row->error && strcasecmp(row->error, error) != 0)
		return false;
	return !row->description || has_text(description, row->description);
}

const struct oauth_error_row *oauth_error_find(int grant_type, const char *error,
					       const char *description)
{
	size_t i = 0;

	while (i + 1 < oauth_n_errors && !row_fits(&oauth_errors[i], grant_type, error ? error : "",
						   description ? description : ""))
		i++;
	return &oauth_errors[i]; /* the last row fits everything */
}
