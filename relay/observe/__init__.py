"""Observe: one event in, a log line and counters out; never in the way of mail."""
