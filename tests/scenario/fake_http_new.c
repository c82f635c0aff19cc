/* SPDX-License-Identifier: Apache-2.0 */
/* The part of daemon/mint/http.h that is the same wherever there is no network: all but the calls. */
#include <stdlib.h>

#include "daemon/mint/http.h"

struct http {
	int unused;
};

struct http *http_new(struct loop *l, const struct settings *settings, struct err *err)
{
	struct http *h = calloc(1, sizeof *h);

	(void)l;
	(void)settings;
	if (!h)
		err_oom(err);
	return h;
}

void http_configure(struct http *h, const struct settings *settings)
{
	(void)h;
	(void)settings;
}

void http_free(struct http *h)
{
	free(h);
}

struct http_counters http_counters(const struct http *h)
{
	(void)h;
	return (struct http_counters){ 0 };
}
