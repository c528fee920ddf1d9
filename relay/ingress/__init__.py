"""Ingress: the door that LPSE's application knocks on; aiosmtpd's state machine under our rules."""
