"""A name server on loopback whose zone is a table; it counts what it was asked."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

Zone = dict[tuple[str, str], list[str]]  # (name, type) → records in text


class NameServer(asyncio.DatagramProtocol):
    """Answers what the zone holds; NXDOMAIN for a name without any record.

    `broken` names answer SERVFAIL (`name type`: for that type alone), `silent` ones nothing,
    `garbled` ones junk. A CNAME is followed unless `is_lazy`.
    """

    def __init__(self, zone: Zone, ttl: int = 60) -> None:
        self.zone = zone
        self.ttl = ttl
        self.broken: set[str] = set()
        self.silent: set[str] = set()
        self.garbled: set[str] = set()
        self.is_lazy = False
        self.asked: Counter[tuple[str, str]] = Counter()
        self.address = ""
        self._transport: Any = None

    async def __aenter__(self) -> NameServer:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        self.address = "{}:{}".format(*self._transport.get_extra_info("sockname"))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._transport.close()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked[name, kind] += 1
        if name in self.silent:
            return
        if name in self.garbled:
            self._transport.sendto(data[:2] + b"\x81\x80\0\1\0\1\0\0\0\0garbled", addr)
            return
        response = dns.message.make_response(query)
        self._answer(response, name, kind)
        self._transport.sendto(response.to_wire(), addr)

    def _answer(self, response: dns.message.Message, name: str, kind: str) -> None:
        if name in self.broken or f"{name} {kind}" in self.broken:
            response.set_rcode(dns.rcode.SERVFAIL)
            return
        for _ in range(20):
            for found in (kind, "CNAME"):
                if (name, found) in self.zone:
                    texts = self.zone[name, found]
                    response.answer.append(
                        dns.rrset.from_text_list(f"{name}.", self.ttl, "IN", found, texts)
                    )
                    break
            else:
                if not any(known == name for known, _ in self.zone):
                    response.set_rcode(dns.rcode.NXDOMAIN)
                return
            if found == kind or self.is_lazy:
                return
            name = self.zone[name, "CNAME"][0].rstrip(".").lower()
