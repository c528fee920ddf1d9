"""`python -m relay` is `lpse-relay`."""

from relay.cli import main

main()
