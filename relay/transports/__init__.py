"""Transports: from a leased delivery to an attempt, over SMTP, within what shaping permits."""
