"""The notice's inbox, and a vendor who is in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.web.site import Site, enter, site_of


@pytest.fixture
def site() -> Site:
    return site_of()


@pytest.fixture
async def client(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    """A vendor with a session."""
    async with site.client() as made:
        answer = await enter(made, site.link())
        assert answer.status_code == 303
        yield made
