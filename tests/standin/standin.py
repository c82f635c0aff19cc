#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The stand-in for Salesforce as a program: see README.md."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import resource
import signal
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from standin.control import Control                 # noqa: E402
from standin.server import Server                   # noqa: E402


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="for ca.pem and ready.json")
    parser.add_argument("--name", default="", help="a host name of it, which its certificate has beside localhost")
    parser.add_argument("--port", type=int, default=0, help="default: one that the kernel chooses")
    parser.add_argument("--http", action="store_true", help="plain http, no TLS")
    parser.add_argument("--time-scale", type=float, default=1.0,
                        help="how many times as fast sessions age")
    parser.add_argument("--config", type=Path, help="a first configuration, as for POST /config")
    parser.add_argument("--exit-on-eof", action="store_true",
                        help="end when standard input does")
    return parser.parse_args()


def raise_file_limit() -> None:
    """Thousands of callers at once need as many descriptors."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def avoid_pauses() -> None:
    """A full collection over a long log takes 0.2 s, in which nobody would be answered."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 1_000)


def write_ready(directory: Path, server: Server, control_port: int) -> None:
    """ready.json, whole or not at all: a reader sees it when everything listens."""
    ready = {"port": server.port, "url": server.world.origin, "ca": str(directory / "ca.pem"),
             "control_url": f"http://127.0.0.1:{control_port}", "pid": os.getpid()}
    unfinished = directory / ".ready.json.new"
    unfinished.write_text(json.dumps(ready) + "\n")
    unfinished.rename(directory / "ready.json")


def watch_input(stop: asyncio.Event) -> None:
    """End with whoever started us, even if he was killed."""
    def readable() -> None:
        if not os.read(0, 4096):
            asyncio.get_running_loop().remove_reader(0)
            stop.set()
    asyncio.get_running_loop().add_reader(0, readable)


async def serve(options: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options.exit_on_eof:
        watch_input(stop)
    server = Server(options.dir, options.http, options.time_scale, options.port, options.name)
    control = Control(server)
    if options.config:
        control.configure(json.loads(options.config.read_text()))
    await server.listen()
    steering = await loop.create_server(control.connection, "127.0.0.1", 0)
    avoid_pauses()
    write_ready(options.dir, server, steering.sockets[0].getsockname()[1])
    await stop.wait()
    server.disconnect()


def main() -> None:
    options = arguments()
    options.dir = options.dir.resolve()
    options.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    raise_file_limit()
    asyncio.run(serve(options))


if __name__ == "__main__":
    main()
