"""Reads miners with pyasic, over and over, and prints what it came to: pyasic_poll.py FIRST COUNT IN_FLIGHT SECONDS.

Every miner is identified and read once before anything counts. CPU and memory are what the kernel says of this process.
"""

import asyncio
import ipaddress
import json
import logging
import resource
import sys
import time

from pyasic import get_miner


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def main(first: str, count: int, in_flight: int, seconds: float) -> None:
    logging.disable(logging.CRITICAL)
    addresses = [str(ipaddress.IPv4Address(first) + n) for n in range(count)]
    limit = asyncio.Semaphore(in_flight)

    async def limited(work):
        async with limit:
            return await work

    met = await asyncio.gather(*(limited(get_miner(ip)) for ip in addresses), return_exceptions=True)
    miners = [miner for miner in met if miner is not None and not isinstance(miner, BaseException)]

    async def read(miner) -> bool:
        try:
            data = await miner.get_data()
        except Exception:
            return False
        return data.hashrate is not None and bool(data.hashboards) and bool(data.pools)

    await asyncio.gather(*(limited(read(miner)) for miner in miners))

    polls = complete = turn = 0
    began, cpu = time.monotonic(), cpu_seconds()

    async def worker() -> None:
        nonlocal polls, complete, turn
        while time.monotonic() - began < seconds:
            miner = miners[turn % len(miners)]
            turn += 1
            complete += await read(miner)
            polls += 1

    if miners:
        await asyncio.gather(*(worker() for _ in range(in_flight)))
    print(
        json.dumps(
            {
                "miners": len(miners),
                "polls": polls,
                "complete": complete,
                "seconds": time.monotonic() - began,
                "cpu_s": cpu_seconds() - cpu,
                "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            }
        )
    )


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
