#!/usr/bin/env python3
"""Passes TCP connections on to another host and holds every byte back for a while.

delay_relay.py LISTEN-IP TARGET-IP ONE-WAY-SECONDS BYTES-IN-FLIGHT PORT...

In place of the kernel's netem, which not every kernel has. Each direction of a connection has at
most BYTES-IN-FLIGHT under way, as a link of a certain rate and length has.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque

CHUNK = 256 << 10


class Pipe:
    """One direction of a connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float, cap: int
    ) -> None:
        self._reader, self._writer = reader, writer
        self._delay_s, self._cap = delay_s, cap
        #: When each chunk is due; an empty one is the end.
        self._under_way: deque[tuple[float, bytes]] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Until the sender has ended and everything has arrived."""
        await asyncio.gather(self._take(), self._hand_over())

    async def _take(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            while self._bytes >= self._cap:
                self._changed.clear()
                await self._changed.wait()
            try:
                data = await self._reader.read(CHUNK)
            except OSError:
                data = b""
            self._under_way.append((clock() + self._delay_s, data))
            self._bytes += len(data)
            self._changed.set()
            if not data:
                return

    async def _hand_over(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            while not self._under_way:
                self._changed.clear()
                await self._changed.wait()
            due, data = self._under_way[0]
            if due > clock():
                await asyncio.sleep(due - clock())
            if not data:
                break
            self._writer.write(data)
            await self._writer.drain()
            self._under_way.popleft()
            self._bytes -= len(data)
            self._changed.set()
        self._writer.close()


async def main(listen: str, target: str, delay_s: float, cap: int, ports: list[int]) -> None:
    """Runs until it is ended."""

    def relay_to(port: int):  # type: ignore[no-untyped-def]
        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                # A handshake takes a round trip as well.
                await asyncio.sleep(2 * delay_s)
                far_reader, far_writer = await asyncio.open_connection(target, port, limit=CHUNK)
            except OSError:
                writer.close()
                return
            there = Pipe(reader, far_writer, delay_s, cap)
            back = Pipe(far_reader, writer, delay_s, cap)
            await asyncio.gather(there.run(), back.run(), return_exceptions=True)

        return relay

    servers = [
        await asyncio.start_server(relay_to(port), listen, port, limit=CHUNK) for port in ports
    ]
    print("ready", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    _, ours, theirs, delay, in_flight, *numbers = sys.argv
    asyncio.run(main(ours, theirs, float(delay), int(in_flight), [int(n) for n in numbers]))
