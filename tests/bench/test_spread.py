"""The bench that spreads letters: each destination is one of its own, and ratios are by round."""

from __future__ import annotations

from pathlib import Path

from tests.bench.spread import rounds, summary, zone


def test_each_domain_has_a_host_and_an_address_of_its_own() -> None:
    made = zone(600)
    assert len({host for hosts in made.mx.values() for _, host in hosts}) == 600
    assert len({address for (address,) in made.a.values()}) == 600
    assert made.a["mx.d599.example.co.id"] == ["127.1.2.100"]


def test_ratios_are_taken_round_by_round() -> None:
    def found(one: float, cold: float, warm: float) -> dict[str, dict[str, float]]:
        kinds = {"one": one, "cold": cold, "warm": warm}
        return {
            kind: {"s": s, "cpu_s": s / 2, "stall_ms": s * 3, "still_ms": s}
            for kind, s in kinds.items()
        }

    told = summary([found(1, 3, 2), found(10, 15, 11), found(100, 110, 100)])
    assert (told["one_s"], told["cold_s"], told["warm_s"]) == (10, 15, 11)
    assert (told["cold_s_ratio"], told["warm_s_ratio"]) == (1.5, 1.1)
    assert told["cold_cpu_s_ratio"] == 1.5
    assert (told["stall_ms"], told["still_ms"]) == (330, 110)


async def test_a_few_letters_in_each_round(tmp_path: Path) -> None:
    found = await rounds(tmp_path, 20, 5)
    assert set(found) == {"one", "cold", "warm"}
    assert all(one["s"] > 0 and one["mb"] > 10 and one["still_ms"] > 0 for one in found.values())
