# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Salesforce on loopback. Tests use `from standin import Standin`; see README.md."""

from .standin_client import Standin, StandinError, make_key

__all__ = ["Standin", "StandinError", "make_key"]
