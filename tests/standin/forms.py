# SPDX-License-Identifier: Apache-2.0
"""Forms as they come in bodies and query strings."""

from __future__ import annotations

import email.parser
import email.policy
from urllib.parse import unquote_plus

Pairs = list[tuple[str, str]]


def form_pairs(body: bytes) -> Pairs:
    """application/x-www-form-urlencoded, blanks kept; never fails."""
    text = body.decode("utf-8", "replace")
    pairs = (piece.partition("=") for piece in text.split("&") if piece)
    return [(unquote_plus(name), unquote_plus(value)) for name, _, value in pairs]


def _multipart_pairs(content_type: str, body: bytes) -> Pairs:
    """multipart/form-data: the fields that have a name."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    pairs = []
    for part in message.walk():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(payload, bytes):
            pairs.append((name, payload.decode("utf-8", "replace")))
    return pairs


def body_pairs(content_type: str, body: bytes) -> Pairs:
    """The fields of a body, whichever of the two forms it has."""
    if content_type.partition(";")[0].strip().lower() == "multipart/form-data":
        return _multipart_pairs(content_type, body)
    return form_pairs(body)
