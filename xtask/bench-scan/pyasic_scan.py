"""Scans with pyasic and prints the address of each miner as it is found: pyasic_scan.py OCTETS."""

import asyncio
import sys

from pyasic.network import MinerNetwork


async def main(octets: str) -> None:
    network = MinerNetwork.from_address(octets)
    async for miner in network.scan_network_generator():
        if miner is not None:
            print(miner.ip, flush=True)


asyncio.run(main(sys.argv[1]))
