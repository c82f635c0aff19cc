/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/parent/sd.h"

#include <stdint.h>
#include <time.h>

#include <systemd/sd-daemon.h>

void sd_tell_ready(const char *status)
{
	(void)sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void sd_tell_status(const char *status)
{
	(void)sd_notifyf(0, "STATUS=%s", status);
}

/* Type=notify-reload wants the time at which the reload began (systemd.service(5)). */
void sd_tell_reloading(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=reading the configuration",
			 (unsigned long long)ts.tv_sec * 1000000ULL +
				 (unsigned long long)ts.tv_nsec / 1000ULL);
}

void sd_tell_stopping(void)
{
	(void)sd_notify(0, "STOPPING=1\nSTATUS=stopping");
}
