"""`lpse-relay keys`: make a DKIM key, print its DNS record, compare what is published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.site import ConfigOption, JsonOption, config_file, look_for_config
from relay.cli.terminal import REFUSED, USAGE, as_json, fail, note, say, table
from relay.config import SourceError

if TYPE_CHECKING:
    import dns.resolver

    from relay.mail.dkim import Key

app = typer.Typer(no_args_is_help=True, help="DKIM keys: make one, check what is published.")

STRING = 255  # octets of one string of a TXT record (RFC 1035 3.3)


@app.command("new")
def new(
    domain: Annotated[str, typer.Argument(help="the From domain that it signs for")],
    selector: Annotated[str, typer.Option(help="its name in DNS")] = "s1",
    bits: Annotated[int, typer.Option(min=1024, max=4096)] = 2048,
    out: Annotated[
        Path | None,
        typer.Option(help="default: keys/SELECTOR.DOMAIN.pem beside relay.yaml"),
    ] = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Make a key and print the DNS record that publishes it, and the lines for relay.yaml."""
    from relay.mail.dkim import dns_record

    home = _home(config)
    file = out or home / "keys" / f"{selector}.{domain}.pem"
    key = _made(file, domain, selector, bits)
    shown = _shown(file, home)
    if json:
        as_json(
            {
                "domain": key.domain,
                "selector": key.selector,
                "key_file": shown,
                "record_name": key.record_name,
                "record": dns_record(key),
            }
        )
        return
    note(f"made {file} (mode 0600)")
    _publish(key)
    say("And write into relay.yaml:")
    say("dkim:")
    say(f"  - {{domain: {key.domain}, selector: {key.selector}, key_file: {shown}}}")


def _made(file: Path, domain: str, selector: str, bits: int) -> Key:
    """A new key in its file; ends with 2 for names that are none, 1 where it cannot be written."""
    from relay.config import keys
    from relay.mail.dkim import DkimKeyError

    try:
        return keys.new(file, domain, selector, bits)
    except DkimKeyError as error:
        fail(f"keys new: {error}", USAGE)
    except FileExistsError:
        fail(f"{file} exists; a key is never overwritten (--out another, or --selector s2)")
    except OSError as error:
        fail(f"{error.filename or file}: {error.strerror}")


def _publish(key: Key) -> None:
    """The record in both forms that people need: panels split no value, zone files must."""
    from relay.mail.dkim import dns_record

    record = dns_record(key)
    say("Publish this TXT record. For a web panel: the name, and the value in one piece, no quotes")
    say(f"(a panel that adds {key.domain} by itself wants {key.selector}._domainkey alone):")
    say(f"name   {key.record_name}")
    say(f"value  {record}")
    say(f"For a zone file, this line; its strings of {STRING} characters are one value to DNS:")
    say(f'{key.record_name}. IN TXT "{_quoted(record)}"')


def _home(config: Path | None) -> Path:
    """The folder that a relative `key_file` is relative to; the working one without relay.yaml."""
    try:
        found = look_for_config(config)
    except SourceError as error:
        fail(error, USAGE)
    return found.parent if found else Path()


def _shown(file: Path, home: Path) -> str:
    """The file as relay.yaml should name it."""
    absolute = file.absolute()
    folder = home.absolute()
    inside = absolute.is_relative_to(folder)
    return str(absolute.relative_to(folder) if inside else absolute)


def _quoted(record: str) -> str:
    """A TXT record in strings of at most 255 octets, as zone files want it."""
    return '" "'.join(record[i : i + STRING] for i in range(0, len(record), STRING))


@app.command("check")
def check(
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: Annotated[
        Path | None,
        typer.Option("--state", help="taken as by other commands; keys do not lie there"),
    ] = None,
) -> None:
    """Sign a sample with every key, and compare the published records; exit 1 if one differs, 2
    where a key cannot be read, as `check` says it."""
    from relay.config import keys, read_all
    from relay.transports.lookup import resolver_of

    file = config_file(config)
    try:
        read = read_all(file)
        resolver = resolver_of(read.settings.dns)
    except ValueError as error:  # SourceError is one
        fail(error, USAGE)
    found, problems = keys.load(read.main, read.settings.dkim)
    if problems:
        fail(SourceError(problems), USAGE)
    rows = [[key.domain, key.record_name, _verdict(key, resolver)] for key in found.values()]
    if json:
        as_json([{"domain": d, "record": r, "problem": p or None} for d, r, p in rows])
    elif rows:
        table(["domain", "record", ""], ([d, r, p or "ok"] for d, r, p in rows))
    else:
        say("no keys are configured: letters leave unsigned")
    if any(problem for *_, problem in rows):
        raise typer.Exit(REFUSED)


def _verdict(key: Key, resolver: dns.resolver.Resolver) -> str:
    """What is wrong with a key, its published record included; empty where nothing is."""
    import dns.exception
    import dns.resolver

    from relay.clock import SystemClock
    from relay.mail.dkim import SigningError, dns_record, public_matches, referee
    from relay.transports.lookup import unanswered

    try:
        answer = list(resolver.resolve(key.record_name, "TXT"))
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return f'not published; add: "{dns_record(key)}"'
    except (dns.exception.DNSException, OSError) as error:
        return f"DNS does not tell: {unanswered(key.record_name, 'TXT', error)}"
    if len(answer) > 1:
        return f"{len(answer)} TXT records are published: receivers may take any; leave one"
    record = b"".join(answer[0].strings).decode("ascii", "replace")
    differs = public_matches(record, key)
    if differs:
        return differs
    try:
        referee(key, record, SystemClock().now())
    except SigningError as error:
        return str(error)
    return ""
