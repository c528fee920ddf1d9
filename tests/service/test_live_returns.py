"""The return domain as DNS shows it: its MX, its SPF, and DMARC's alignment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from relay.config import load
from tests.service.test_live import DOMAIN, NAME, Site, published

RETURN = f"bounce.{DOMAIN}"


@asynccontextmanager
async def returning(folder: Path, domain: str = RETURN) -> AsyncIterator[Site]:
    """Published right."""
    async with published(folder) as site:
        text = site.config.file.read_text() + f"return_path: {{domain: {domain}}}\n"
        site.config.file.write_text(text)
        site.config = load(site.config.file)
        site.zone.domain(domain, NAME)
        site.zone.txt[domain] = "v=spf1 ip4:192.0.2.7 -all"
        yield site


async def test_what_is_right_is_no_problem(tmp_path: Path) -> None:
    async with returning(tmp_path) as site:
        assert await site.found() == []
        site.zone.host("mx.other.example", "192.0.2.7")  # another name of the same machine
        site.zone.domain(RETURN, "mx.other.example")
        site.zone.txt[RETURN] = "v=spf1 include:_spf.example.go.id ~all"
        assert await site.found() == []


async def test_the_from_domain_itself_is_aligned(tmp_path: Path) -> None:
    async with returning(tmp_path, DOMAIN) as site:
        site.zone.txt[f"_dmarc.{DOMAIN}"] = "v=DMARC1; p=reject; aspf=s"
        assert await site.found() == []


async def test_what_is_missing_is_named(tmp_path: Path) -> None:
    async with returning(tmp_path) as site:
        site.zone.mx.clear()
        del site.zone.txt[RETURN]
        assert await site.found() == [
            f"return_path.domain: {RETURN} has no MX: nothing comes back | {RETURN}. MX 10 {NAME}.",
            f"return_path.domain: {RETURN} has no v=spf1 record: every letter leaves under it"
            " | v=spf1 ip4:THE-RELAY'S-ADDRESS -all",
        ]


async def test_what_leads_elsewhere_is_named(tmp_path: Path) -> None:
    async with returning(tmp_path) as site:
        site.zone.host("mx.other.example", "192.0.2.8")
        site.zone.domain(RETURN, "mx.other.example")
        site.zone.txt[RETURN] = "v=spf1 ip4:192.0.2.8 -all"
        assert await site.found() == [
            f"return_path.domain: the MX of {RETURN} is mx.other.example: what comes back does not"
            f" come here | {RETURN}. MX 10 {NAME}.",
            f"return_path.domain: the SPF record of {RETURN} does not name 192.0.2.7"
            " | v=spf1 ip4:192.0.2.7 -all",
        ]


async def test_strict_alignment_is_told(tmp_path: Path) -> None:
    async with returning(tmp_path) as site:
        site.zone.txt[f"_dmarc.{DOMAIN}"] = "v=DMARC1; p=none; aspf = s; adkim=r"
        (found,) = await site.found()
        assert "its DMARC record says aspf=s" in found
        assert found.endswith("DMARC rests on DKIM alone then | aspf=r")


async def test_another_domain_is_not_aligned(tmp_path: Path) -> None:
    async with returning(tmp_path, "bounce.other.example") as site:
        (found,) = await site.found()
        assert f"not aligned with From @{DOMAIN} (it is no sub-domain of the other)" in found
        assert found.endswith(f"DMARC rests on DKIM alone then | domain: bounce.{DOMAIN}")
        text = site.config.file.read_text()
        site.config.file.write_text(text[: text.index("dkim:")] + text[text.index("dns:") :])
        site.config = load(site.config.file)
        (found,) = await site.found()
        assert "no DKIM key signs for it: its letters fail DMARC" in found


@pytest.mark.parametrize("name", [RETURN])
async def test_a_name_server_that_fails_is_not_a_missing_record(tmp_path: Path, name: str) -> None:
    async with returning(tmp_path) as site:
        site.zone.broken.add(name)
        assert [one.partition(" | ")[0] for one in await site.found()] == [
            f"return_path.domain: DNS does not tell the MX of {name}",
            f"return_path.domain: DNS does not tell the TXT of {name}",
        ]
