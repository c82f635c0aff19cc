/* SPDX-License-Identifier: Apache-2.0 */
/* The service manager, where there is one ($NOTIFY_SOCKET): sd_notify(3). The home of libsystemd in the parent. */
#ifndef PARENT_SD_H
#define PARENT_SD_H

void sd_tell_ready(const char *status);
void sd_tell_status(const char *status);
void sd_tell_reloading(void);
void sd_tell_stopping(void);

#endif
