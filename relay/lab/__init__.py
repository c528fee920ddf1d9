"""Lab: a fake internet on loopback — DNS and providers with hidden quotas — for demo and tests."""
