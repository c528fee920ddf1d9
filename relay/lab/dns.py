"""A small name server on loopback: answers A, MX, TXT and NXDOMAIN from a zone held in memory."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from typing import Final

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

TTL: Final = 60  # seconds


@dataclass(slots=True)
class Zone:
    """What the fake internet's DNS knows; every name in lower case, without a trailing dot.

    A name that is known by any type answers other types with no data; an unknown one with
    NXDOMAIN. `broken` names answer SERVFAIL, as a temporary failure.
    """

    a: dict[str, list[str]] = field(default_factory=dict)
    mx: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    txt: dict[str, str] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)

    def host(self, name: str, *addresses: str) -> None:
        """Give a host its addresses."""
        self.a[name] = list(addresses)

    def domain(self, name: str, *hosts: str) -> None:
        """Give a domain its MX hosts, in order of preference; `.` is a null MX (RFC 7505)."""
        self.mx[name] = [(10 * n, host) for n, host in enumerate(hosts)]

    def knows(self, name: str) -> bool:
        """True where any record stands under the name."""
        return name in self.a or name in self.mx or name in self.txt

    def texts(self, name: str, kind: dns.rdatatype.RdataType) -> list[str]:
        """The records of a name and type in presentation form."""
        if kind == dns.rdatatype.A:
            return self.a.get(name, [])
        if kind == dns.rdatatype.MX:
            return [
                f"{preference} {host.rstrip('.')}." for preference, host in self.mx.get(name, [])
            ]
        if kind == dns.rdatatype.TXT and name in self.txt:
            value = self.txt[name]
            pieces = [value[i : i + 255] for i in range(0, len(value), 255)]
            return [" ".join(f'"{piece}"' for piece in pieces)]
        return []


def answer(zone: Zone, wire: bytes) -> bytes:
    """The response to a query in wire form. Raises dns.exception.DNSException on a broken one."""
    query = dns.message.from_wire(wire)
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA | dns.flags.RA
    question = query.question[0]
    name = question.name.to_text(omit_final_dot=True).lower()
    if name in zone.broken:
        response.set_rcode(dns.rcode.SERVFAIL)
    elif not zone.knows(name):
        response.set_rcode(dns.rcode.NXDOMAIN)
    elif records := zone.texts(name, question.rdtype):
        response.answer.append(
            dns.rrset.from_text_list(question.name, TTL, "IN", question.rdtype, records)
        )
    return response.to_wire()


class NameServer(asyncio.DatagramProtocol):
    """Serves a zone by UDP."""

    def __init__(self, zone: Zone) -> None:
        """The zone may change while it is served."""
        self.zone = zone
        self._transport: asyncio.DatagramTransport | None = None
        self._is_gone = asyncio.Event()

    async def start(self, ip: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; returns `ip:port`, port 0 being a free one."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=(ip, port), family=socket.AF_INET
        )
        self._transport = transport
        host, bound = transport.get_extra_info("sockname")[:2]
        return f"{host}:{bound}"

    async def stop(self) -> None:
        """Stop listening; returns when the socket is closed."""
        if self._transport is not None:
            self._transport.close()
            await self._is_gone.wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        self._is_gone.set()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one query; what is no query is not answered, as real servers do."""
        try:
            response = answer(self.zone, data)
        except (dns.exception.DNSException, IndexError):
            return
        if self._transport is not None:
            self._transport.sendto(response, addr)
