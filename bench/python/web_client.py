"""Starts bench/python/web_app.py in a mode, asks it over HTTP from a process of its own, and prints JSON.

    python web_client.py stock|kucha|concurrent FOLDER CONTAINERS SECONDS RATE

First CONNECTIONS connections ask one request after the other, as quickly as they are answered, for SECONDS: throughput.
Then requests are due RATE times a second, for as long: latency, counted from the moment at which a request was due, so
that what a standstill keeps from being asked counts as well. With RATE 0 only the first is done. The sequence of
requests is the same in every run. Nothing here is collected meanwhile, so that no pause is the client's.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
CONNECTIONS = 8
WARM = 1.0  # seconds at full load before anything counts
PRODUCTS = 6_000
GROUPS = 3
WORDS = ("plain", "small", "large", "red", "blue", "green")
MODES = {
    "stock": [],
    "kucha": ["-m", "kucha", "run", "-q", "--no-trace", "--gc=kucha"],
    "concurrent": ["-m", "kucha", "run", "-q", "--no-trace", "--gc=concurrent"],
}
START_LIMIT = 120.0  # seconds


def requests() -> Iterator[bytes]:
    """Requests without end: of forty thirty-one pages, six searches, two reviews and one report."""
    dice = random.Random(1)
    while True:
        number = dice.randrange(1, PRODUCTS + 1)
        what = dice.randrange(40)
        if what < 31:
            yield head("GET", f"/product/{number}/{dice.randrange(GROUPS)}")
        elif what < 37:
            yield head("GET", f"/search/{dice.choice(WORDS)}/{number}")
        elif what < 38:
            yield head("GET", f"/report/{number}")
        else:
            body = json.dumps({"author": "somebody", "stars": number % 5 + 1, "text": f"review {number}"}).encode()
            yield head("POST", f"/product/{number}/review", len(body)) + body


def head(method: str, path: str, length: int = 0) -> bytes:
    """A request's head."""
    body = f"Content-Type: application/json\r\nContent-Length: {length}\r\n" if length else ""
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{body}\r\n".encode()


class Connection:
    """One connection that stays."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, request: bytes) -> bytes:
        """Send a request; the body of the answer, which must be a good one."""
        self.writer.write(request)
        lines = (await self.reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        if b" 200 " not in lines[0]:
            raise SystemExit(f"web: {request!r}: {lines[0]!r}")
        lengths = [line for line in lines if line.lower().startswith(b"content-length:")]
        return await self.reader.readexactly(int(lengths[0].partition(b":")[2]))


async def full_load(connections: list[Connection], source: Iterator[bytes], seconds: float) -> dict[str, Any]:
    """As quickly as they are answered."""
    end = time.perf_counter() + seconds
    latencies: list[float] = []

    async def go_on(connection: Connection) -> None:
        while (began := time.perf_counter()) < end:
            await connection.ask(next(source))
            latencies.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*map(go_on, connections))
    return {"throughput": len(latencies) / (time.perf_counter() - began), **percentiles(latencies)}


async def at_a_rate(
    connections: list[Connection], source: Iterator[bytes], seconds: float, rate: float
) -> dict[str, Any]:
    """So many a second, whatever becomes of those before."""
    start = time.perf_counter()
    places = itertools.count()
    latencies: list[float] = []

    async def go_on(connection: Connection) -> None:
        while (due := start + next(places) / rate) < start + seconds:
            wait = due - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            await connection.ask(next(source))
            latencies.append(time.perf_counter() - due)

    await asyncio.gather(*map(go_on, connections))
    return percentiles(latencies)


def percentiles(latencies: list[float]) -> dict[str, Any]:
    """What is told of latencies."""
    ordered = sorted(latencies)
    places = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
    told: dict[str, Any] = {name: ordered[int(len(ordered) * part)] for name, part in places.items()}
    return {**told, "longest": ordered[-1], "requests": len(ordered)}


async def drive(port: int, seconds: float, rate: float) -> dict[str, Any]:
    """Both loads, and what the process tells of itself before and after each."""
    connections = [Connection(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(CONNECTIONS)]
    source = requests()

    async def facts() -> Any:
        return json.loads(await connections[0].ask(head("GET", "/facts")))

    await full_load(connections, source, WARM)
    told: dict[str, Any] = {"before": await facts()}
    told["full"] = await full_load(connections, source, seconds)
    told["between"] = await facts()
    if rate:
        told["rate"] = await at_a_rate(connections, source, seconds, rate)
    told["after"] = await facts()
    for connection in connections:
        connection.writer.close()
    return told


def main() -> None:
    mode, folder, containers, seconds, rate = sys.argv[1:]
    command = [sys.executable, *MODES[mode], os.path.join(HERE, "web_app.py"), folder, containers]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=folder)
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        if not line:
            raise SystemExit(f"web: {' '.join(command)} ended with {server.wait(START_LIMIT)}")
        gc.disable()
        told = asyncio.run(drive(int(line), float(seconds), float(rate)))
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
