"""TLS: which certificate is believed where, and who gets no second try in the clear.

Between mail servers a certificate proves nothing (anybody who can change an MX answer has one of
their own), so `required` and `opportunistic` mean encrypted, not verified. Where a password is
sent, or `smtps://` is written, the certificate must verify against the system's roots.
"""

from __future__ import annotations

import ssl
import warnings


class Contexts:
    """The client contexts, made once: loading the system's roots costs some 20 ms."""

    def __init__(self, is_lab: bool = False, ca_file: str | None = None) -> None:
        """``is_lab``: self-signed certificates are good enough everywhere; ``ca_file``: further
        roots that are believed."""
        self._is_lab = is_lab
        self._ca_file = ca_file
        self.opportunistic = _unverified(ssl.TLSVersion.MINIMUM_SUPPORTED, "DEFAULT:@SECLEVEL=0")
        self.required = _unverified(ssl.TLSVersion.TLSv1_2, None)
        self._verified: ssl.SSLContext | None = None

    @property
    def verified(self) -> ssl.SSLContext:
        """Chain and name are checked."""
        if self._verified is None:
            if self._is_lab:
                self._verified = self.required
            else:
                self._verified = ssl.create_default_context()
                self._verified.minimum_version = ssl.TLSVersion.TLSv1_2
                if self._ca_file is not None:
                    self._verified.load_verify_locations(self._ca_file)
        return self._verified

    def of(self, is_verified: bool, is_required: bool) -> ssl.SSLContext:
        """The context for a route."""
        if is_verified:
            return self.verified
        return self.required if is_required else self.opportunistic


def _unverified(lowest: ssl.TLSVersion, ciphers: str | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with warnings.catch_warnings():
        # Where plain text is the alternative, the oldest TLS is still better.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = lowest
    if ciphers is not None:
        context.set_ciphers(ciphers)
    return context
