"""`lpse-relay explain ADDRESS`: why a letter to a vendor goes when it goes."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from relay.cli.moments import Shown, local
from relay.cli.site import ConfigOption, JsonOption, Site, StateOption
from relay.cli.terminal import USAGE, as_json, fail, say, table
from relay.mail.urgency import Urgency

OWN: Final = 5  # of the address' own letters are told, the oldest
OF_ITS_OWN: Final = ("id", "class", "state", "due_at", "why")

AddressArgument = Annotated[str, typer.Argument(help="a vendor's address, or a domain")]
ClassOption = Annotated[
    str, typer.Option("--class", help="of the letter: kritis, mendesak, transaksi or massal")
]
LangOption = Annotated[str, typer.Option("--lang", help="of the sentence: en or id")]


def explain(
    address: AddressArgument,
    urgency: ClassOption = "massal",
    lang: LangOption = "en",
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """Route, provider and why, each limit with its line, what binds now, and the line before it."""
    spoken = language(lang)
    try:
        Urgency.of(urgency)
    except ValueError as error:
        fail(f"--class: {error}", USAGE)
    site = Site.of(config, state_dir)
    answer = site.call("explain", recipient=address, **{"class": urgency})
    answer["why"] = spoken(answer["why"])
    own = site.call("queue.ls", selector={"recipient": answer["recipient"]}, limit=OWN)
    answer["letters"] = [{key: row[key] for key in OF_ITS_OWN} for row in own["deliveries"]]
    answer["letters_total"] = own["total"]
    for row in answer["letters"]:
        row["why"] = spoken(row["why"])
    if json:
        as_json(answer)
        return
    for line in _lines(answer, local(site.file)):
        say(line)
    if answer["limits"]:
        table(["limit", "of", "used", "free", "where"], _limits(answer, local(site.file)))


def language(lang: str) -> Any:
    """What says a sentence in that language; ends with code 2 for one that is not spoken."""
    if lang == "en":
        return str
    if lang != "id":
        fail(f"--lang {lang}: en or id", USAGE)
    from relay.service.explaining import in_indonesian

    return in_indonesian


def _lines(answer: dict[str, Any], shown: Shown) -> list[str]:
    where = answer["provider"] or answer["destination"]
    lines = [
        f"{answer['recipient']} ({answer['class']}) goes to {where}: {answer['because']}",
        f"by {', '.join(answer['hosts'])}, TLS {answer['tls']}, up to {answer['connections']}"
        f" connection{'' if answer['connections'] == 1 else 's'}; it is {answer['state']}",
    ]
    if answer["learned_a_minute"] is not None:
        lines.append(
            f"learned: {answer['learned_a_minute']:.1f} a minute, below"
            f" {answer['borne_a_minute']:.1f} that it bore before it refused"
        )
    if answer["not_tried"]:
        lines.append(f"{answer['not_tried']}: see `lpse-relay suppression show`")
    lines.append(f"now: {answer['why'] or 'nothing holds it'}")
    lines += _own(answer, shown)
    ahead = answer["ahead"]
    line = "nothing waits before it" if not ahead else f"{ahead} letters wait before it"
    pace = answer["an_hour"]
    lines.append(f"{line}; {'no limit' if pace is None else pace} an hour at most from now on")
    if answer["next_at"]:
        lines.append(f"the next one there may go at {shown(answer['next_at'])}")
    if answer["through_at"]:
        lines.append(f"all that are ready will be through by {shown(answer['through_at'])}")
    elif ahead and pace is not None:
        lines.append("when they will be through nobody knows: it is paused until `resume`")
    return lines


def _own(answer: dict[str, Any], shown: Shown) -> list[str]:
    """What waits for this very address: a retry hours from now is seen in no limit."""
    lines = []
    for row in answer["letters"]:
        due = f", next try {shown(row['due_at'])}" if row["state"] == "waiting" else ""
        lines.append(
            f"its letter {row['id']} ({row['class']}) is {row['state']}{due}: {row['why'] or '–'}"
        )
    more = answer["letters_total"] - len(answer["letters"])
    return [*lines, f"and {more} more of its letters: see `lpse-relay queue ls`"] if more else lines


def _limits(answer: dict[str, Any], shown: Shown) -> list[list[object]]:
    return [
        [
            one["limit"],
            one["name"],
            one["used"],
            shown(one["free_at"]) if one["free_at"] else "now",
            one["where"],
        ]
        for one in answer["limits"]
    ]
