"""When two readings agree, and which quantities the peers call by the same name and mean otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable

from readings import Ours, Pool

# Sums over boards, each rounded as its firmware prints it.
RATE_TOLERANCE = 1e-5
# A hundredth of a degree is the last digit that any firmware prints.
DEGREE_TOLERANCE = 0.005
# Of the power, some firmware prints whole watts in one reply and tenths in another.
POWER_TOLERANCE = 0.5
# On these a peer that reads a machine at all must have something to say.
DECISIVE = ("make", "model", "ths")


def rounded(value: float | None) -> int | None:
    return None if value is None else round(value)


def cut(value: float | None) -> int | None:
    return None if value is None else int(value)


def from_the_third(ours: Ours) -> tuple[int, ...]:
    """Fans as one counts them who believes that they begin at the third connector."""
    fans = ours.reading.fans or ()
    return (*fans[2:], 0, 0)


def program_version(ours: Ours) -> str | None:
    """`4.11.1` of `cgminer 4.11.1`."""
    return ours.software.split(" ")[-1] if ours.software else None


def told(ours: Ours, field: str, path: str) -> object:
    """What our reading has elsewhere: `identity.firmware.api_version`, `hashrate.average_hs`, or of a list the greatest,
    `boards[].chip_temperature_min_celsius`."""
    values: list[object] = [ours.document]
    for key in path.split("."):
        found = [value.get(key.removesuffix("[]")) for value in values if isinstance(value, dict)]
        lists = (item for value in found if isinstance(value, list) for item in value)
        values = list(lists) if key.endswith("[]") else found
    known = [value for value in values if value is not None]
    numbers = [value for value in known if isinstance(value, (int, float))]
    if not numbers:
        return known[0] if known else None
    return max(numbers) / 1e12 if field == "ths" else max(numbers)


# What a peer may mean, by the name that `verdicts.tsv` has for it: the value that it must give then.
def whole_efficiency(ours: Ours) -> float | None:
    """Between the two whole numbers that it may be printed as, each of them as near as values of this field may be."""
    efficiency = told(ours, "power_w", "efficiency_j_per_th")
    return None if not isinstance(efficiency, (int, float)) else math.floor(efficiency) + 0.5


DEFINITIONS: dict[str, Callable[[Ours], object]] = {
    "mean of a board's sensors": lambda ours: ours.board_mean_c,
    "mean of a board's sensors, rounded": lambda ours: rounded(ours.board_mean_c),
    "efficiency, rounded or cut": whole_efficiency,
    "mean of a board's chip sensors": lambda ours: ours.chip_mean_c,
    "mean of a board's chip sensors, rounded": lambda ours: rounded(ours.chip_mean_c),
    "the chips' temperature": lambda ours: ours.reading.chip_c,
    "the chips' temperature, rounded": lambda ours: rounded(ours.reading.chip_c),
    "the boards' temperature": lambda ours: ours.reading.board_c,
    "board temperature, rounded": lambda ours: rounded(ours.reading.board_c),
    "board temperature, cut": lambda ours: cut(ours.reading.board_c),
    "chip temperature, rounded": lambda ours: rounded(ours.reading.chip_c),
    "chip temperature, cut": lambda ours: cut(ours.reading.chip_c),
    "the coolest chip, rounded": lambda ours: rounded(
        told(ours, "chip_c", "boards[].chip_temperature_min_celsius")
    ),
    "fans from the third connector on": from_the_third,
    "version of the mining program": program_version,
    "uptime of the mining program": lambda ours: ours.uptime_of_program,
    "power, rounded": lambda ours: rounded(ours.reading.power_w),
    "power, cut": lambda ours: cut(ours.reading.power_w),
    "Avalon and the name": lambda ours: f"Avalon {ours.reading.model}",
    "Avalon and a number": lambda ours: (ours.reading.model or "").replace("A", "Avalon ", 1),
}


# How a definition begins that is a path into our reading.
PATH = "our "


def is_definition(says: str) -> bool:
    return says in DEFINITIONS or says.startswith(PATH)


def defined(says: str, field: str, ours: Ours) -> object:
    """What a peer must say that means this."""
    if says.startswith(PATH):
        return told(ours, field, says.removeprefix(PATH))
    return DEFINITIONS[says](ours)


def plain(name: str) -> str:
    """A name as all libraries spell it: `M30S++ VH70` and `M30SPlusPlusVH70`, `S19j Pro` and `S19jPro`."""
    return name.casefold().replace(" ", "").replace("+", "plus").removesuffix("miner")


def same_pool(ours: Pool, theirs: Pool) -> bool:
    """Whether it is the same pool in the same state; a peer need not count shares."""
    counts = ((ours.accepted, theirs.accepted), (ours.rejected, theirs.rejected))
    same_counts = all(theirs is None or ours == theirs for ours, theirs in counts)
    return (ours.url, ours.user) == (theirs.url, theirs.user) and same_counts


def same(field: str, ours: object, theirs: object) -> bool:
    """Whether two values of a reading are the same."""
    if isinstance(ours, (int, float)) and isinstance(theirs, (int, float)):
        if field == "ths":
            return math.isclose(ours, theirs, rel_tol=RATE_TOLERANCE)
        tolerance = POWER_TOLERANCE if field == "power_w" else DEGREE_TOLERANCE
        return math.isclose(ours, theirs, rel_tol=0.0, abs_tol=tolerance)
    if field in ("make", "model", "mac") and isinstance(ours, str) and isinstance(theirs, str):
        return plain(ours) == plain(theirs)
    if field == "pools" and isinstance(ours, tuple) and isinstance(theirs, tuple):
        return len(ours) == len(theirs) and all(map(same_pool, ours, theirs))
    return ours == theirs
