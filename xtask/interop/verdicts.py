"""`verdicts.tsv`: what is known of every place where a peer and we do not say the same, and the judging by it."""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from definitions import DECISIVE, defined, is_definition, same
from readings import FIELDS, Machine, Ours, Unreadable

# In place of a definition: the value is another one, and no definition that we share.
DIFFERS = "differs"
# In place of a definition: the peer comes to no reading of such machines.
UNREAD = "unread"
# In place of a definition: the peer reads the machine and does not tell even this.
SILENT = "silent"
ANY = "*"


class Verdict(enum.Enum):
    """What became of one value of a peer."""

    AGREES = "agree"
    OTHERWISE = "agree by the peer's own definition"
    DIFFERS = "differ"
    CANNOT = "not told by the peer"
    NEITHER = "told by neither"
    UNEXPLAINED = "differ without a verdict"
    GONE = "not told without a verdict"

    @property
    def is_filled(self) -> bool:
        return self in (self.AGREES, self.OTHERWISE, self.DIFFERS, self.UNEXPLAINED)

    @property
    def is_agreement(self) -> bool:
        return self in (self.AGREES, self.OTHERWISE)


@dataclass(frozen=True)
class Line:
    """One line of the file."""

    number: int
    faces: tuple[str, ...]
    fields: tuple[str, ...]
    peers: tuple[str, ...]
    says: str
    right: str
    why: str

    def is_about(self, machine: Machine, peer: str, field: str) -> bool:
        face = machine.face in self.faces or f"{machine.face}/{machine.model}" in self.faces
        return (face or ANY in self.faces) and peer in self.peers and field in self.fields


@dataclass(frozen=True)
class Judged:
    """A verdict, and the line that explains it."""

    verdict: Verdict
    line: Line | None = None


class Verdicts:
    """All lines, and which of them were of use."""

    def __init__(self, path: Path) -> None:
        self.lines: list[Line] = []
        self.used: Counter[int] = Counter()
        for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if not text.strip() or text.startswith("#"):
                continue
            cells = text.split("\t")
            if len(cells) != 6:
                raise Unreadable(f"{path.name}:{number}: {len(cells)} columns, not 6")
            lists = [tuple(item.strip() for item in cell.split(",")) for cell in cells[:3]]
            line = Line(number, *lists, *(cell.strip() for cell in cells[3:]))
            unknown = set(line.fields) - {*FIELDS, ANY}
            if unknown:
                raise Unreadable(f"{path.name}:{number}: no such field: {', '.join(unknown)}")
            if line.says not in (DIFFERS, UNREAD, SILENT) and not is_definition(line.says):
                raise Unreadable(f"{path.name}:{number}: no such definition: {line.says}")
            self.lines.append(line)

    def unread(self, machine: Machine, peer: str) -> Line | None:
        """The line that says that the peer does not read such a machine."""
        return self._first(machine, peer, ANY, lambda line: line.says == UNREAD)

    def judge(self, machine: Machine, ours: Ours, peer: str, field: str, theirs: object) -> Judged:
        """The verdict on one value of a peer."""
        value = getattr(ours.reading, field)
        if theirs is None and value is None:
            return Judged(Verdict.NEITHER)
        if theirs is None:
            if field not in DECISIVE:
                return Judged(Verdict.CANNOT)
            line = self._first(machine, peer, field, lambda line: line.says == SILENT)
            return Judged(Verdict.CANNOT if line else Verdict.GONE, line)
        if same(field, value, theirs):
            return Judged(Verdict.AGREES)

        def explains(line: Line) -> bool:
            return is_definition(line.says) and same(field, defined(line.says, field, ours), theirs)

        if line := self._first(machine, peer, field, explains):
            return Judged(Verdict.OTHERWISE, line)
        line = self._first(machine, peer, field, lambda line: line.says == DIFFERS)
        return Judged(Verdict.DIFFERS if line else Verdict.UNEXPLAINED, line)

    def _first(self, machine, peer, field, fits) -> Line | None:
        for line in self.lines:
            if line.is_about(machine, peer, field) and fits(line):
                return line
        return None

    def use(self, line: Line | None) -> None:
        """Counts that a line has explained something."""
        if line is not None:
            self.used[line.number] += 1

    def useless(self) -> list[Line]:
        """Lines that explained nothing."""
        return [line for line in self.lines if not self.used[line.number]]
