"""Scheduler: the heart — what is due, two permits, a transport, the outcome.

A *lane* is one destination's work: leased deliveries, the most urgent first, and the tasks that
carry them. The scheduler wakes lanes by the store's notice, by time and by what came of an attempt;
a lane with nothing to do costs no task. It decides nothing itself: shaping says when, settle says
what.
"""

from relay.scheduler.parts import Classifier, Parts, Tuning
from relay.scheduler.scheduler import Scheduler

__all__ = ["Classifier", "Parts", "Scheduler", "Tuning"]
