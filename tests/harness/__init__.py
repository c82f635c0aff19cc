# SPDX-License-Identifier: Apache-2.0
"""The parts of tests/run: suites (what there is), tap (what a program said), program (running one), main (the sum)."""
