"""Ingress: the door that LPSE's application knocks on; our verbs above aiosmtpd's class."""
