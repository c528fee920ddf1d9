"""Real mail clients: each sends a letter to a server and says how it ended.

Every function takes the server and the letter and returns `Sent`. The plain ones (swaks, curl,
msmtp, nullmailer, Nodemailer) send the letter's octets; PHPMailer and commons-email write a letter
of their own from its From, Subject and text. JavaMail gives a letter its own Message-ID whenever it
sends. No client checks the server's certificate unless `properties` or options say so.
"""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from tests.peers.catalogue import HERE, NODE
from tests.peers.roots import HOME, Peer

JARS = ("javax.mail.jar", "commons-email.jar", "javax.activation.jar")
CLASSPATH = ":".join(f"/usr/share/java/{jar}" for jar in JARS)
"""Debian's jars; commons-email works with JavaMail as it is packaged there."""

PATIENCE = 120
"""Seconds that a client may take before it is killed and `subprocess.TimeoutExpired` raised."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where to send, and how to present oneself there."""

    port: int
    address: str = "127.0.0.1"
    user: str | None = None
    password: str = ""
    starttls: bool = False


@dataclass(frozen=True, slots=True)
class Letter:
    """What to send: the envelope and the octets, with CRLF."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes

    def parsed(self) -> EmailMessage:
        """The letter for clients that write their own."""
        return email.message_from_bytes(self.content, policy=email.policy.default)

    def text(self) -> str:
        """The first text part, lines ended by LF."""
        body = self.parsed().get_body(("plain",))
        return body.get_content() if body is not None else ""

    def with_newlines(self) -> bytes:
        """The octets as a file on Unix has them, for clients that make CRLF themselves."""
        return self.content.replace(b"\r\n", b"\n")


@dataclass(frozen=True, slots=True)
class Sent:
    """How a client ended: 0 is success for every one of them; its output holds what it heard."""

    exit_code: int
    output: str


def _run(
    peer: str,
    command: Sequence[str | os.PathLike[str]],
    content: bytes,
    environment: Mapping[str, str] | None = None,
) -> Sent:
    done = Peer(peer, share=(HOME,)).run(
        command, content=content, timeout=PATIENCE, environment=environment
    )
    return Sent(done.returncode, (done.stdout + done.stderr).decode(errors="replace"))


def swaks(server: Server, letter: Letter, *options: str) -> Sent:
    """Sends with swaks; its output is the whole dialogue."""
    command = [
        *("swaks", "--server", server.address, "--port", str(server.port)),
        *("--from", letter.sender, "--to", ",".join(letter.recipients), "--data", "-"),
        *(("--tls",) if server.starttls else ()),
    ]
    if server.user is not None:
        command += ["--auth-user", server.user, "--auth-password", server.password, "--auth"]
    return _run("clients", [*command, *options], letter.content)


def curl_smtp(server: Server, letter: Letter, *options: str) -> Sent:
    """Sends with curl; its output is the whole dialogue."""
    command = [
        *("curl", "--silent", "--show-error", "--verbose", "--noproxy", "*", "--disable"),
        *("--url", f"smtp://{server.address}:{server.port}/curl.example.net"),
        *("--mail-from", letter.sender, "--upload-file", "-"),
        *(word for recipient in letter.recipients for word in ("--mail-rcpt", recipient)),
        *(("--ssl-reqd", "--insecure") if server.starttls else ()),
    ]
    if server.user is not None:
        command += ["--user", f"{server.user}:{server.password}"]
    return _run("clients", [*command, *options], letter.content)


def msmtp(server: Server, letter: Letter, *options: str) -> Sent:
    """Sends with msmtp; exit codes are those of sysexits.h."""
    tls = ("on", "on") if server.starttls else ("off", "off")
    command = [
        *("msmtp", "--debug", f"--host={server.address}", f"--port={server.port}"),
        *(f"--tls={tls[0]}", f"--tls-starttls={tls[1]}", "--tls-certcheck=off"),
        f"--from={letter.sender}",
    ]
    if server.user is not None:
        command += ["--auth=plain", f"--user={server.user}"]
        command += ["--passwordeval=printenv PEER_PASSWORD"]
    return _run(
        "clients",
        [*command, *options, "--", *letter.recipients],
        letter.with_newlines(),
        {"PEER_PASSWORD": server.password},
    )


def nullmailer(server: Server, letter: Letter, *options: str) -> Sent:
    """Sends with nullmailer's SMTP program; exit codes below 32 are temporary, above permanent."""
    flags = [f"--host={server.address}", f"--port={server.port}"]
    if server.starttls:
        flags += ["--starttls", "--insecure"]
    if server.user is not None:
        flags += [f"--user={server.user}", f"--pass={server.password}"]
    envelope = "".join(f"{line}\n" for line in (letter.sender, *letter.recipients, ""))
    # It wants options on its standard input and the letter on descriptor 3.
    script = 'exec /usr/lib/nullmailer/smtp "$@" 3<&0 </dev/null'
    return _run(
        "clients",
        ["sh", "-c", script, "sh", *flags, *options],
        envelope.encode() + letter.with_newlines(),
        {"HELOHOST": "nullmailer.example.net"},
    )


def _asked(server: Server, letter: Letter) -> dict[str, object]:
    return {
        "address": server.address,
        "port": server.port,
        "user": server.user,
        "password": server.password,
        "starttls": server.starttls,
        "sender": letter.sender,
        "recipients": letter.recipients,
    }


def phpmailer(server: Server, letter: Letter) -> Sent:
    """Sends a letter of PHPMailer's own; its output is the whole dialogue."""
    asked = _asked(server, letter) | {
        "from": str(letter.parsed()["From"].addresses[0].addr_spec),
        "subject": str(letter.parsed()["Subject"]),
        "text": letter.text(),
    }
    return _run("clients", ["php", str(HERE / "php" / "send.php")], json.dumps(asked).encode())


def nodemailer(server: Server, letter: Letter) -> Sent:
    """Sends with Nodemailer; its output is the server's last answer. It never says QUIT."""
    asked = _asked(server, letter) | {"content": base64.b64encode(letter.content).decode()}
    return _run(
        "node",
        ["node", str(HERE / "node" / "send.js")],
        json.dumps(asked).encode(),
        {"NODE_PATH": f"{NODE}/node_modules"},
    )


def java_classes() -> Path:
    """Compiles the Java programs, once for each state of their source; returns their folder."""
    sources = sorted((HERE / "java").glob("*.java"))
    state = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    place = HOME / "java" / state
    if place.exists():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=place.parent))
    command = ["javac", "-cp", CLASSPATH, "-d", str(fresh), *map(str, sources)]
    compiled = _run("clients", command, b"")
    if compiled.exit_code != 0:
        raise RuntimeError(compiled.output)
    try:
        fresh.rename(place)
    except OSError:
        # Another test process was faster, and its classes are the same.
        if not place.exists():
            raise
        shutil.rmtree(fresh)
    return place


def _java(
    program: str,
    server: Server,
    letter: Letter,
    content: bytes,
    properties: Mapping[str, str],
    copies: int,
    separately: bool,
) -> Sent:
    every = {
        "mail.smtp.host": server.address,
        "mail.smtp.port": str(server.port),
        "mail.smtp.from": letter.sender,
    }
    if server.user is not None:
        every |= {"mail.smtp.auth": "true"}
        every |= {"peer.user": server.user, "peer.password": server.password}
    if server.starttls:
        every |= {"mail.smtp.starttls.enable": "true", "mail.smtp.starttls.required": "true"}
        every |= {"mail.smtp.ssl.trust": "*"}
    command = [
        *("java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.net.preferIPv4Stack=true"),
        *("-cp", f"{java_classes()}:{CLASSPATH}"),
        *(f"-D{name}={value}" for name, value in (every | dict(properties)).items()),
        *(program, str(copies), "separately" if separately else "together"),
        *letter.recipients,
    ]
    return _run("clients", command, content)


def javamail(
    server: Server,
    letter: Letter,
    *,
    properties: Mapping[str, str] | None = None,
    copies: int = 1,
    separately: bool = False,
) -> Sent:
    """Sends with JavaMail, `copies` times at once, each in a thread and connection of its own.

    One message to all recipients, or with `separately` one for each. `properties` are JavaMail's,
    such as `mail.smtp.dsn.notify`, `mail.smtp.dsn.ret`, `mail.smtp.sendpartial`; there are no
    time-outs unless they set some. The output has a line a message, `sent …` or `failed …` with
    every exception behind it; the exit code is the number of failures.
    """
    return _java("JavaMail", server, letter, letter.content, properties or {}, copies, separately)


def commons_email(
    server: Server,
    letter: Letter,
    *,
    properties: Mapping[str, str] | None = None,
    copies: int = 1,
    separately: bool = False,
) -> Sent:
    """Sends a letter of commons-email's own as Play 1 does; for the rest see `javamail`."""
    own = {
        "peer.from": str(letter.parsed()["From"].addresses[0].addr_spec),
        "peer.subject": str(letter.parsed()["Subject"]),
    }
    return _java(
        "CommonsEmail",
        server,
        letter,
        letter.text().encode(),
        own | dict(properties or {}),
        copies,
        separately,
    )
