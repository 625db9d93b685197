"""What one library says of one miner, in one shape; and how our own program and the simulator are asked."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# Longest that one miner may take to be read by one library.
READ_TIMEOUT_S = 15.0
API_PORT = 4028


class Unreadable(Exception):
    """A library did not come to a reading."""


@dataclass(frozen=True)
class Pool:
    """One configured pool; empty slots are left out."""

    url: str
    user: str
    accepted: int | None
    rejected: int | None

    def __str__(self) -> str:
        return f"{self.accepted}/{self.rejected}"


@dataclass(frozen=True)
class Reading:
    """One miner as one library sees it. `None` is what the library does not tell."""

    make: str | None = None
    model: str | None = None
    firmware: str | None = None
    ths: float | None = None
    boards: int | None = None
    chips: int | None = None
    board_c: float | None = None
    chip_c: float | None = None
    fans: tuple[int, ...] | None = None
    power_w: float | None = None
    pools: tuple[Pool, ...] | None = None
    uptime: int | None = None
    mac: str | None = None


# What is compared, in the order of the table.
FIELDS = tuple(field.name for field in fields(Reading))


@dataclass(frozen=True)
class Machine:
    """One simulated miner: where it answers and what it really is."""

    address: str
    face: str
    family: str
    make: str | None
    model: str | None
    mac: str
    doors: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.face} {self.model}" if self.model else self.face


@dataclass(frozen=True)
class Ours:
    """Our own reading, and what other definitions of the same quantities would give."""

    reading: Reading
    document: dict[str, Any]
    board_sensor_c: float | None
    board_mean_c: float | None
    chip_mean_c: float | None
    uptime_of_program: int | None
    software: str | None


def hottest(values: list[float | None]) -> float | None:
    """The greatest of those that are known."""
    return max((value for value in values if value is not None), default=None)


def real_pools(pools: list[Pool]) -> tuple[Pool, ...]:
    """The pools that are set to anything: firmware prints empty slots too."""
    return tuple(pool for pool in pools if urlsplit(pool.url).hostname)


def mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


async def read_ours(bitlink: Path, address: str) -> Ours:
    """Asks `bitlink get`."""
    command = [str(bitlink), "get", address, "--format", "json"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    try:
        out, err = await asyncio.wait_for(process.communicate(), READ_TIMEOUT_S)
    except asyncio.TimeoutError:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        raise Unreadable(f"exit code {process.returncode}: {err.decode(errors='replace').strip()}")
    return ours_from_document(json.loads(out))


def ours_from_document(document: dict[str, Any]) -> Ours:
    """Takes the JSON of `bitlink get` apart."""
    snapshot = document["snapshot"]
    identity = snapshot["identity"]
    firmware = identity.get("firmware", {})
    temperatures = snapshot.get("temperatures", {})
    boards = [board for board in snapshot.get("boards", []) if board.get("present", True)]
    fans = [fan for fan in snapshot.get("fans", []) if fan.get("location") != "psu"]
    rates = snapshot.get("hashrate", {})
    # Some firmware tells no other than its average.
    rate = rates.get("realtime_hs", rates.get("average_hs"))
    chips = [board["chips"] for board in boards if "chips" in board]
    elapsed = whole(snapshot.get("elapsed_s"))
    pools = [
        Pool(pool.get("url", ""), pool.get("user", ""), pool.get("accepted"), pool.get("rejected"))
        for pool in snapshot.get("pools", [])
    ]
    of_boards = [board.get("board_sensors_celsius", []) for board in boards]
    of_chips = [board.get("chip_sensors_celsius", []) for board in boards]
    given_means = [board.get("chip_temperature_average_celsius") for board in boards]
    return Ours(
        reading=Reading(
            make=identity.get("make"),
            model=identity.get("model"),
            firmware=firmware.get("version"),
            ths=None if rate is None else rate / 1e12,
            boards=len(boards) or None,
            chips=sum(chips) if chips else None,
            board_c=temperatures.get("board_max_celsius"),
            chip_c=temperatures.get("chip_max_celsius"),
            fans=tuple(round(fan["speed_rpm"]) for fan in fans if "speed_rpm" in fan) or None,
            power_w=snapshot.get("power_w"),
            pools=real_pools(pools) or None,
            uptime=whole(snapshot.get("uptime_s", elapsed)),
            mac=identity.get("mac_address"),
        ),
        document=snapshot,
        board_sensor_c=hottest([max(sensors) for sensors in of_boards if sensors]),
        board_mean_c=hottest([mean(sensors) for sensors in of_boards]),
        chip_mean_c=hottest([*given_means, *(mean(sensors) for sensors in of_chips)]),
        uptime_of_program=elapsed,
        software=firmware.get("software"),
    )


def whole(value: float | None) -> int | None:
    return None if value is None else int(value)


class Simulator:
    """The simulated miners, for as long as the `async with` lasts."""

    def __init__(self, program: Path, *words: str) -> None:
        self.command = [str(program), *words]
        self.machines: list[Machine] = []
        # Machines that would listen at a port that cannot be taken here.
        self.out_of_reach: list[Machine] = []

    async def __aenter__(self) -> Simulator:
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(
            *self.command, stdin=pipe, stdout=pipe
        )
        try:
            await asyncio.wait_for(self._meet(), READ_TIMEOUT_S)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _meet(self) -> None:
        assert self.process.stdout is not None
        # One line for each machine; an empty line ends the list.
        while line := (await self.process.stdout.readline()).strip():
            said = json.loads(line)
            if said["api_port"] != API_PORT:
                raise Unreadable(f"the simulator took port {said['api_port']} instead of {API_PORT}")
            machine = Machine(
                doors=tuple(said["doors"]),
                **{key: said[key] for key in ("address", "face", "family", "make", "model", "mac")},
            )
            within = said["has_web"] or machine.doors == (API_PORT,)
            (self.machines if within else self.out_of_reach).append(machine)
        if not self.machines and not self.out_of_reach:
            raise Unreadable("the simulator did not start")

    async def __aexit__(self, *_: object) -> None:
        """It ends when its standard input does."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), 5)
        except asyncio.TimeoutError:
            self.process.kill()
            await self.process.wait()
