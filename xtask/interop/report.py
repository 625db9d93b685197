"""What is printed and what is kept: the table of readings, docs/interop.md between its marks, and `agreed.tsv`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from peers import PEERS
from readings import FIELDS, Machine, Ours, Reading
from verdicts import ANY, DIFFERS, SILENT, UNREAD, Judged, Line, Verdict, Verdicts

# Of all values that a peer gives, so many must be ours or the peer's own definition.
AGREEMENT_WANTED = 0.95
DOCUMENT = "docs/interop.md"
AGREED = "xtask/interop/agreed.tsv"
BEGIN, END = "<!-- interop: begin -->\n", "<!-- interop: end -->\n"
HEADINGS = {
    "make": "make",
    "model": "model",
    "firmware": "firmware",
    "ths": "TH/s",
    "boards": "boards",
    "chips": "chips",
    "board_c": "board °C",
    "chip_c": "chip °C",
    "fans": "fans rpm",
    "power_w": "power W",
    "pools": "pools acc/rej",
    "uptime": "uptime s",
    "mac": "MAC",
}
KEY = "=  the same   –  told by us only   blank  told by neither   ≠  differs; a letter leads to the reason"


@dataclass
class Outcome:
    """What all libraries say of one machine, and what is to be said of that."""

    machine: Machine
    ours: Ours | None = None
    theirs: dict[str, Reading] = field(default_factory=dict)
    # Why a peer came to no reading.
    unread: dict[str, str] = field(default_factory=dict)
    judged: dict[tuple[str, str], Judged] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def brief(error: Exception) -> str:
    text = str(error) or repr(error)
    return text if len(text) <= 120 else f"{text[:120]}…"


def shown(name: str, value: object) -> str:
    """A value as the table has it."""
    if value is None:
        return "–"
    if isinstance(value, tuple):
        return " ".join(str(item) for item in value)
    if isinstance(value, float):
        text = f"{value:.5f}" if name == "ths" else f"{value:.2f}"
        return text.rstrip("0").rstrip(".")
    return str(value)


def letters(number: int) -> str:
    """a, b, … z, aa, ab, …"""
    text = ""
    while number >= 0:
        text = chr(ord("a") + number % 26) + text
        number = number // 26 - 1
    return text


def markdown(rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "".join(f"{line}\n" for line in lines)


class Report:
    """All outcomes, judged."""

    def __init__(self, outcomes: list[Outcome], verdicts: Verdicts) -> None:
        self.outcomes = outcomes
        self.verdicts = verdicts
        used = [line for line in verdicts.lines if verdicts.used[line.number] and line.says != UNREAD]
        self.letters = {line.number: letters(n) for n, line in enumerate(used)}

    def cell(self, judged: Judged, value: str | None = None) -> str:
        """A verdict as a cell of a table, with the value where that is wanted."""
        letter = self.letters[judged.line.number] if judged.line else ""
        said = value or ""
        match judged.verdict:
            case Verdict.AGREES:
                return "="
            case Verdict.NEITHER:
                return ""
            case Verdict.CANNOT | Verdict.GONE:
                return f"– {letter}".strip()
            case Verdict.OTHERWISE:
                return f"{said} {letter}".strip()
            case _:
                return " ".join(f"≠ {said} {letter}".split())

    def print(self) -> None:
        lines = [["miner", "read by", *HEADINGS.values()]]
        notes = []
        for outcome in self.outcomes:
            if outcome.ours is None:
                continue
            values = [shown(name, getattr(outcome.ours.reading, name)) for name in FIELDS]
            lines.append([f"{outcome.machine.face} {outcome.machine.address}", "bitlink", *values])
            for peer in PEERS:
                if peer in outcome.unread:
                    notes.append(f"{outcome.machine}: {peer}: {outcome.unread[peer]}")
                    lines.append(["", peer, "reads nothing"] + [""] * (len(FIELDS) - 1))
                    continue
                cells = [
                    self.cell(outcome.judged[peer, name], shown(name, getattr(outcome.theirs[peer], name)))
                    for name in FIELDS
                ]
                lines.append(["", peer, *cells])
        widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
        for number, line in enumerate(lines):
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
            if number == 0:
                print("  ".join("-" * width for width in widths))
        print(f"\n{KEY}")
        for line in self.verdicts.lines:
            if line.number in self.letters:
                print(f"{self.letters[line.number]}  {self.meaning(line)}: {line.right}; {line.why}")
        print("\nreads nothing:")
        for note in notes:
            print(f"  {note}")
        print(f"\n{self.summary()}")

    @staticmethod
    def meaning(line: Line) -> str:
        return {DIFFERS: "another value", SILENT: "not told"}.get(line.says, line.says)

    def counts(self, peer: str) -> Counter[Verdict]:
        judged = (j for o in self.outcomes for (by, _), j in o.judged.items() if by == peer)
        return Counter(j.verdict for j in judged)

    def summary(self) -> str:
        """The counts of each peer, as sentences."""
        sentences = []
        for peer in PEERS:
            counts = self.counts(peer)
            read = sum(peer in outcome.theirs for outcome in self.outcomes)
            families = {o.machine.face for o in self.outcomes if peer in o.theirs}
            told = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict])
            sentences.append(
                f"{peer} reads {read} of {len(self.outcomes)} miners, {len(families)} of "
                f"{len({o.machine.face for o in self.outcomes})} faces: {told}; "
                f"{self.agreement(peer):.1%} of what it tells agree."
            )
        return "\n".join(sentences)

    def agreement(self, peer: str) -> float:
        """The part of a peer's values that agree with ours."""
        counts = self.counts(peer)
        filled = sum(number for verdict, number in counts.items() if verdict.is_filled)
        agreed = sum(number for verdict, number in counts.items() if verdict.is_agreement)
        return agreed / filled if filled else 0.0

    def failures(self, in_full: bool) -> list[str]:
        failures = [failure for outcome in self.outcomes for failure in outcome.failures]
        for peer in PEERS:
            if self.agreement(peer) < AGREEMENT_WANTED:
                failures.append(f"{peer}: less than {AGREEMENT_WANTED:.0%} of what it tells agree")
        if in_full:
            useless = self.verdicts.useless()
            failures += [f"verdicts.tsv:{line.number}: explains nothing any more" for line in useless]
        return failures

    def document(self) -> str:
        """What stands between the marks of the document."""
        parts = []
        for peer in PEERS:
            rows: dict[tuple[str, ...], list[str]] = {}
            for outcome in self.outcomes:
                if peer in outcome.theirs:
                    cells = tuple(self.cell(outcome.judged[peer, name]) for name in FIELDS)
                    models = rows.setdefault((outcome.machine.face, *cells), [])
                    models.append(outcome.machine.model or "–")
            table = [["face", "machine", *(HEADINGS[name].split(" acc")[0] for name in FIELDS)]]
            table += [[face, ", ".join(models), *cells] for (face, *cells), models in rows.items()]
            parts.append(f"### {peer}\n\n{markdown(table)}")
        parts.append("".join(f"{line}\n" for line in (KEY + ".").splitlines()))
        parts.append("".join(f"- {line}\n" for line in self.summary().splitlines()))
        notes = [["note", "value", "of", "in", "means or says", "whose is right", "by"]]
        unread = [["peer", "faces", "why it reads nothing"]]
        for line in self.verdicts.lines:
            peers, faces = ", ".join(line.peers), ", ".join(line.faces)
            if line.says == UNREAD:
                unread.append([peers, faces, line.why])
            elif line.number in self.letters:
                names = ", ".join(HEADINGS[name].split(" acc")[0] for name in line.fields)
                notes.append(
                    [self.letters[line.number], names, faces, peers, self.meaning(line), line.right, line.why]
                )
        parts.append(f"### Who is right where the values are not the same\n\n{markdown(notes)}")
        parts.append(f"### What a peer cannot read\n\n{markdown(unread)}")
        return "\n".join(parts)

    def agreed(self) -> str:
        """The fields of each family on which a peer agrees on every machine that it reads."""
        cells: dict[tuple[str, str, str], bool] = {}
        for outcome in self.outcomes:
            for (peer, name), judged in outcome.judged.items():
                if judged.verdict.is_filled:
                    key = (outcome.machine.family, name, peer)
                    cells[key] = cells.get(key, True) and judged.verdict.is_agreement
        peers: dict[tuple[str, str], list[str]] = {}
        for (family, name, peer), agree in sorted(cells.items()):
            if agree:
                peers.setdefault((family, name), []).append(peer)
        head = (
            "# Written by `cargo xtask interop --write`: what another library reads as we do.\n"
            "# family\tfield\tpeers\n"
        )
        lines = (f"{family}\t{name}\t{','.join(who)}\n" for (family, name), who in peers.items())
        return head + "".join(lines)

    def keep(self, root: Path, write: bool) -> list[str]:
        """Writes the committed files, or says which of them are not what would be written."""
        document = (root / DOCUMENT).read_text(encoding="utf-8")
        before, _, rest = document.partition(BEGIN)
        _, _, after = rest.partition(END)
        wanted = {DOCUMENT: f"{before}{BEGIN}\n{self.document()}\n{END}{after}", AGREED: self.agreed()}
        failures = []
        for name, text in wanted.items():
            path = root / name
            if path.exists() and path.read_text(encoding="utf-8") == text:
                continue
            if write:
                path.write_text(text, encoding="utf-8")
                print(f"wrote {name}")
            else:
                failures.append(f"{name} is not up to date: cargo xtask interop --write")
        return failures
