/* SPDX-License-Identifier: Apache-2.0 */
/* What the browser shows: fixed texts, nothing of what we were sent. The hashes are those of the style and the script below; tests/system/test_login_cli.py compares them. */
#include <stdio.h>
#include <stdlib.h>

#include "client/cli/redirect_parts.h"

#define STYLE \
	"html{color-scheme:light dark;font:1.125rem/1.5 system-ui,sans-serif;color:#222;background:#fafafa}" \
	"body{min-height:100vh;margin:0;display:flex;align-items:center;justify-content:center}" \
	"main{max-width:26rem;padding:2rem;text-align:center}" \
	"h1{margin:0 0 .5rem;font-size:1.5rem;font-weight:600}p{margin:0}" \
	"@media(prefers-color-scheme:dark){html{color:#ddd;background:#1c1c1e}}"
#define STYLE_HASH "sha256-RAAf4DLa4aCxkc4GgyyDQozw2uOChWOppGmoLrp0ti4="

/* The fragment leaves the address bar, and with it the history, before it is sent. */
#define SCRIPT \
	"(function(){\"use strict\";" \
	"var f=location.hash.slice(1),n=document.documentElement.getAttribute(\"data-nonce\")," \
	"h=document.querySelector(\"h1\"),p=document.querySelector(\"p\");" \
	"function say(a,b){h.textContent=a;p.textContent=b}" \
	"history.replaceState(null,\"\",location.pathname);" \
	"if(!f){say(\"Nothing arrived\",\"Start the login again at the terminal.\");return}" \
	"fetch(location.pathname,{method:\"POST\",headers:{\"X-Sftoken-Nonce\":n},body:f," \
	"credentials:\"omit\",cache:\"no-store\",redirect:\"error\",referrerPolicy:\"same-origin\"})" \
	".then(function(r){" \
	"if(r.ok)say(\"You are logged in\",\"You can close this window.\");" \
	"else if(r.status===400)say(\"This is another login\",\"The one at the terminal goes on.\");" \
	"else say(\"The login failed\",\"Look at the terminal.\")}," \
	"function(){say(\"The login has ended\",\"Look at the terminal.\")})})()"
#define SCRIPT_HASH "sha256-u0qHcACUPrrEum17Sd4oF4rh3qfL/bLBZ4W0xKWJS9s="

#define POLICY \
	"default-src 'none'; style-src '" STYLE_HASH \
	"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
#define RELAY_POLICY POLICY "; script-src '" SCRIPT_HASH "'; connect-src 'self'"

struct page {
	int status;
	const char *reason, *title, *text;
};

static const struct page pages[] = {
	[REDIRECT_DONE] = { 200, "OK", "You are logged in", "You can close this window." },
	[REDIRECT_FAILED] = { 403, "Forbidden", "The login failed", "Look at the terminal." },
	[REDIRECT_MISMATCH] = { 400, "Bad Request", "This is another login",
				"The address does not belong to the login that waits here. That one goes on." },
	[REDIRECT_USED] = { 410, "Gone", "The login has ended",
			    "There was an answer already: look at the terminal." },
};

static const struct page refusals[] = {
	{ 400, "Bad Request", "Nothing to do",
	  "This address takes the answer to a login, and this is none." },
	{ 403, "Forbidden", "Nothing to do", "This did not come from the page of the login." },
	{ 404, "Not Found", "Nothing here", "A login waits on this machine, at another address." },
	{ 405, "Method Not Allowed", "Nothing to do",
	  "This address is to be opened by a browser." },
	{ 411, "Length Required", "Nothing to do", "The request does not say how long it is." },
	{ 413, "Content Too Large", "Too much",
	  "The request is longer than an answer to a login." },
	{ 421, "Misdirected Request", "Nothing here",
	  "The login that waits here has another host name." },
	{ 431, "Request Header Fields Too Large", "Too much",
	  "The browser sends too much for this address (cookies?): paste the address at the terminal." },
};

static char *answer(const struct page *page, const char *policy, const char *nonce,
		    const char *script, size_t *len)
{
	char *body, *all = NULL;
	int n = asprintf(&body,
			 "<!DOCTYPE html><html lang=\"en\"%s%s%s><head><meta charset=\"utf-8\">"
			 "<meta name=\"viewport\" content=\"width=device-width\">"
			 "<title>%s</title><style>" STYLE "</style></head>"
			 "<body><main><h1>%s</h1><p>%s</p></main>%s%s%s</body></html>\n",
			 nonce ? " data-nonce=\"" : "", nonce ? nonce : "", nonce ? "\"" : "",
			 page->title, page->title, page->text, script ? "<script>" : "",
			 script ? script : "", script ? "</script>" : "");

	if (n < 0)
		return NULL;
	n = asprintf(
		&all,
		"HTTP/1.1 %d %s\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n"
		"Content-Security-Policy: %s\r\nReferrer-Policy: no-referrer\r\nCache-Control: no-store\r\n"
		"X-Frame-Options: DENY\r\nX-Content-Type-Options: nosniff\r\n"
		"Cross-Origin-Resource-Policy: same-origin\r\nConnection: close\r\n%s\r\n%s",
		page->status, page->reason, n, policy, page->status == 405 ? "Allow: GET\r\n" : "",
		body);
	free(body);
	*len = n < 0 ? 0 : (size_t)n;
	return n < 0 ? NULL : all;
}

char *page_answer(enum redirect_page page, size_t *len)
{
	return answer(&pages[page], POLICY, NULL, NULL, len);
}

char *page_refusal(int status, size_t *len)
{
	size_t i = 0;

	while (i + 1 < sizeof refusals / sizeof refusals[0] && refusals[i].status != status)
		i++;
	return answer(&refusals[i], POLICY, NULL, NULL, len);
}

char *page_relay(const char *nonce, size_t *len)
{
	static const struct page page = { 200, "OK", "One moment",
					  "The answer is handed to the terminal." };

	return answer(&page, RELAY_POLICY, nonce, SCRIPT, len);
}
