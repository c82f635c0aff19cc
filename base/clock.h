/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Now, twice. Deadlines are in milliseconds of CLOCK_BOOTTIME, which goes on in suspend and is never set back; the wall
 * clock is only for what people or other machines read (JWT exp, expiresAt, logs). Tests replace this file.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* CLOCK_BOOTTIME in milliseconds. */
int64_t clock_now_ms(void);

/* The same in microseconds: how long something took. */
int64_t clock_now_us(void);

/* CLOCK_REALTIME in milliseconds since 1970. */
int64_t clock_real_ms(void);

/* CLOCK_MONOTONIC in milliseconds: only where the caller's deadline must stop in suspend (libsftoken). */
int64_t clock_mono_ms(void);

#endif
