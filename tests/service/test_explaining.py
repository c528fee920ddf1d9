"""Why a letter goes when it goes, in numbers, in English and in Bahasa Indonesia."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from relay.control import ControlError
from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.instant import HOUR, MINUTE
from relay.mail.strike import Cause
from relay.mail.urgency import Urgency
from relay.service.explaining import Explainer
from relay.service.indonesian import in_indonesian
from relay.shaping import hours
from relay.shaping.base import SHORT, Identity
from relay.shaping.destination import Destination, Profile, Rate
from relay.shaping.directives import PauseFor, RateOf, SlowBy
from relay.shaping.reaction_settings import Trigger
from relay.shaping.reactions import Reaction
from relay.shaping.settings import PauseSettings
from relay.shaping.shaper import Shaper
from relay.shaping.warmup import Warmup
from relay.transports.base import Host, Route
from tests.service.house import GMAIL, Destinations, House
from tests.shaping.house import dial

DEAD = Classification(Category.UNKNOWN_USER, Scope.RECIPIENT, Action.BOUNCE_ADDRESS, "google.user")
OURS = Classification(Category.AUTH_FAILED, Scope.OURSELVES, Action.FIX_CONFIG, "google.spf")
LATELY = 1_764_000_000_000
HOURLY = Rate(1, timedelta(hours=1))
FREE = Destination("free", Profile("free", connections=1))
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


async def test_a_letter_of_a_refused_name_is_told_what_it_waits_for_and_others_nothing() -> None:
    house, names = House(), ("lpse.example.go.id", "ulp.example.go.id")
    for name in names:
        sender = f"panitia@{name}"
        await house.store.put(
            house.post.entry(("a@gmail.com",), sender=sender, from_domain=name, subject=name)
        )
    now = house.steady()
    said = "421 4.7.28 unusual rate of mail from your DKIM domain lpse.example.go.id"
    house.shaper.feedback(GMAIL, THROTTLE, said, now, Identity(dkim=names[0], envelope=names[0]))
    made, commands = explainer(house), house.commands
    commands._why_now = made.why_now
    rows = (await commands.queue_ls({}, "siti"))["deliveries"]
    why = f"gmail|dkim=lpse.example.go.id is paused: {said}"
    assert {row["subject"]: row["why"] for row in rows} == {names[0]: why, names[1]: ""}
    told = await made.explain({"recipient": "a@gmail.com"}, "siti")
    assert (told["state"], told["why"]) == ("ok", "")
    (one,) = told["names"]
    assert (one["name"], one["why"]) == ("dkim=lpse.example.go.id", why)
    assert 9 * MINUTE < _at(one["until"]) - house.clock.at < 12 * MINUTE
    by_name = Explainer(
        house.store,
        house.shaper,
        Destinations(),
        house.clock,
        house.steady,
        return_domain=lambda: "bounce.example",
    )
    sent = "421 4.7.28 unusual rate of mail from your SPF domain bounce.example"
    house.shaper.feedback(GMAIL, THROTTLE, sent, now, Identity(envelope="bounce.example"))
    asked = ("gmail.com", Urgency.MASSAL, "panitia@ulp.example.go.id", names[1])
    assert by_name.why_now(*asked) == f"gmail|envelope=bounce.example is paused: {sent}"
    assert made.why_now(*asked) == ""


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


def _shaper(*actions: object) -> Shaper:
    rules = [Reaction("r", actions, Trigger())] if actions else []  # type: ignore[arg-type]
    return Shaper(PauseSettings(), lambda _: (), reactions=rules, is_ramping=False)


def _spend(made: Shaper, to: Destination, now: int) -> None:
    while (said := made.admit(to, "gmail.com", 1, now)) is SHORT:
        made.set_aside(made.setting_aside(now), now)
    assert said is None


def _why(made: Shaper, to: Destination, at: int = LATELY) -> str:
    """What it says of a letter that waits."""
    wait = made.peek(to, "gmail.com", 1, at, 1)
    assert wait is not None
    return wait.why


def _healed(made: Shaper, to: Destination) -> None:
    """As if its pause were over."""
    made._states[to.key].mode = made._states[to.key].mode.OK


def _of_everything() -> Iterator[str]:
    made = _shaper()
    made.pause("*", None, "siti", LATELY)
    yield _why(made, GMAIL)
    made = _shaper()
    for name in ("gmail", "outlook", "yahoo"):
        to = Destination(name, Profile(name, connections=None), name)
        made.feedback(to, OURS, "550 5.7.26 SPF did not pass", LATELY)
    until = next(one.paused_until for one in made.standings(LATELY) if one.key == "*")
    assert until is not None
    yield _why(made, FREE, until)  # one to a provider asks first


def _after_a_refusal() -> Iterator[str]:
    made, later = _shaper(), LATELY + 20 * MINUTE
    _spend(made, GMAIL, LATELY)
    made.feedback(GMAIL, THROTTLE, "421 slow down", LATELY)
    yield _why(made, GMAIL)
    _spend(made, GMAIL, later)
    yield _why(made, GMAIL, later)
    made.feedback(GMAIL, None, "", later)
    yield _why(made, GMAIL, later)


def _by_what_was_learned() -> Iterator[str]:
    made = _shaper()
    for n in range(200):
        _spend(made, FREE, LATELY + n * 100)
    made.feedback(FREE, THROTTLE, "421 slow down", LATELY + 20_000)
    _healed(made, FREE)
    yield _why(made, FREE, LATELY + 21_000)


def _to_who_is_new() -> Iterator[str]:
    made = Shaper(PauseSettings(), lambda _: ())
    _spend(made, GMAIL, LATELY)
    yield _why(made, GMAIL)


def _by_a_profile() -> Iterator[str]:
    night = Destination("night", Profile("night", hours=hours.parse("01:00-01:01 UTC")))
    yield _why(_shaper(), night)
    for to in (
        Destination("warm", Profile("warm", warmup=Warmup(1, 1.4, 9))),
        Destination("full", Profile("full", rates=(HOURLY,))),
    ):
        made = _shaper()
        _spend(made, to, LATELY)
        yield _why(made, to)


def _by_a_rule() -> Iterator[str]:
    for action in (PauseFor(HOUR), RateOf(HOURLY, HOUR), SlowBy(50)):
        made = _shaper(action)
        made.feedback(GMAIL, DEAD, "550 no such user", LATELY)  # it stops nothing by itself
        if not isinstance(action, PauseFor):
            _spend(made, GMAIL, LATELY)
        yield _why(made, GMAIL, LATELY + 1)


def _before_dialling() -> Iterator[str]:
    made = _shaper()
    to = Destination("d", Profile("d", connections=1, connection_rates=(HOURLY,)))
    assert dial(made, to, LATELY) is None
    for at in (LATELY + 1, LATELY + 2):  # its one connection is open, then one was within the hour
        wait = dial(made, to, at)
        assert wait is not None
        yield wait.why
        made.disconnected(to, at)


def test_every_sentence_is_said_in_indonesian_too() -> None:
    """Each that shaping can say of a letter that waits."""
    sentences = [
        *_of_everything(),
        *_after_a_refusal(),
        *_by_what_was_learned(),
        *_to_who_is_new(),
        *_by_a_profile(),
        *_by_a_rule(),
        *_before_dialling(),
    ]
    assert len(set(sentences)) == 15
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
