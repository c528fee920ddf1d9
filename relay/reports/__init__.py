"""What an LPSE wants to know afterwards: addresses to correct, deliveries, an old server's logs."""
