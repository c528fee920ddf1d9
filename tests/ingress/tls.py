"""A throw-away certificate for 127.0.0.1, made once a run."""

from __future__ import annotations

import ssl
import tempfile
from functools import cache
from pathlib import Path

from relay.ingress.policy import certificate
from tests.peers.certificates import Certificate, self_signed


@cache
def made() -> Certificate:
    """Certificate and key as PEM files."""
    return self_signed(Path(tempfile.mkdtemp(prefix="relay-test-")), "127.0.0.1")


def server() -> ssl.SSLContext:
    """What the door is given."""
    return certificate(made().certificate_file, made().key_file)


def client() -> ssl.SSLContext:
    """Trusts that certificate alone."""
    return ssl.create_default_context(cafile=made().certificate_file)
