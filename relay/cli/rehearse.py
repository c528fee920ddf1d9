"""`lpse-relay rehearse`: when an announcement would be through, in seconds instead of hours."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.site import ConfigOption, JsonOption
from relay.cli.terminal import USAGE, as_json, fail, note, say, table
from relay.mail.instant import iso
from relay.strict_yaml import SourceError

if TYPE_CHECKING:
    from relay.config import Config
    from relay.lab.rehearsing.rehearsal import Line

COLUMNS = (
    "provider",
    "class",
    "letters",
    "taken",
    "half after",
    "95 % after",
    "last after",
    "waiting",
    "bounced",
    "expired",
    "not tried",
    "throttles",
    "blocks",
)
STEPS = " ▁▂▃▄▅▆▇█"


LettersOption = Annotated[
    int, typer.Option("--letters", min=1, max=100_000, help="of one announcement")
]
ModelOption = Annotated[
    str, typer.Option("--model", help="one provider only: gmail, yahoo, … (default: all)")
]
VariantOption = Annotated[
    str, typer.Option("--variant", help="steady, fall, diurnal or false-dead")
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="which provider is drawn")]
HoursOption = Annotated[int, typer.Option("--hours", min=1, max=168, help="so many are played")]
HourlyOption = Annotated[
    int, typer.Option("--hourly", min=0, max=10_000, help="other letters each hour")
]
PlotOption = Annotated[bool, typer.Option("--plot", help="draw how the letters leave")]


def rehearse(
    letters: LettersOption = 6_000,
    model: ModelOption = "",
    variant: VariantOption = "steady",
    seed: SeedOption = 1,
    hours: HoursOption = 24,
    hourly: HourlyOption = 60,
    plot: PlotOption = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Play an announcement against drawn providers with hidden quotas, under these limits.

    Without --config the shipped limits count. What a provider bears is drawn by --seed: an example,
    no promise. Nothing is sent anywhere.
    """
    from relay.lab.rehearsing.rehearsal import MODELS, VARIANTS, Asked, rows
    from relay.lab.rehearsing.rehearsal import rehearse as play
    from relay.strict_yaml import nearest

    for option, given, known in (("--model", model, MODELS), ("--variant", variant, VARIANTS)):
        if given and given not in known:
            fail(f"{option}: unknown {given!r}: {nearest(given, known)}", USAGE)
    asked = Asked(
        letters,
        (model,) if model else (),
        variant,
        seed,
        hours,
        hourly,
        _loaded(config),
    )
    lines = play(asked)
    if json:
        drawn = {"seed": seed, "variant": variant, "hours": hours}
        shown = {"rows": rows(lines), "lines": [line.shape() for line in lines]}
        as_json(_here() | drawn | shown)
    else:
        _show(lines, hours if plot else 0)
        note(f"drawn by --seed {seed}: an example, no promise; nothing was sent")


def _here() -> dict[str, str]:
    """Where and when it was played."""
    from relay.clock import SystemClock

    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return {"machine": machine, "at": iso(SystemClock().now())}


def _show(lines: list[Line], hours: int) -> None:
    """The table; `hours` 0: without the plot."""
    table(COLUMNS, [_cells(line) for line in lines])
    if hours:
        _draw(lines, hours)


def _loaded(config: Path | None) -> Config | None:
    """The configuration's limits; none was named: the shipped ones."""
    if config is None:
        return None
    from relay.cli.site import config_file
    from relay.config import load

    try:
        return load(config_file(config))
    except SourceError as error:
        fail(error, USAGE)


def _cells(line: Line) -> list[object]:
    word = "all" if line.urgency is None else line.urgency.word
    times = [_time(at) for at in (line.half_after, line.most_after, line.last_after)]
    counts = [line.waiting, line.bounced, line.expired, line.suppressed]
    return [line.provider, word, line.letters, line.taken, *times, *counts, *_refusals(line)]


def _refusals(line: Line) -> list[object]:
    return ["" if count is None else count for count in (line.throttled, line.blocks)]


def _time(seconds: float | None) -> str:
    """`4 h 58 min`; a dash where it was not within the hours played."""
    if seconds is None:
        return "–"
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def _draw(lines: list[Line], hours: int) -> None:
    """A row a provider: how much has left, from the start to the last hour."""
    say()
    for line in lines:
        if line.urgency is None:
            marks = "".join(STEPS[round(share * (len(STEPS) - 1))] for share in line.curve)
            say(f"{line.provider:8} {marks}")
    if lines:
        width = len(lines[0].curve)
        say(f"{'':8} 0{f'{hours} h':>{width - 1}}")
