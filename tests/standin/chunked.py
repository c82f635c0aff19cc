# SPDX-License-Identifier: Apache-2.0
"""Request bodies in chunks (RFC 9112 7.1): jsforce sends all of its so."""

from __future__ import annotations

from typing import Optional


def take(buffer: bytearray, maximum: int) -> Optional[bytes]:
    """Cut a whole body off the front of the buffer; None while some of it is missing. ValueError:
    it is none, or longer than maximum."""
    body, at = bytearray(), 0
    while True:
        end = buffer.find(b"\r\n", at)
        if end < 0:
            if len(buffer) - at > 1024:
                raise ValueError("chunk size")
            return None
        size = int(buffer[at:end].partition(b";")[0], 16)
        if size < 0 or len(body) + size > maximum:
            raise ValueError("chunk size")
        at = end + 2
        if size == 0:
            break
        if len(buffer) < at + size + 2:
            return None
        body += buffer[at:at + size]
        if buffer[at + size:at + size + 2] != b"\r\n":
            raise ValueError("end of a chunk")
        at += size + 2
    if len(buffer) < at + 2:
        return None
    if buffer[at:at + 2] != b"\r\n":
        raise ValueError("trailers")
    del buffer[:at + 2]
    return bytes(body)
