"""Why a letter goes when it goes, in numbers, in English and in Bahasa Indonesia."""

from __future__ import annotations

from datetime import timedelta

import pytest

from relay.control import ControlError
from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.instant import HOUR, MINUTE
from relay.mail.strike import Cause
from relay.mail.urgency import Urgency
from relay.service.explaining import Explainer, in_indonesian
from relay.shaping import hours
from relay.shaping.base import SHORT
from relay.shaping.destination import Destination, Profile, Rate
from relay.shaping.directives import PauseFor, RateOf
from relay.shaping.reaction_settings import Trigger
from relay.shaping.reactions import Reaction
from relay.shaping.settings import PauseSettings
from relay.shaping.shaper import Shaper
from relay.shaping.warmup import Warmup
from relay.transports.base import Host, Route
from tests.service.house import GMAIL, Destinations, House

THROTTLE = Classification(
    Category.RATE_LIMITED, Scope.SENDER, Action.SLOW_DOWN_PROVIDER, "google.rate"
)


def explainer(house: House) -> Explainer:
    return Explainer(house.store, house.shaper, Destinations(), house.clock, house.steady)


async def test_an_announcement_of_six_thousand_at_twenty_a_minute() -> None:
    house = House()
    to = tuple(f"v{n}@gmail.com" for n in range(300))
    await house.put(*to, urgency=Urgency.MASSAL)
    await house.put("x@kampus.example.ac.id", urgency=Urgency.KRITIS)
    await house.put("y@dinas.example.go.id", urgency=Urgency.MASSAL)
    made = explainer(house)
    told = await made.explain({"recipient": "Vendor@GMAIL.com", "class": "massal"}, "siti")
    assert told["recipient"] == "Vendor@gmail.com"
    assert (told["provider"], told["state"], told["why"]) == ("gmail", "ok", "")
    assert (told["ahead"], told["position"], told["an_hour"]) == (301, 302, 18 * 60)
    assert [one["limit"] for one in told["limits"]] == ["20/min", "1500/day"]
    minutes = (_at(told["through_at"]) - house.clock.at) / MINUTE
    assert 15 <= minutes <= 18  # 301 at eighteen to twenty a minute
    urgent = await made.explain({"recipient": "kampus.example.ac.id", "class": "kritis"}, "siti")
    assert (urgent["ahead"], urgent["an_hour"]) == (1, 1200)
    assert "all its MX hosts belong to gmail: mx.kampus.example.ac.id" in urgent["because"]
    site = await made.explain({"recipient": "dinas.example.go.id"}, "siti")
    assert "belong to no one provider" in site["because"]
    assert (site["an_hour"], site["through_at"]) == (None, None)


def _at(moment: str) -> int:
    from relay.mail.instant import from_iso

    return from_iso(moment)


async def test_what_binds_now_is_said_of_ready_letters() -> None:
    house = House()
    entry = await house.put("a@gmail.com")
    house.shaper.pause("gmail", None, "siti: salah lampiran", house.clock.at)
    commands = house.commands
    commands._why_now = explainer(house).why_now
    (row,) = (await commands.queue_ls({}, "siti"))["deliveries"]
    assert row["why"] == "gmail is paused: siti: salah lampiran"
    assert in_indonesian(row["why"]) == (
        "pengiriman ke gmail dihentikan sementara: siti: salah lampiran"
    )
    told = await explainer(house).explain({"recipient": "a@gmail.com"}, "siti")
    assert (told["an_hour"], told["through_at"]) == (0, None)
    assert entry.message.id
    assert explainer(house).why_now("nowhere.example", Urgency.MASSAL) == ""


def test_that_everything_waits_for_one_letter_is_said_in_indonesian() -> None:
    said = in_indonesian("everything waits for one letter that asks: gmail, outlook and yahoo")
    assert said == "semua menunggu satu surat percobaan: gmail, outlook and yahoo"


async def test_kritis_of_a_closed_provider_is_said_to_go_the_other_way() -> None:
    house = House()
    hop = Destination("smtp://192.0.2.7:25", Profile("smtp://192.0.2.7:25"))
    other = Route(hop, (Host("192.0.2.7", 25),))
    made = Explainer(
        house.store,
        house.shaper,
        Destinations(),
        house.clock,
        house.steady,
        lambda to: other if to is GMAIL else None,
    )
    house.shaper.pause("gmail", None, "siti", house.clock.at)
    said = made.why_now("gmail.com", Urgency.KRITIS)
    assert (
        said == "gmail is paused, and kritis letters go by the fallback route smtp://192.0.2.7:25"
    )
    assert in_indonesian(said) == (
        "pengiriman ke gmail dihentikan sementara; surat kritis lewat jalur cadangan"
        " smtp://192.0.2.7:25"
    )
    assert made.why_now("gmail.com", Urgency.MENDESAK) == "gmail is paused: siti"
    assert made.why_now("dinas.example.go.id", Urgency.KRITIS) == ""
    told = await made.explain({"recipient": "a@gmail.com", "class": "kritis"}, "siti")
    assert (told["why"], told["fallback_route"]) == (said, "smtp://192.0.2.7:25")
    told = await made.explain({"recipient": "a@gmail.com", "class": "massal"}, "siti")
    assert (told["why"], told["fallback_route"]) == ("gmail is paused: siti", None)
    house.shaper.pause("smtp://192.0.2.7:25", None, "budi", house.clock.at)
    said = made.why_now("gmail.com", Urgency.KRITIS)
    assert said == (
        "by the fallback route smtp://192.0.2.7:25: smtp://192.0.2.7:25 is paused: budi"
    )
    assert in_indonesian(said) == (
        "lewat jalur cadangan smtp://192.0.2.7:25:"
        " pengiriman ke smtp://192.0.2.7:25 dihentikan sementara: budi"
    )


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"recipient": "a b@x"}, "a b@x"),
        ({"recipient": ""}, "''"),
        ({"recipient": "@"}, "'@': there is nothing before the @"),
        ({"recipient": "a@gmail.com", "class": "bulk"}, "unknown class 'bulk'"),
        ({"recipient": "a@gmial.com"}, "no name server answered; perhaps a@gmail.com was meant"),
        ({"recipient": "a@nowhere.example"}, "where its mail goes cannot be told: no name server"),
    ],
)
async def test_what_cannot_be_told(params: dict[str, str], says: str) -> None:
    with pytest.raises(ControlError, match=says):
        await explainer(House()).explain(params, "siti")


def _spend(made: Shaper, to: Destination, now: int) -> None:
    while (said := made.admit(to, "gmail.com", 1, now)) is SHORT:
        made.set_aside(made.setting_aside(now), now)
    assert said is None


def _sentences() -> list[str]:
    """Each sentence that shaping can say of a letter that waits."""
    found: list[str] = []
    now = 1_764_000_000_000

    def ask(made: Shaper, to: Destination, at: int = now) -> None:
        wait = made.peek(to, "gmail.com", 1, at, 1)
        assert wait is not None
        found.append(wait.why)

    def shaper(*actions: object) -> Shaper:
        rules = [Reaction("r", actions, Trigger())] if actions else []  # type: ignore[arg-type]
        return Shaper(PauseSettings(), lambda _: (), reactions=rules, is_ramping=False)

    by_hand = shaper()
    by_hand.pause("*", None, "siti", now)
    ask(by_hand, GMAIL)
    refused = shaper()
    _spend(refused, GMAIL, now)
    refused.feedback(GMAIL, THROTTLE, "421 slow down", now)
    ask(refused, GMAIL)
    later = now + 20 * MINUTE
    _spend(refused, GMAIL, later)
    ask(refused, GMAIL, later)
    refused.feedback(GMAIL, None, "", later)
    ask(refused, GMAIL, later)
    learned = shaper()
    free = Destination("free", Profile("free", connections=1))
    for n in range(200):
        _spend(learned, free, now + n * 100)
    learned.feedback(free, THROTTLE, "421 slow down", now + 20_000)
    learned._states["free"].mode = learned._states["free"].mode.OK
    ask(learned, free, now + 21_000)
    new = Shaper(PauseSettings(), lambda _: ())
    _spend(new, GMAIL, now)
    ask(new, GMAIL)
    ask(shaper(), Destination("night", Profile("night", hours=hours.parse("01:00-01:01 UTC"))))
    warm = Destination("warm", Profile("warm", warmup=Warmup(1, 1.4, 9)))
    warming = shaper()
    _spend(warming, warm, now)
    ask(warming, warm)
    full = Destination("full", Profile("full", rates=(Rate(1, timedelta(hours=1)),)))
    spent = shaper()
    _spend(spent, full, now)
    ask(spent, full)
    for action in (PauseFor(HOUR), RateOf(Rate(1, timedelta(hours=1)), HOUR)):
        ruled = shaper(action)
        ruled.feedback(free, THROTTLE, "421 slow down", now)
        ruled._states["free"].mode = ruled._states["free"].mode.OK
        _ = ruled.admit(free, "gmail.com", 1, now + 1)
        ask(ruled, free, now + 1)
    dialled = shaper()
    rated = Destination(
        "d", Profile("d", connections=1, connection_rates=(Rate(1, timedelta(hours=1)),))
    )
    assert dialled.connect(rated, now) is None
    for at in (now + 1, now + 2):
        wait = dialled.connect(rated, at)
        assert wait is not None
        found.append(wait.why)
        dialled.disconnected(rated, at)
    return found


def test_every_sentence_is_said_in_indonesian_too() -> None:
    sentences = _sentences()
    assert len(sentences) == 13
    english = {"is", "the", "paused", "slow", "limit", "bore", "asked", "held", "open"}
    for sentence in sentences:
        said = in_indonesian(sentence)
        assert said != sentence, sentence
        assert not english & set(said.partition(": ")[0].split()), said
    assert in_indonesian("451 4.3.0 later") == "451 4.3.0 later"


@pytest.mark.parametrize(
    ("english", "indonesian"),
    [
        ("a route of relay.yaml leads there", "sebuah rute di relay.yaml menuju ke sana"),
        (
            "all its MX hosts belong to gmail: a.google.com, b.google.com",
            "semua server MX-nya milik gmail: a.google.com, b.google.com",
        ),
        (
            "its MX hosts belong to no one provider: mx.dinas.go.id",
            "server MX-nya bukan milik satu penyedia: mx.dinas.go.id",
        ),
        (
            "not tried: mailbox_full since 2011-10-04T07:11:09Z (g.full)"
            "; another letter asks at the moment",
            "tidak dicoba: penyimpanan email penuh sejak 2011-10-04T07:11:09Z (g.full)"
            "; alamatnya sedang dicoba dengan surat lain",
        ),
        (
            "not tried: on the list since 2011-10-04T07:11:09Z (by hand: by phone (siti))",
            "tidak dicoba: ada di daftar sejak 2011-10-04T07:11:09Z"
            " (secara manual: by phone (siti))",
        ),
    ],
)
def test_where_it_goes_and_that_it_does_not_is_said_in_indonesian(
    english: str, indonesian: str
) -> None:
    assert in_indonesian(english) == indonesian


def test_every_cause_of_the_list_has_its_words() -> None:
    for cause in Cause:
        assert cause.value not in in_indonesian(
            f"not tried: {cause.value} since 2011-10-04T07:11:09Z (r)"
        )


async def test_an_address_on_the_list_is_said_to_be_there() -> None:
    async def not_tried(recipient: str, urgency: Urgency) -> str:
        return f"{recipient} {urgency.word}" if urgency is Urgency.MASSAL else ""

    house = House()
    made = Explainer(
        house.store, house.shaper, Destinations(), house.clock, house.steady, not_tried=not_tried
    )
    told = await made.explain({"recipient": "a@gmail.com", "class": "massal"}, "siti")
    assert told["not_tried"] == "a@gmail.com massal"
    told = await made.explain({"recipient": "a@gmail.com", "class": "kritis"}, "siti")
    assert told["not_tried"] is None
    told = await explainer(house).explain({"recipient": "a@gmail.com"}, "siti")
    assert told["not_tried"] is None
