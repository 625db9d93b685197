"""The two peers, asked for a full reading each. They ask TCP 4028, web servers, and whatever else they know of."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Awaitable, Callable

import certifi

from readings import Pool, Reading, Unreadable, hottest, real_pools

# Nothing may leave this machine: no proxies, and no Python socket to anywhere but the loopback network. The compiled
# peer makes its own sockets; it connects to the given address only.
for _name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[_name]
# The compiled peer's web client refuses to start without a certificate store, even for plain HTTP.
os.environ.setdefault("SSL_CERT_FILE", certifi.where())


def _only_loopback(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect":
        address = arguments[1]
        if isinstance(address, tuple) and not ipaddress.ip_address(address[0]).is_loopback:
            raise PermissionError(f"a peer wanted to connect to {address}")
    elif event == "socket.getaddrinfo":
        host = arguments[0]
        # Raises ValueError for a name: names are not looked up here.
        if host is not None and not ipaddress.ip_address(str(host)).is_loopback:
            raise PermissionError(f"a peer wanted to look up {host}")


sys.addaudithook(_only_loopback)

import pyasic  # noqa: E402
import pyasic_rs  # noqa: E402
import pyasic_rs.data  # noqa: E402


def _text(value: object) -> str | None:
    return None if value in (None, "") else str(value)


def log_in_with(password: str) -> None:
    """The password of every web server that pyasic asks; the compiled peer has no such setting."""
    for name in pyasic.settings.Settings.model_fields:
        if name.startswith("default_") and name.endswith("_password"):
            pyasic.settings.update(name, password)


# What is compared, and nothing else: pyasic gives up a whole reading over one item that it cannot get.
PYASIC_OPTIONS = ["mac", "fw_ver", "hashrate", "hashboards", "fans", "wattage", "pools", "uptime"]


async def _pyasic_data(address: str, items: list[str]) -> pyasic.MinerData:
    miner = await pyasic.get_miner(address)
    if miner is None:
        raise Unreadable("not identified")
    return await miner.get_data(include=items)


def _pyasic_pools(data: pyasic.MinerData) -> tuple[Pool, ...] | None:
    pools = [
        Pool(str(pool.url or ""), pool.user or "", pool.accepted, pool.rejected)
        for pool in data.pools
    ]
    return real_pools(pools) or None


async def pools_by_pyasic(address: str) -> tuple[Pool, ...] | None:
    """The pools alone."""
    return _pyasic_pools(await _pyasic_data(address, ["pools"]))


async def read_pyasic(address: str) -> Reading:
    """pyasic: pure Python."""
    data = await _pyasic_data(address, PYASIC_OPTIONS)
    boards = [board for board in data.hashboards if not board.missing]
    return Reading(
        make=_text(data.make),
        model=_text(data.model),
        firmware=_text(data.fw_ver),
        ths=None if data.hashrate is None else data.hashrate.rate * int(data.hashrate.unit) / 1e12,
        boards=len(boards) or None,
        chips=data.total_chips if boards else None,
        board_c=hottest([board.temp for board in boards]),
        chip_c=hottest([board.chip_temp for board in boards]),
        fans=tuple(fan.speed or 0 for fan in data.fans) or None,
        power_w=data.wattage,
        pools=_pyasic_pools(data),
        uptime=data.uptime,
        mac=_text(data.mac),
    )


TERAHASH = pyasic_rs.data.HashRateUnit.TH


async def read_pyasic_rs(address: str) -> Reading:
    """pyasic_rs: asic-rs, compiled, with Python on top."""
    miner = await pyasic_rs.MinerFactory().get_miner(address)
    if miner is None:
        raise Unreadable("not identified")
    data = await miner.get_data()
    boards = [board for board in data.hashboards if board.working_chips is not None]
    pools = [
        Pool(str(pool.url), pool.user or "", pool.accepted_shares, pool.rejected_shares)
        for group in data.pools
        for pool in group.pools
    ]
    return Reading(
        make=data.device_info.make,
        model=data.device_info.model,
        firmware=data.firmware_version,
        ths=None if data.hashrate is None else data.hashrate.into_unit(TERAHASH).value,
        boards=len(boards) or None,
        chips=data.total_chips or None,
        board_c=hottest([board.board_temperature for board in boards]),
        chip_c=hottest([board.outlet_chip_temperature for board in boards]),
        fans=tuple(round(fan.rpm) for fan in data.fans if fan.rpm is not None) or None,
        power_w=data.wattage,
        pools=real_pools(pools) or None,
        uptime=None if data.uptime is None else int(data.uptime.total_seconds()),
        mac=_text(data.mac),
    )


PEERS: dict[str, Callable[[str], Awaitable[Reading]]] = {
    "pyasic": read_pyasic,
    "pyasic_rs": read_pyasic_rs,
}
