"""When two readings agree, and which quantities the peers call by the same name and mean otherwise."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass

from readings import Machine, Ours

# Sums over boards, each rounded as its firmware prints it.
RATE_TOLERANCE = 1e-5
# A hundredth of a degree is the last digit that any firmware prints.
DEGREE_TOLERANCE = 0.005
# On these a peer must have something to say, unless it is known to be silent.
DECISIVE = ("make", "model", "ths", "board_c", "chip_c")


class Verdict(enum.Enum):
    """What became of one value of a peer."""

    AGREES = "agree"
    OTHERWISE = "agree by the peer's own definition"
    CANNOT = "not told by the peer"
    SILENT = "no longer told"
    DIFFERS = "differ"


@dataclass(frozen=True)
class Otherwise:
    """A peer's own definition of a quantity: what it must say then."""

    note: str
    peer: str
    faces: tuple[str, ...]
    field: str
    expected: Callable[[Ours], object]


def rounded(value: float | None) -> int | None:
    return None if value is None else round(value)


def from_the_third(ours: Ours) -> tuple[int, ...]:
    """Fans as one counts them who believes that they begin at the third connector."""
    fans = ours.reading.fans or ()
    return (*fans[2:], 0, 0)


def program_version(ours: Ours) -> str | None:
    """`4.11.1` of `cgminer 4.11.1`."""
    return ours.software.split(" ")[-1] if ours.software else None


MODERN, OLD = ("antminer",), ("antminer-old",)
ANTMINERS = MODERN + OLD
WHATSMINERS = ("whatsminer", "whatsminer-v1")
BOTH_PEERS = ("pyasic", "pyasic_rs")

NOTES = {
    "a": "the mean of a board's sensors, the greatest of the boards; ours is the hottest sensor",
    "b": "the chips' temperature under the board's name, and the board's under the chips'",
    "c": "rounded to whole degrees",
    "d": "the mean of a board's chips, rounded, the greatest of the boards; ours is the hottest chip",
    "e": "an S9's two fans are looked for at connectors 1 and 2, an S17's four from connector 3 on",
    "f": "the version of the mining program; ours is the firmware's build date",
    "g": "since the mining program started; ours is since the machine booted",
}
OTHERWISE = (
    Otherwise("a", "pyasic", MODERN, "board_c", lambda ours: ours.board_mean_c),
    Otherwise("a", "pyasic", MODERN, "chip_c", lambda ours: ours.chip_mean_c),
    Otherwise("a", "pyasic_rs", ANTMINERS, "board_c", lambda ours: ours.board_mean_c),
    Otherwise("b", "pyasic", OLD, "board_c", lambda ours: ours.reading.chip_c),
    Otherwise("b", "pyasic", OLD, "chip_c", lambda ours: ours.reading.board_c),
    Otherwise("c", "pyasic", WHATSMINERS, "board_c", lambda ours: rounded(ours.reading.board_c)),
    Otherwise("d", "pyasic", WHATSMINERS, "chip_c", lambda ours: rounded(ours.chip_mean_c)),
    Otherwise("e", "pyasic", OLD, "fans", lambda ours: from_the_third(ours)),
    Otherwise("f", "pyasic", OLD, "firmware", lambda ours: program_version(ours)),
    *(
        Otherwise("g", peer, WHATSMINERS, "uptime", lambda ours: ours.uptime_of_program)
        for peer in BOTH_PEERS
    ),
)
# Machines whose `stats` lack a comma.
WITHOUT_COMMA = ("S9", "T9")


def is_known_to_be_silent(peer: str, machine: Machine, field: str) -> bool:
    """Whether a decisive reading is one that the peer never takes of such a machine."""
    if peer != "pyasic_rs" or machine.face not in ANTMINERS:
        return False
    return field == "chip_c" or (field == "board_c" and machine.model in WITHOUT_COMMA)


def plain(name: str) -> str:
    """A name as all libraries spell it: `M30S++ VH70` and `M30SPlusPlusVH70`, `S19j Pro` and `S19jPro`."""
    return name.casefold().replace(" ", "").replace("+", "plus")


def same(field: str, ours: object, theirs: object) -> bool:
    """Whether two values of a reading are the same."""
    if isinstance(ours, (int, float)) and isinstance(theirs, (int, float)):
        if field == "ths":
            return math.isclose(ours, theirs, rel_tol=RATE_TOLERANCE)
        return math.isclose(ours, theirs, rel_tol=0.0, abs_tol=DEGREE_TOLERANCE)
    if field in ("make", "model", "mac") and isinstance(ours, str) and isinstance(theirs, str):
        return plain(ours) == plain(theirs)
    return ours == theirs


def judge(
    machine: Machine, ours: Ours, peer: str, field: str, theirs: object
) -> tuple[Verdict, str | None]:
    """The verdict on one value of a peer, and the note that explains it."""
    if theirs is None:
        expected = field not in DECISIVE or is_known_to_be_silent(peer, machine, field)
        return (Verdict.CANNOT if expected else Verdict.SILENT), None
    if same(field, getattr(ours.reading, field), theirs):
        return Verdict.AGREES, None
    for other in OTHERWISE:
        if (other.peer, other.field) != (peer, field) or machine.face not in other.faces:
            continue
        if same(field, other.expected(ours), theirs):
            return Verdict.OTHERWISE, other.note
    return Verdict.DIFFERS, None
