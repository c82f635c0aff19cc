# SPDX-License-Identifier: Apache-2.0
"""An identity provider: SAML assertions that xmlsec1 signs, indented and in no canonical form, as such programs write them."""

from __future__ import annotations

import base64
import secrets
import subprocess
import time
from pathlib import Path

from standin.assertion_checks import template
from standin.saml import SAML


def instant(offset_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + offset_s))


def assertion(key: Path, issuer: str, user: str, url: str, *, life_s: float = 180, encoded: bool = False) -> bytes:
    """A bearer assertion of `issuer` for `user` at the token endpoint of `url`, good for life_s (negative: expired so long ago); encoded: base64url of it."""
    name = "_" + secrets.token_hex(8)
    path = key.with_suffix(".template")
    path.write_text(template(id=name, uri="#" + name, issuer=issuer, user=user, recipient=f"{url}/services/oauth2/token", audience=url,
                             begin=instant(min(life_s, 0) - 30), end=instant(life_s), issued=instant(min(life_s, 0) - 30)))
    done = subprocess.run(["xmlsec1", "--sign", "--privkey-pem", str(key), "--id-attr:ID", SAML + ":Assertion", str(path)], check=True, capture_output=True)
    return base64.urlsafe_b64encode(done.stdout).rstrip(b"=") + b"\n" if encoded else done.stdout
