"""Real mail programs for tests: each lives in a root of its own, and the machine is never changed.

`make peers` fetches them (as root); `@pytest.mark.peer("postfix")` asks for one; `postfix`,
`clients` and `mail_dkim` drive them; `roots.Peer` runs anything else in such a root.
"""
