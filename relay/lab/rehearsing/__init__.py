"""Rehearsing: a day's mail through the real scheduler in seconds, to providers with hidden quotas.

`world` runs it in virtual time: real scheduler, settle and classifier, a shaping to be tried, a
store in memory, a transport without sockets. `scoring` reads the providers' own books, never what
the relay says of itself; `oracles` say what could have been done.
"""
