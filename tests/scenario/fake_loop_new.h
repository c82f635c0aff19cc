/* SPDX-License-Identifier: Apache-2.0 */
/* The part of daemon/common/loop.h that is the same wherever time is not real: all but the timers, with the clock of whoever defines clock_now_ms(). */
#ifndef SCENARIO_FAKE_LOOP_NEW_H
#define SCENARIO_FAKE_LOOP_NEW_H

/* Tells the loop that is there, if there is one, that the wall clock was set. */
void fake_clock_was_set(void);

#endif
