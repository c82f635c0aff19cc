#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""systemctl restart, again and again, under a load of callers that must not notice. The long form is tests/soak/test_systemd_soak.py."""

from __future__ import annotations

import machine
from restarts import restart_under_load
from tap import main

ROUNDS = 20


def test_restart_with_kept_sockets() -> None:
    """20 restarts under 8 callers, with sockets that systemd keeps for us: no failed call, no request for a token, no call over 1 s"""
    restart_under_load(ROUNDS)


def test_restart_with_socket_units() -> None:
    """the same with socket units"""
    restart_under_load(ROUNDS, ("sftokend.socket", "sftokend-manager.socket"))


if __name__ == "__main__":
    machine.enter()
    main()
