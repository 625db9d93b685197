"""What our program sets, the peers read: `bitlink control pools set` on every simulated machine.

The machines have been made ready to be commanded, with a password of their own. Ours is the order and the first reading after it;
whether the machine really mines there now is for the peers to say, who know nothing of the order.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from peers import PEERS, log_in_with, pools_by_pyasic
from readings import READ_TIMEOUT_S, Machine, Pool, Simulator, Unreadable
from report import brief

PASSWORD = "correct horse"
USERS = ("admin", "root", "seal", "user")
WITHIN_S = 90.0
# The peers ask ports and pages in a race; an attempt that comes to nothing says nothing.
ATTEMPTS = 3
AT_ONCE = 4
URLS = tuple(f"stratum+tcp://pool-{n}.example:{3333 + n}" for n in (1, 2, 3))
# Some firmware has room for no more.
FEW = 2
# The worker at the pool where firmware with a fee mines for its maker. It is listed, and nobody sets it.
FEE = "DevFee"
# pyasic must read back the pools of at least so many families: those that it does today.
FAMILIES_AT_LEAST = 12


async def _pools_by_pyasic_rs(address: str) -> tuple[Pool, ...] | None:
    return (await PEERS["pyasic_rs"](address)).pools


READERS: dict[str, Callable[[str], Awaitable[tuple[Pool, ...] | None]]] = {
    "pyasic": pools_by_pyasic,
    "pyasic_rs": _pools_by_pyasic_rs,
}


@dataclass
class Orders:
    """What became of the order on all machines."""

    verified: list[Machine] = field(default_factory=list)
    unsupported: list[Machine] = field(default_factory=list)
    agree: dict[str, list[Machine]] = field(default_factory=lambda: {peer: [] for peer in READERS})
    silent: dict[str, dict[Machine, str]] = field(
        default_factory=lambda: {peer: {} for peer in READERS}
    )
    failures: list[str] = field(default_factory=list)

    def print(self) -> None:
        """Who cannot be told, and who read what."""
        print(f"pools set on {_count(self.verified)}, each proven by our own reading after it;", end=" ")
        print(f"{len(self.unsupported)} machines cannot be told and were left alone")
        for peer, machines in self.agree.items():
            print(f"{peer} reads the new pools of {_count(machines)}, and those of no other machine:")
            for machine, why in self.silent[peer].items():
                print(f"  {machine}: {peer}: {why}")


def _count(machines: list[Machine]) -> str:
    families = {machine.family for machine in machines}
    return f"{len(machines)} machines of {len(families)} families"


async def order(simulator: Path, bitlink: Path) -> Orders:
    """Starts the machines, sets their pools, and lets the peers read them."""
    log_in_with(PASSWORD)
    async with Simulator(simulator, "--open", PASSWORD) as fleet:
        machines = {machine.address: machine for machine in fleet.machines}
        with tempfile.TemporaryDirectory() as folder:
            document = await _set_pools(bitlink, Path(folder), list(machines), len(URLS))
            cramped = [_address(it) for it in document["outcomes"] if it["outcome"] == "unsupported"]
            less = await _set_pools(bitlink, Path(folder), cramped, FEW)
        kept = [it for it in document["outcomes"] if _address(it) not in cramped]
        document["outcomes"] = kept + less["outcomes"]
        document["plan"]["skipped"] += less["plan"]["skipped"]
        orders = _ours(document, machines)
        turn = asyncio.Semaphore(AT_ONCE)

        async def in_turn(machine: Machine) -> None:
            async with turn:
                for peer in READERS:
                    await _ask(orders, machine, peer)

        await asyncio.gather(*map(in_turn, list(orders.verified)))
    families = {machine.family for machine in orders.agree["pyasic"]}
    if len(families) < FAMILIES_AT_LEAST:
        orders.failures.append(f"pyasic reads the new pools of {len(families)} families only")
    return orders


async def _set_pools(
    bitlink: Path, folder: Path, addresses: list[str], count: int
) -> dict[str, Any]:
    pools = folder / "pools.toml"
    tables = (
        f'[[pool]]\nurl = "{url}"\nuser = "farm.{{ip_4}}"\npassword = "x"\n' for url in URLS[:count]
    )
    pools.write_text("\n".join(tables), encoding="utf-8")
    targets = folder / "targets.txt"
    targets.write_text("\n".join(addresses), encoding="utf-8")
    command = [str(bitlink), "control", "pools", "set", str(pools), f"@{targets}"]
    command += ["--data", str(folder / "data"), "--yes", "--quiet", "--format", "json"]
    command += ["--batch", "all", "--canary", "0", "--pause", "0", "--kw-per-second", "off"]
    command += ["--allow-unidentified", "--prove-within", "70s"]
    for user in USERS:
        command += ["--login", f"{user}:{PASSWORD}"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    try:
        out, err = await asyncio.wait_for(process.communicate(), WITHIN_S)
    except asyncio.TimeoutError:
        process.kill()
        await process.wait()
        raise
    if process.returncode not in (0, 1):
        said = err.decode(errors="replace").strip()
        raise Unreadable(f"bitlink control: exit code {process.returncode}: {said}")
    return json.loads(out)


def _ours(document: dict[str, Any], machines: dict[str, Machine]) -> Orders:
    """Every machine is proven to have its pools, or cannot be told at all."""
    orders = Orders()
    met: Counter[str] = Counter()
    for outcome in document["outcomes"]:
        machine = machines[_address(outcome)]
        met[machine.address] += 1
        if outcome["outcome"] == "verified":
            orders.verified.append(machine)
        else:
            orders.failures.append(f"{machine}: {outcome['outcome']}: {outcome.get('why', '')}")
    for skipped in document["plan"]["skipped"]:
        machine = machines[_address(skipped)]
        met[machine.address] += 1
        if skipped["reason"] == "unsupported":
            orders.unsupported.append(machine)
        else:
            orders.failures.append(f"{machine}: left out: {skipped['reason']}")
    for address, machine in machines.items():
        if met[address] != 1:
            orders.failures.append(f"{machine}: {met[address]} outcomes")
    return orders


def _address(item: dict[str, Any]) -> str:
    return item["endpoint"].rpartition(":")[0]


async def _ask(orders: Orders, machine: Machine, peer: str) -> None:
    user = f"farm.{machine.address.rpartition('.')[2]}"
    why = ""
    for _ in range(ATTEMPTS):
        try:
            pools = await asyncio.wait_for(READERS[peer](machine.address), READ_TIMEOUT_S)
        except asyncio.TimeoutError:
            why = f"took longer than {READ_TIMEOUT_S:.0f} s"
            continue
        except Exception as error:  # Whatever a peer stumbles over is a line of the report.
            why = brief(error)
            continue
        if pools is None:
            why = "tells no pools"
            continue
        # Some peers give the pool in use and leave the others out; one that is not ours is never right.
        read = [(_plain(pool.url), pool.user) for pool in pools if pool.user != FEE]
        wanted = [(_plain(url), user) for url in URLS]
        if read and read == wanted[: len(read)]:
            orders.agree[peer].append(machine)
        else:
            orders.failures.append(f"{machine}: {peer} reads {read}, set were {wanted}")
        return
    orders.silent[peer][machine] = why


def _plain(url: str) -> str:
    """Firmware prints addresses with or without their scheme."""
    return url.rpartition("//")[2].rstrip("/")
