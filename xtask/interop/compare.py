"""Two independent libraries read our simulated miners; they and `bitlink get` must come to the same readings.

Called by `cargo xtask interop` as `compare.py --bitlink PATH --simulator PATH`, in an environment with the libraries of
`requirements.txt`. Exits with 0 when all agree, with 77 when it cannot be tried here, and otherwise with 1.

The simulated miners stand still in time, so readings are compared exactly. Where a peer reports another quantity under
the same name (the mean of the sensors instead of the hottest, say), it must be exactly that other quantity; the notes
under the table say which, and docs/interop.md who is right.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from definitions import DECISIVE, NOTES, Verdict, judge
from peers import PEERS
from readings import (
    FIELDS,
    READ_TIMEOUT_S,
    Machine,
    Ours,
    Reading,
    Simulator,
    Unreadable,
    read_ours,
)

FACES = ["antminer", "antminer-old", "whatsminer", "whatsminer-v1"]
# Whatever happens, it ends after this long.
WHOLE_TIMEOUT_S = 170.0
SKIPPED = 77
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
    "uptime": "uptime s",
    "mac": "MAC",
    "pools": "pools acc/rej",
}


@dataclass
class Report:
    """The table's lines, what went wrong, and how often which verdict was given."""

    lines: list[list[str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    counts: Counter[Verdict] = field(default_factory=Counter)
    notes: set[str] = field(default_factory=set)


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


def compare(report: Report, machine: Machine, ours: Ours, peer: str, theirs: Reading) -> list[str]:
    """One peer's line: `=` where it agrees, its value and the letter of the note where it means something else."""
    cells = []
    for name in FIELDS:
        value = getattr(theirs, name)
        verdict, note = judge(machine, ours, peer, name, value)
        report.counts[verdict] += 1
        if note:
            report.notes.add(note)
        text = shown(name, value)
        match verdict:
            case Verdict.AGREES:
                text = "="
            case Verdict.OTHERWISE:
                text = f"{text} {note}"
            case Verdict.DIFFERS:
                text = f"≠ {text}"
                wanted = shown(name, getattr(ours.reading, name))
                said = f"says {HEADINGS[name]} {shown(name, value)}, we say {wanted}"
                report.failures.append(f"{machine.model}: {peer} {said}")
            case Verdict.SILENT:
                what = f"{machine.model}: {peer} no longer tells {HEADINGS[name]}"
                report.failures.append(what)
        cells.append(text)
    return cells


def check_ours(report: Report, machine: Machine, ours: Ours) -> None:
    """Our own reading against what the simulator is, and against itself: peers may tell means only."""
    true: dict[str, object] = {"make": machine.make, "model": machine.model, "mac": machine.mac}
    if ours.board_sensor_c is not None:
        true["board_c"] = ours.board_sensor_c
    for name, truth in true.items():
        said = getattr(ours.reading, name)
        if said != truth:
            what = f"{machine.model}: we say {HEADINGS[name]} {said}, it is {truth}"
            report.failures.append(what)
    for name in DECISIVE:
        if getattr(ours.reading, name) is None:
            report.failures.append(f"{machine.model}: we do not tell {HEADINGS[name]}")


async def read_machine(report: Report, bitlink: Path, machine: Machine) -> None:
    try:
        ours = await read_ours(bitlink, machine.address)
    except (Unreadable, asyncio.TimeoutError, ValueError, KeyError) as error:
        report.failures.append(f"{machine.model}: bitlink: {error!r}")
        return
    check_ours(report, machine, ours)
    values = [shown(name, getattr(ours.reading, name)) for name in FIELDS]
    report.lines.append([machine.address, "bitlink", *values])
    for peer, read in PEERS.items():
        try:
            theirs = await asyncio.wait_for(read(machine.address), READ_TIMEOUT_S)
        except asyncio.TimeoutError:
            what = f"{machine.model}: {peer} took longer than {READ_TIMEOUT_S:.0f} s"
            report.failures.append(what)
            continue
        except Exception as error:  # Whatever a peer stumbles over is a line of the report.
            report.failures.append(f"{machine.model}: {peer}: {error!r}")
            continue
        report.lines.append(["", peer, *compare(report, machine, ours, peer, theirs)])


def print_report(report: Report) -> None:
    lines = [["miner", "read by", *(HEADINGS[name] for name in FIELDS)], *report.lines]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for number, line in enumerate(lines):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
    print("\n=  agrees   –  the library does not tell   ≠  differs")
    for note in sorted(report.notes):
        print(f"{note}  {NOTES[note]}")
    counts = ", ".join(f"{report.counts[verdict]} {verdict.value}" for verdict in Verdict)
    print(
        f"\n{sum(line[1] == 'bitlink' for line in report.lines)} miners, {len(PEERS)} peers: {counts}"
    )
    for failure in report.failures:
        print(f"FAILED  {failure}")


async def run(bitlink: Path, simulator: Path) -> int:
    report = Report()
    async with Simulator(simulator, FACES) as fleet:
        if not fleet.has_web:
            print(
                "skipped: the peers ask the web server of an Antminer, and port 80 cannot be taken here"
            )
            return SKIPPED
        for machine in fleet.machines:
            await read_machine(report, bitlink, machine)
    print_report(report)
    return 1 if report.failures else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bitlink", type=Path, required=True, help="our program")
    parser.add_argument(
        "--simulator", type=Path, required=True, help="the simulator's example `serve`"
    )
    arguments = parser.parse_args()
    try:
        return asyncio.run(
            asyncio.wait_for(run(arguments.bitlink, arguments.simulator), WHOLE_TIMEOUT_S)
        )
    except Unreadable as error:
        print(f"FAILED  {error}")
    except asyncio.TimeoutError:
        print("FAILED  it took too long")
    return 1


if __name__ == "__main__":
    sys.exit(main())
