# SPDX-License-Identifier: Apache-2.0
"""Public keys out of certificates."""

from __future__ import annotations

import functools
from typing import Any

from cryptography import x509


@functools.lru_cache(maxsize=8192)
def public_key(cert_pem: str) -> Any:
    """The key that a certificate (PEM) is about."""
    return x509.load_pem_x509_certificate(cert_pem.encode()).public_key()
