# SPDX-License-Identifier: Apache-2.0
"""Verifies a JWT with PyJWT, which shares no code with the mint: verify_jwt.py PUBLIC.pem < assertion prints header and claims."""
import json
import sys

import jwt

token = sys.stdin.read()
try:
    with open(sys.argv[1], encoding="ascii") as pem:
        claims = jwt.decode(token, pem.read(), algorithms=["RS256"], options={"verify_exp": False, "verify_aud": False})
except jwt.InvalidTokenError:
    sys.exit(1)
print(json.dumps([jwt.get_unverified_header(token), claims], separators=(",", ":")))
