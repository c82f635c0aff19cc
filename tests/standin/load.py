#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How many refreshes a second the stand-in carries: each on a connection of its own, as our client
spends them, over thousands of rotating grants. Prints what it did and what it cost the server."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import ssl
import sys
import time
from pathlib import Path
from typing import Optional
from urllib.parse import urlencode

sys.dont_write_bytecode = True
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from standin import Standin                                             # noqa: E402

APP, SECRET = "3MVG9.load", "s3cret"
HEAD = ("POST /services/oauth2/token HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n"
        "User-Agent: sftokend/load\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        "Content-Length: {}\r\n\r\n")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def refresh(port: int, context: Optional[ssl.SSLContext], token: str) -> str:
    """Spend one token; the next."""
    body = urlencode({"grant_type": "refresh_token", "refresh_token": token, "client_id": APP,
                      "client_secret": SECRET})
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write((HEAD.format(len(body)) + body).encode())
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    answer = json.loads(await reader.readexactly(length))
    writer.close()
    return str(answer["refresh_token"])


async def spend(salesforce: Standin, tokens: list[str], todo: list[int],
                waits: list[float]) -> None:
    """One of the clients at work: no grant is spent by two of them at a time."""
    plain = salesforce.url.startswith("http:")
    context = None if plain else ssl.create_default_context(cafile=salesforce.ca)
    while todo:
        grant = todo.pop()
        begin = time.monotonic()
        tokens[grant] = await refresh(salesforce.port, context, tokens[grant])
        waits.append(time.monotonic() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grants", type=int, default=1000)
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--clients", type=int, default=8, help="at a time; fewer than grants")
    parser.add_argument("--http", action="store_true")
    options = parser.parse_args()
    with Standin(http=options.http) as salesforce:
        users = [f"user{i}@example.com" for i in range(options.grants)]
        salesforce.configure(apps={APP: {"secret": SECRET, "rotation": True}},
                             users={user: {} for user in users})
        tokens = [grant["refresh_token"] for grant in salesforce.new_grants(
            [{"user": user, "client_id": APP} for user in users])]
        todo = [i % options.grants for i in range(options.requests)]
        waits: list[float] = []
        before, begin = cpu_seconds(salesforce.pid), time.monotonic()

        async def everyone() -> None:
            await asyncio.gather(*(spend(salesforce, tokens, todo, waits)
                                   for _ in range(options.clients)))

        asyncio.run(everyone())
        passed, cost = time.monotonic() - begin, cpu_seconds(salesforce.pid) - before
        waits.sort()
        print(f"{options.requests / passed:.0f} refreshes/s, {cost / options.requests * 1000:.2f} "
              f"ms of the server's CPU each; p50 {waits[len(waits) // 2] * 1000:.1f} ms, "
              f"p99 {waits[len(waits) * 99 // 100] * 1000:.1f} ms")
        print(json.dumps(salesforce.wait_replies()))
        current = [grant["current"] for grant in salesforce.grants(tokens=False)]
        assert current == tokens, "a token was lost or mixed up"


if __name__ == "__main__":
    main()
