"""`lpse-relay keys`: make a DKIM key, print its DNS record, compare what is published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import dns.exception
import dns.resolver
import typer

from relay.cli.site import ConfigOption, JsonOption, config_file
from relay.cli.terminal import REFUSED, USAGE, as_json, fail, note, say, table
from relay.clock import SystemClock
from relay.config import SourceError, keys, read_all
from relay.mail.dkim import (
    DkimKeyError,
    Key,
    SigningError,
    dns_record,
    load_key,
    public_matches,
    referee,
)
from relay.transports.mx import resolver_of

app = typer.Typer(no_args_is_help=True, help="DKIM keys: make one, check what is published.")


@app.command("new")
def new(
    domain: Annotated[str, typer.Argument(help="the From domain that it signs for")],
    selector: Annotated[str, typer.Option(help="its name in DNS")] = "s1",
    bits: Annotated[int, typer.Option(min=1024, max=4096)] = keys.BITS,
    out: Annotated[Path | None, typer.Option(help="default: keys/SELECTOR.DOMAIN.pem")] = None,
) -> None:
    """Make a key and print the DNS record that publishes it, and the line for relay.yaml."""
    file = out or Path("keys") / f"{selector}.{domain}.pem"
    try:
        keys.make(file, bits)
        key = load_key(file.read_bytes(), domain, selector)
    except FileExistsError:
        fail(f"{file} exists; a key is never overwritten (--out another, or --selector s2)")
    except DkimKeyError as error:
        file.unlink()
        fail(error, USAGE)
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    note(f"made {file} (mode 0600)")
    say("Publish this record:")
    say(f'{key.record_name}. IN TXT "{_quoted(dns_record(key))}"')
    say("and write into relay.yaml:")
    say(f"dkim:\n  - {{domain: {domain}, selector: {selector}, key_file: {file}}}")


def _quoted(record: str) -> str:
    """A TXT record in strings of at most 255 octets, as zone files want it."""
    return '" "'.join(record[i : i + 255] for i in range(0, len(record), 255))


@app.command("check")
def check(json: JsonOption = False, config: ConfigOption = None) -> None:
    """Sign a sample with every key, and compare the published records; exit 1 if one differs."""
    file = config_file(config)
    try:
        read = read_all(file)
    except SourceError as error:
        fail(error, USAGE)
    found, problems = keys.load(read.main, read.settings.dkim)
    resolver = resolver_of(read.settings.dns)
    rows = [[p.key, "", str(p.message)] for p in problems]
    rows += [[key.domain, key.record_name, _verdict(key, resolver)] for key in found.values()]
    if json:
        as_json([{"domain": d, "record": r, "problem": p or None} for d, r, p in rows])
    else:
        table(["domain", "record", ""], ([d, r, p or "ok"] for d, r, p in rows))
        if not rows:
            say("no keys are configured: letters leave unsigned")
    if any(problem for *_, problem in rows):
        raise typer.Exit(REFUSED)


def _verdict(key: Key, resolver: dns.resolver.Resolver) -> str:
    """What is wrong with a key, its published record included; empty where nothing is."""
    try:
        answer = resolver.resolve(key.record_name, "TXT")
        record = b"".join(next(iter(answer)).strings).decode("ascii", "replace")
    except dns.resolver.NXDOMAIN:
        return f'not published; add: "{dns_record(key)}"'
    except (dns.exception.DNSException, OSError) as error:
        return f"DNS does not tell: {type(error).__name__}"
    differs = public_matches(record, key)
    if differs:
        return differs
    try:
        referee(key, record, SystemClock().now())
    except SigningError as error:
        return str(error)
    return ""
