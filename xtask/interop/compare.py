"""Two independent libraries read our simulated miners; they and `bitlink get` must come to the same readings.

Called by `cargo xtask interop` as `compare.py --bitlink PATH --simulator PATH [--write]`, in an environment with the
libraries of `requirements.txt`. Exits with 0 when all is as the committed files have it, with 77 when it cannot be tried
here or not in full, and otherwise with 1.

The simulated miners stand still in time, so readings are compared exactly. Where a peer reports another quantity under
the same name (the mean of the sensors instead of the hottest, say), it must be exactly that other quantity. Every value
that is not ours needs a line in `verdicts.tsv` that says who is right; docs/interop.md is written from both, and a run that
comes to something else says so.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

from orders import order
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
from report import HEADINGS, Outcome, Report, brief, shown
from verdicts import Judged, Verdict, Verdicts

# Whatever happens, it ends after this long.
WHOLE_TIMEOUT_S = 300.0
# The peers ask ports and pages in a race, and what they tell depends on which one wins: the best reading counts.
ATTEMPTS = 3
# Machines that are read at the same time; each is asked by one library after another.
AT_ONCE = 4
SKIPPED = 77
HERE = Path(__file__).parent


def check_ours(machine: Machine, ours: Ours) -> list[str]:
    """Our own reading against what the simulator is, and against itself: peers may tell means only."""
    true: dict[str, object] = {"make": machine.make, "model": machine.model}
    # Some firmware tells its address only to who logs in, or never.
    if ours.reading.mac is not None:
        true["mac"] = machine.mac
    # What a sensor of a board is taken at is not known of every firmware.
    if ours.board_sensor_c is not None and ours.reading.board_c is not None:
        true["board_c"] = ours.board_sensor_c
    failures = []
    for name, truth in true.items():
        said = getattr(ours.reading, name)
        if said != truth:
            failures.append(f"{machine}: we say {HEADINGS[name]} {said}, it is {truth}")
    if ours.reading.ths is None:
        failures.append(f"{machine}: we do not tell the hash rate")
    return failures


@dataclass
class Attempt:
    """One reading of a peer, or why there is none."""

    reading: Reading | None
    why: str
    judged: dict[str, Judged]

    def worth(self) -> tuple[int, int]:
        """How much of it agrees, and how much it tells."""
        verdicts = [judged.verdict for judged in self.judged.values()]
        return (sum(v.is_agreement for v in verdicts), sum(v.is_filled for v in verdicts))


async def attempt(verdicts: Verdicts, machine: Machine, ours: Ours, peer: str) -> Attempt:
    """Asks a peer once."""
    try:
        reading = await asyncio.wait_for(PEERS[peer](machine.address), READ_TIMEOUT_S)
    except asyncio.TimeoutError:
        return Attempt(None, f"took longer than {READ_TIMEOUT_S:.0f} s", {})
    except Exception as error:  # Whatever a peer stumbles over is a line of the report.
        return Attempt(None, brief(error), {})
    judge = (
        (name, verdicts.judge(machine, ours, peer, name, getattr(reading, name))) for name in FIELDS
    )
    return Attempt(reading, "", dict(judge))


async def read_machine(verdicts: Verdicts, bitlink: Path, machine: Machine) -> Outcome:
    """Asks us and the peers, one after another, and judges."""
    outcome = Outcome(machine)
    try:
        ours = await read_ours(bitlink, machine.address)
    except (Unreadable, asyncio.TimeoutError, ValueError, KeyError) as error:
        outcome.failures.append(f"{machine}: bitlink: {error!r}")
        return outcome
    outcome.ours = ours
    outcome.failures += check_ours(machine, ours)
    for peer in PEERS:
        attempts = [await attempt(verdicts, machine, ours, peer) for _ in range(ATTEMPTS)]
        best = max(attempts, key=Attempt.worth)
        if best.reading is None:
            outcome.unread[peer] = best.why
            line = verdicts.unread(machine, peer)
            verdicts.use(line)
            if line is None:
                outcome.failures.append(f"{machine}: {peer}: {best.why}")
            continue
        outcome.theirs[peer] = best.reading
        for name, judged in best.judged.items():
            outcome.judged[peer, name] = judged
            verdicts.use(judged.line)
            if judged.verdict in (Verdict.UNEXPLAINED, Verdict.GONE):
                they, we = (shown(name, getattr(reading, name)) for reading in (best.reading, ours.reading))
                what = f"{machine}: {peer} says {HEADINGS[name]} {they}, we say {we}"
                outcome.failures.append(f"{what}; nothing in verdicts.tsv")
    return outcome


async def compare(fleet: Simulator, bitlink: Path) -> tuple[Report, list[str]]:
    """Reads all machines by all libraries; the report, and what is wrong with it."""
    verdicts = Verdicts(HERE / "verdicts.tsv")
    turn = asyncio.Semaphore(AT_ONCE)

    async def in_turn(machine: Machine) -> Outcome:
        async with turn:
            return await read_machine(verdicts, bitlink, machine)

    outcomes = await asyncio.gather(*map(in_turn, fleet.machines))
    report = Report(list(outcomes), verdicts)
    return report, report.failures(in_full=not fleet.out_of_reach)


async def run(arguments: argparse.Namespace) -> int:
    async with Simulator(arguments.simulator) as fleet:
        report, failures = await compare(fleet, arguments.bitlink)
        if failures:
            # On a busy machine a peer's own time limits run out; what is wrong with us is wrong again.
            print("once more, since not all was as it should be:")
            for failure in failures:
                print(f"  {failure}")
            report, failures = await compare(fleet, arguments.bitlink)
    orders = await order(arguments.simulator, arguments.bitlink)
    if orders.failures:
        print("the order once more, since not all was as it should be:")
        for failure in orders.failures:
            print(f"  {failure}")
        orders = await order(arguments.simulator, arguments.bitlink)
    failures += orders.failures
    report.print()
    orders.print()
    for machine in fleet.out_of_reach:
        ports = ", ".join(map(str, machine.doors))
        print(f"skipped: {machine}: not all of its ports can be taken here: {ports}")
    if not fleet.out_of_reach:
        for note in report.keep(HERE.parent.parent, write=arguments.write):
            print(f"note: {note}")
    for failure in failures:
        print(f"FAILED  {failure}")
    if failures:
        return 1
    if fleet.out_of_reach:
        # Binding low ports takes root or the capability.
        print(f"{len(fleet.out_of_reach)} machines skipped, {len(fleet.machines)} compared")
        return SKIPPED
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bitlink", type=Path, required=True, help="our program")
    parser.add_argument(
        "--simulator", type=Path, required=True, help="the simulator's example `serve`"
    )
    parser.add_argument(
        "--write", action="store_true", help="write docs/interop.md and agreed.tsv anew"
    )
    try:
        return asyncio.run(asyncio.wait_for(run(parser.parse_args()), WHOLE_TIMEOUT_S))
    except Unreadable as error:
        print(f"FAILED  {error}")
    except asyncio.TimeoutError:
        print("FAILED  it took too long")
    return 1


if __name__ == "__main__":
    sys.exit(main())
