"""Postfix as a peer: a receiving server, and a relay that signs with OpenDKIM.

Each server has its own folder (configuration, queue, mail) and its own processes; all of it is gone
when the context ends. Settings are those that were measured: no look-ups, no limits per client,
OpenDKIM over a unix socket (over TCP it crawls).
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.peers.certificates import Certificate
from tests.peers.ports import POLL, await_greeting, free_port
from tests.peers.roots import Peer

NOBODY = 65534

MASTER = """\
{address}:{port} inet n - n - {processes} smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
pickup unix n - n 60 1 pickup
tlsmgr unix - - n 1000? 1 tlsmgr
tlsproxy unix - - n - 0 tlsproxy
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

BASE = {
    "compatibility_level": "3.6",
    "maillog_file": "/dev/stdout",
    "myhostname": "mx.peer.example.net",
    "mydestination": "",
    "mynetworks": "127.0.0.0/8",
    "inet_protocols": "ipv4",
    "smtpd_peername_lookup": "no",
    "smtp_dns_support_level": "disabled",
    "alias_maps": "",
    "alias_database": "",
    "local_recipient_maps": "",
    "smtpd_client_connection_count_limit": "0",
    "smtpd_client_connection_rate_limit": "0",
    "smtpd_error_sleep_time": "0",
    "in_flow_delay": "0",
    "default_process_limit": "100",
    "mailbox_size_limit": "0",
    "virtual_mailbox_limit": "0",
}
"""What every Postfix here has in common; any of it is overridden by `settings`."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A letter in the receiving Postfix's box: one for each recipient."""

    sender: str
    recipient: str
    content: bytes
    """What the client sent, with CRLF: everything below the lines that Postfix itself added."""

    received: bytes
    """The Received field that Postfix added: it names the client, the protocol and TLS."""


def read_arrived(path: Path) -> Arrived:
    """Takes a file of the maildir apart; Postfix puts its four fields before the letter."""
    lines = path.read_bytes().splitlines(keepends=True)
    added: dict[str, bytes] = {}
    at = 0
    for name in ("Return-Path", "X-Original-To", "Delivered-To", "Received"):
        label = f"{name}: ".encode()
        if not lines[at].startswith(label):
            raise ValueError(f"{path}: {name} expected, got {lines[at]!r}")
        end = at + 1
        while lines[end][:1] in (b" ", b"\t"):
            end += 1
        added[name] = b"".join(lines[at:end])[len(label) :].rstrip()
        at = end
    content = b"".join(line.rstrip(b"\n") + b"\r\n" for line in lines[at:])
    sender = added["Return-Path"].decode().strip("<>")
    return Arrived(sender, added["X-Original-To"].decode(), content, added["Received"])


class _Server:
    """A Postfix of its own: the folder, the processes and the log."""

    def __init__(self, address: str, port: int | None) -> None:
        self.address = address
        self.port = port or free_port(address)
        # Not in pytest's own folder: Postfix's unprivileged daemons must be able to walk there.
        self.home = Path(tempfile.mkdtemp(prefix="postfix-"))
        self.home.chmod(0o755)
        self._peer = Peer("postfix")
        self._processes: list[subprocess.Popen[bytes]] = []
        self._settings: dict[str, str] = {}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self.home)

    def start(self) -> None:
        """Starts the server and returns when it greets; after `stop`, on the same queue."""
        raise NotImplementedError

    def configure(self, **settings: str) -> None:
        """Changes lines of main.cf; they hold from the next `start` on."""
        self._settings |= settings

    def stop(self) -> None:
        """Kills every process of this server, at once and without notice; the files stay."""
        self._peer.close()
        self._processes.clear()

    @property
    def processes(self) -> list[int]:
        """The first processes, of which all others descend."""
        return [process.pid for process in self._processes]

    def log(self) -> str:
        """What the server has logged so far."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.home.glob("*.log")))

    def _spawn(self, name: str, command: Sequence[str]) -> None:
        with (self.home / f"{name}.log").open("ab") as log:
            process = self._peer.popen(command, stdout=log, stderr=subprocess.STDOUT)
        self._processes.append(process)

    def _complaint(self) -> str:
        """Says what a dead process left in the log; empty while all live."""
        if all(process.poll() is None for process in self._processes):
            return ""
        return self.log() or "ended without a word"

    def _configure(self, settings: Mapping[str, str], processes: str = "-") -> Path:
        configuration = self.home / "configuration"
        configuration.mkdir(exist_ok=True)
        queue = self.home / "queue"
        queue.mkdir(exist_ok=True)
        data = self.home / "data"
        data.mkdir(exist_ok=True)
        shutil.chown(data, self._user("postfix"))
        own = {
            "queue_directory": str(queue),
            "data_directory": str(data),
            # Only what the interface is set to may stand here; master.cf names what is listened on.
            "inet_interfaces": "127.0.0.1",
        }
        lines = [f"{name} = {value}\n" for name, value in (BASE | own | dict(settings)).items()]
        (configuration / "main.cf").write_text("".join(lines))
        master = MASTER.format(address=self.address, port=self.port, processes=processes)
        (configuration / "master.cf").write_text(master)
        return configuration

    def _user(self, name: str) -> int:
        """The number that a user of the peer's root has; the machine itself need not know it."""
        said = self._peer.run(["id", "-u", name])
        return int(said.stdout)

    def _start(self, configuration: Path) -> None:
        # The files that come with the package are looked for beside main.cf.
        script = 'cp -n /etc/postfix/* "$1" 2>/dev/null; exec postfix -c "$1" start-fg'
        self._spawn("postfix", ["sh", "-c", script, "sh", str(configuration)])
        await_greeting(self.address, self.port, self._complaint)


class Postfix(_Server):
    """A receiving Postfix: takes mail for every address and keeps it in a maildir, or discards it.

    `replies` maps a recipient to what RCPT answers, such as `550 5.1.1 no such user`; Postfix
    says `<address>: Recipient address rejected:` between the code and the text. `size_limit` is in
    octets. `settings` are lines of main.cf and override everything.
    """

    def __init__(
        self,
        *,
        address: str = "127.0.0.1",
        port: int | None = None,
        pipelining: bool = True,
        certificate: Certificate | None = None,
        replies: Mapping[str, str] | None = None,
        size_limit: int = 52_428_800,
        discard: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(address, port)
        self._settings = {
            "virtual_mailbox_domains": "regexp:{{/./ any}}",
            "virtual_mailbox_maps": "regexp:{{/./ box/}}",
            "virtual_mailbox_base": str(self.home / "mail"),
            "virtual_uid_maps": f"static:{NOBODY}",
            "virtual_gid_maps": f"static:{NOBODY}",
            "virtual_minimum_uid": "1",
            "virtual_transport": "discard" if discard else "virtual",
            "message_size_limit": str(size_limit),
            "smtpd_discard_ehlo_keywords": "" if pipelining else "pipelining",
            "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "smtpd_recipient_restrictions": "check_recipient_access "
            f"texthash:{self.home}/replies, permit_mynetworks, reject",
        }
        if certificate is not None:
            self._settings |= self._tls(certificate)
        self._settings |= dict(settings or {})
        rows = [f"{recipient} {reply}\n" for recipient, reply in (replies or {}).items()]
        (self.home / "replies").write_text("".join(rows))

    def _tls(self, certificate: Certificate) -> dict[str, str]:
        """Its settings; the files are copied to where Postfix may read them."""
        made = {"smtpd_tls_security_level": "may", "smtpd_tls_received_header": "yes"}
        for name, path in (
            ("smtpd_tls_cert_file", certificate.certificate_file),
            ("smtpd_tls_key_file", certificate.key_file),
        ):
            copy = self.home / path.name
            shutil.copy(path, copy)
            made[name] = str(copy)
        return made

    def start(self) -> None:
        mail = self.home / "mail"
        mail.mkdir(exist_ok=True)
        shutil.chown(mail, NOBODY, NOBODY)
        self._start(self._configure(self._settings))

    def arrived(self) -> list[Arrived]:
        """The letters delivered so far, oldest first."""
        box = self.home / "mail" / "box" / "new"
        if not box.exists():
            return []
        files = sorted(box.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        return [read_arrived(path) for path in files]

    def await_arrived(self, count: int, limit: float = 20) -> list[Arrived]:
        """Waits until so many letters have arrived, at most `limit` seconds.

        A `TimeoutError` quotes the log's last lines.
        """
        until = time.monotonic() + limit
        while len(letters := self.arrived()) < count:
            if time.monotonic() > until:
                tail = "\n".join(self.log().splitlines()[-20:])
                raise TimeoutError(f"{len(letters)} of {count} letters after {limit} s:\n{tail}")
            time.sleep(POLL)
        return letters


OPENDKIM = """\
Syslog no
UserID opendkim
Mode s
Canonicalization relaxed/relaxed
SignatureAlgorithm rsa-sha256
OversignHeaders From
InternalHosts 127.0.0.0/8
Background no
RequireSafeKeys no
Socket local:{socket}
Domain {domain}
Selector {selector}
KeyFile {key_file}
UMask 000
"""


class PostfixRelay(_Server):
    """Postfix as a relay before `next_hop` on loopback, signing with OpenDKIM where a key is given.

    This is the peer that the relay is measured against, tuned: 100 processes, no flow delay, 50
    connections to the next hop. `signed_domain` is the From domain that it signs, by `selector`.
    """

    def __init__(
        self,
        next_hop: int,
        *,
        address: str = "127.0.0.1",
        port: int | None = None,
        key_pem: bytes | None = None,
        signed_domain: str = "lpse.example.go.id",
        selector: str = "s1",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(address, port)
        self._settings = {
            "myhostname": "relay.peer.example.net",
            "relayhost": f"[127.0.0.1]:{next_hop}",
            "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "smtp_destination_concurrency_limit": "50",
            "initial_destination_concurrency": "20",
        }
        self._key_pem = key_pem
        self._signer = OPENDKIM.format(
            socket=self.home / "opendkim" / "socket",
            domain=signed_domain,
            selector=selector,
            key_file=self.home / "opendkim" / "key.pem",
        )
        if key_pem is not None:
            self._settings |= {
                "smtpd_milters": f"unix:{self.home}/opendkim/socket",
                "milter_default_action": "tempfail",
                "milter_protocol": "6",
            }
        self._settings |= dict(settings or {})

    def start(self) -> None:
        if self._key_pem is not None:
            self._start_signer(self._key_pem)
        self._start(self._configure(self._settings))

    def _start_signer(self, key_pem: bytes) -> None:
        place = self.home / "opendkim"
        place.mkdir(exist_ok=True)
        (place / "socket").unlink(missing_ok=True)
        user = self._user("opendkim")
        (place / "key.pem").touch(mode=0o600)
        (place / "key.pem").write_bytes(key_pem)
        (place / "opendkim.conf").write_text(self._signer)
        for path in (place, place / "key.pem"):
            shutil.chown(path, user)
        # It takes no configuration from below a folder that others may write to, as /tmp is.
        script = 'cp "$1" /etc/opendkim.conf && exec opendkim -f'
        self._spawn("opendkim", ["sh", "-c", script, "sh", str(place / "opendkim.conf")])
        until = time.monotonic() + 20
        while not (place / "socket").exists():
            if said := self._complaint():
                raise RuntimeError(f"opendkim: {said}")
            if time.monotonic() > until:
                raise TimeoutError(f"opendkim made no socket within 20 s: {self.log()}")
            time.sleep(POLL)

    def queued(self) -> int:
        """Counts the letters in the queue, waiting or being sent."""
        folders = ("incoming", "active", "deferred", "maildrop")
        places = [self.home / "queue" / folder for folder in folders]
        return sum(path.is_file() for place in places for path in place.rglob("*"))
