"""What all tests share: the plugin that skips, loudly, what needs a missing peer."""

pytest_plugins = ("tests.peers.plugin",)
