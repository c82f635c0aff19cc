# SPDX-License-Identifier: Apache-2.0
"""The servers that test_http.c talks to: http_server.py DIRECTORY

Prints one line a server, "NAME PORT", then "ready". Ends with standard input. What a server does is said by the path; /seen on the plain
server answers what the others have seen. Certificates are those of the stand-in, their authority is DIRECTORY/ca.pem.
"""
import asyncio
import json
import os
import sys
from email.utils import formatdate
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from standin.ca import Authority                    # noqa: E402

SEEN = {"connections": 0, "trap": 0, "proxy": 0, "posts": 0, "request": ""}


def answer(status="200 OK", body=b"{}", **headers):
    head = {"Content-Type": "application/json", "Content-Length": len(body)}
    head.update({name.replace("_", "-"): value for name, value in headers.items()})
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items() if value is not None)
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


async def pour(writer, piece, pause=0.0, pieces=1 << 30):
    """Send the same bytes until the client has had enough."""
    for _ in range(pieces):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(pause)


async def special(path, writer):
    """What ends with the connection."""
    if path == "/huge":
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await pour(writer, b"10000\r\n" + b"x" * 65536 + b"\r\n", 0, 3200)
    elif path == "/slow":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        await pour(writer, b"x", 0.05)
    elif path == "/headers":
        writer.write(b"HTTP/1.1 200 OK\r\n")
        await pour(writer, b"X-Header: " + b"x" * 1000 + b"\r\n")
    elif path == "/informational":
        await pour(writer, b"HTTP/1.1 103 Early Hints\r\nX-Header: " + b"x" * 1000 + b"\r\n\r\n")
    elif path == "/hang":
        await asyncio.sleep(3600)
    elif path == "/cut":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    elif path in ("/cut-token", "/hang-token"):
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"refresh_token":"new","acc')
        await writer.drain()
        if path == "/hang-token":
            await asyncio.sleep(3600)
    elif path == "/old":
        writer.write(b"{}")
    elif path == "/parting":
        writer.write(answer())
    elif path == "/unframed":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}")
    elif path != "/drop":
        return False
    return True


def plain(path, ports):
    if path.startswith("/redirect"):
        return answer(f"{path[9:]} Moved", b"", Location=f"http://127.0.0.1:{ports['trap']}/x?secret")
    if path.startswith("/body"):
        return answer(body=b"a" * int(path[5:]))
    if path == "/seen":
        return answer(body=json.dumps(SEEN).encode())
    if path == "/again":
        late = b"Retry-After: 7\r\nRetry-After: 40\r\nDate: " + formatdate(1000000000, usegmt=True).encode() + b"\r\n"
        return answer("503 Busy", b"").replace(b"\r\n\r\n", b"\r\n" + late + b"\r\n")
    if path == "/again-date":
        return answer("429 Slow", b"", Date=formatdate(1000000000, usegmt=True),
                      Retry_After=formatdate(1000000050, usegmt=True))
    if path == "/gzip":
        return answer(body=b"\x1f\x8b\x08nonsense", Content_Encoding="gzip")
    if path == "/cookie":
        return answer(Set_Cookie="name=value")
    return answer()


async def read_request(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    size = 0
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            size = int(value)
    return head, (await reader.readexactly(size)).decode("latin-1")


async def serve(name, ports, reader, writer):
    try:
        SEEN["trap"] += name == "trap"
        SEEN["proxy"] += name == "proxy"
        SEEN["connections"] += 1
        while True:
            head, body = await read_request(reader)
            path = head.split(" ")[1]
            if path != "/seen":
                SEEN["request"] = head + body
                SEEN["posts"] += head.startswith("POST")
            if name == "proxy":
                writer.write(answer(body=b'{"proxy":true}'))
            elif await special(path, writer):
                break
            else:
                writer.write(plain(path, ports))
            await writer.drain()
            if path == "/once":  # the next request on this connection finds it closed
                head, _ = await read_request(reader)
                SEEN["posts"] += head.startswith("POST")
                break
    except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
        pass
    finally:
        writer.close()


async def main():
    authority = Authority(Path(sys.argv[1]))
    ports = {}
    for name in ("plain", "trap", "proxy", "good", "expired", "wrong_name", "self_signed", "tls1_1"):
        tls = None if name in ("plain", "trap", "proxy") else authority.context(name)
        server = await asyncio.start_server(lambda r, w, name=name: serve(name, ports, r, w), "127.0.0.1", 0,
                                            ssl=tls, backlog=512)
        ports[name] = server.sockets[0].getsockname()[1]
        print(name, ports[name])
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)  # whatever still runs is of no interest


asyncio.run(main())
