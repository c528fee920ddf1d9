"""The store: queue and inbox behind two protocols, written by one writer, in one commit."""
