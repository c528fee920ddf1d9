"""Quotas: providers with hidden limits and penalties, drawn by seed, for rehearsing.

A drawn provider is one of six models whose numbers were drawn by a seed from the ranges in
`models/*.yaml`. It behaves as a real one does towards a sender that it does not know: it counts
each RCPT in sliding windows by our IP, d= and MAIL FROM domain, refuses in that provider's own
words, punishes, forgets, and says nothing of its numbers. What it answers goes to the relay; what
it writes into its book goes to the scorer.

The same (model, variant, seed) is the same provider, whoever asks, and in whatever order: each
number is a hash of the seed and of what it is for. Only latencies follow the order of the calls.
Nothing in here reads a clock or waits; `now` never steps back.

A round goes connect → mail → rcpt → end (each recipient) → closed; a refusal that closes the
connection (421, a banner) is followed by `closed` too. A variant changes the quota in the course
of a run (`fall`, `diurnal`) or lets the directory lie for an hour (`false-dead`).
"""

from relay.lab.quotas.draws import MODELS, address, configured_rates, draw, read, tightest
from relay.lab.quotas.variants import VARIANTS

__all__ = ["MODELS", "VARIANTS", "address", "configured_rates", "draw", "read", "tightest"]
