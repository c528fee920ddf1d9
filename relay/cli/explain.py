"""`lpse-relay explain ADDRESS`: why a letter to a vendor goes when it goes."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from relay.cli.explain_words import SPOKEN, Words
from relay.cli.moments import Shown, local
from relay.cli.site import ConfigOption, JsonOption, Site, StateOption
from relay.cli.terminal import USAGE, as_json, fail, say, table
from relay.mail.urgency import Urgency

OWN: Final = 5  # of the address' own letters are told, the oldest
OF_ITS_OWN: Final = ("id", "class", "state", "due_at", "why")

AddressArgument = Annotated[str, typer.Argument(help="a vendor's address, or a domain")]
ClassOption = Annotated[
    str,
    typer.Option(
        "--class",
        help="of the letter: kritis, mendesak, transaksi or massal; by default that of the"
        " address' own letter, or massal",
    ),
]
LangOption = Annotated[str, typer.Option("--lang", help="of what is said: en or id")]


def explain(
    address: AddressArgument,
    urgency: ClassOption = "",
    lang: LangOption = "en",
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """Route, provider and why, each limit with its line, what binds now, and the line before it."""
    words = language(lang)
    try:
        if urgency:
            Urgency.of(urgency)
    except ValueError as error:
        fail(f"--class: {error}", USAGE)
    site = Site.of(config, state_dir)
    answer = site.call("explain", recipient=address, **{"class": urgency})
    answer["why"] = words.spoken(answer["why"])
    own = site.call("queue.ls", selector={"recipient": answer["recipient"]}, limit=OWN)
    answer["letters"] = [{key: row[key] for key in OF_ITS_OWN} for row in own["deliveries"]]
    answer["letters_total"] = own["total"]
    for row in answer["letters"]:
        row["why"] = words.spoken(row["why"])
    if json:
        as_json(answer)
        return
    for line in _lines(answer, words, local(site.file)):
        say(line)
    if answer["limits"]:
        table(words.heads, _limits(answer, words, local(site.file)))


def language(lang: str) -> Words:
    """What is said in that language; ends with code 2 for one that is not spoken."""
    if lang not in SPOKEN:
        fail(f"--lang {lang}: en or id", USAGE)
    return SPOKEN[lang]


def _lines(answer: dict[str, Any], words: Words, shown: Shown) -> list[str]:
    lines = _way(answer, words)
    lines.append(words.now.format(why=answer["why"] or words.nothing_holds))
    for one in answer["names"]:
        said = one | {"until": shown(one["until"]), "why": words.spoken(one["why"])}
        lines.append(words.name.format_map(said))
    lines += _own(answer, words, shown)
    ahead, pace = answer["ahead"], answer["an_hour"]
    own = words.own.format(own=answer["own"]) if answer["own"] else ""
    said = words.before if ahead else words.none_before
    before = said.format(own=own, ahead=ahead, position=answer["position"])
    most = words.no_limit if pace is None else words.most.format(pace=pace)
    lines.append(words.pace.format(before=before, pace=most))
    if answer["next_at"]:
        lines.append(words.next_at.format(at=shown(answer["next_at"])))
    if answer["through_at"]:
        lines.append(words.through_at.format(at=shown(answer["through_at"])))
    elif ahead and pace is not None:
        lines.append(words.until_resume)
    return lines


def _way(answer: dict[str, Any], words: Words) -> list[str]:
    """Where it goes and why there, what was learned of it, and whether it is tried at all."""
    said = answer | {
        "where": answer["provider"] or answer["destination"],
        "because": words.spoken(answer["because"]),
        "hosts": ", ".join(answer["hosts"]),
        "state": words.state(answer["state"]),
        "not_tried": words.spoken(answer["not_tried"] or ""),
    }
    by = words.by_one if answer["connections"] == 1 else words.by_many
    lines = [words.goes.format_map(said), by.format_map(said)]
    if answer["learned_a_minute"] is not None:
        lines.append(words.learned.format_map(said))
    if answer["not_tried"]:
        lines.append(words.not_tried.format_map(said))
    idle = [words.spoken(one) for one in answer["idle"]]
    return [*lines, *_besides(answer["besides"], words), *idle]


def _besides(besides: dict[str, Any], words: Words) -> list[str]:
    """What binds there and is no rate: those have their table."""
    lines, warmup, where = [], besides["warmup"], besides["where"]
    if besides["hours"]:
        lines.append(words.hours.format_map(besides) + _of(where, "hours"))
    if warmup is not None:
        lines.append(_warmup(warmup, words) + _of(where, "warmup"))
    for one in besides["inside"]:
        lines.append(f"{one['name']}: {_warmup(one, words)}{_of(one, 'where')}")
    if besides["connections"]:
        lines.append(words.connections.format_map(besides) + _of(where, "connections"))
    if besides["messages_per_connection"]:
        said = words.per_connection.format_map(besides)
        lines.append(said + _of(where, "messages_per_connection"))
    if besides["connection_rate"]:
        rates = words.dials.format(rates=", ".join(besides["connection_rate"]))
        lines.append(rates + _of(where, "connection_rate"))
    return lines


def _of(where: dict[str, str], word: str) -> str:
    """` (site.d/a.yaml:12)`, where it is known."""
    return f" ({where[word]})" if where.get(word) else ""


def _warmup(warmup: dict[str, Any], words: Words) -> str:
    frozen = words.frozen if warmup["is_frozen"] else ""
    return words.warmup.format_map(warmup | {"frozen": frozen})


def _own(answer: dict[str, Any], words: Words, shown: Shown) -> list[str]:
    """What waits for this very address: a retry hours from now is seen in no limit."""
    lines = []
    for row in answer["letters"]:
        is_waiting = row["state"] == "waiting"
        said = row | {
            "state": words.state(row["state"]),
            "next_try": words.next_try.format(at=shown(row["due_at"])) if is_waiting else "",
            "why": row["why"] or "–",
        }
        lines.append(words.letter.format_map(said))
    more = answer["letters_total"] - len(answer["letters"])
    return [*lines, words.more.format(more=more)] if more else lines


def _limits(answer: dict[str, Any], words: Words, shown: Shown) -> list[list[object]]:
    return [
        [
            one["limit"],
            one["name"],
            one["used"],
            shown(one["free_at"]) if one["free_at"] else words.free_now,
            one["where"],
        ]
        for one in answer["limits"]
    ]
