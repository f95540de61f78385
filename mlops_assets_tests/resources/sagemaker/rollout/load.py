"""A constant open-loop load on an endpoint: ``load.py URL ENDPOINT REQUESTS_PER_SECOND``.

Says "started" once the first request was answered; at a line on standard input it stops and prints
counts as JSON: ``good``, ``own`` (errors and NaN that a challenger itself answered), ``lost`` (what
nobody's model answered: a swap's fault), with the first of those in words, ``refused`` (the API
said that it is overloaded), ``seconds`` and ``p99_ms``. Requests go out by the clock, whether or
not earlier ones were answered.
"""

import asyncio
import collections
import json
import sys
import time

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
BODY = json.dumps({"instances": [{"x": 1.0}]}).encode()


class Caller:
    def __init__(self, url: str, endpoint: str) -> None:
        self.host, _, port = url.removeprefix("http://").partition(":")
        self.port = int(port)
        self.request = (
            f"POST /endpoints/{endpoint}/invocations HTTP/1.1\r\nhost: {self.host}:{port}\r\n"
            f"content-type: application/json\r\naccept: application/json\r\n"
            f"content-length: {len(BODY)}\r\n\r\n"
        ).encode() + BODY
        self.idle: list[tuple[float, Connection]] = []
        self.counts: collections.Counter[str] = collections.Counter()
        self.lost: list[str] = []
        self.milliseconds: list[float] = []

    async def ask(self) -> None:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(30):
                pair = self.kept() or await asyncio.open_connection(self.host, self.port)
                status, body = await self.exchange(*pair)
            self.idle.append((time.monotonic(), pair))
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            status, body = 0, repr(error)
        kind = self.judge(status, body)
        self.counts[kind] += 1
        self.milliseconds.append(1000 * (time.perf_counter() - started))
        if kind == "lost" and len(self.lost) < 10:
            self.lost.append(f"{status} {body[:300]}")

    def kept(self) -> Connection | None:
        """A connection that was used a moment ago; a server may have closed older ones."""
        while self.idle:
            used, pair = self.idle.pop()
            if time.monotonic() - used < 20:
                return pair
            pair[1].close()
        return None

    async def exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[int, str]:
        writer.write(self.request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length:")[2].partition("\r\n")[0])
        return int(head.split()[1]), (await reader.readexactly(length)).decode()

    @staticmethod
    def judge(status: int, body: str) -> str:
        if status == 200:
            return "own" if "NaN" in body else "good"
        if status == 503 and "requests are in flight" in body:
            return "refused"
        return "own" if status == 424 and "challenger " in body else "lost"


async def main(url: str, endpoint: str, per_second: int) -> None:
    caller = Caller(url, endpoint)
    await caller.ask()
    print("started", flush=True)
    stop = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
    started, sent = time.perf_counter(), 0
    tasks: set[asyncio.Task[None]] = set()
    while not stop.done():
        due = int((time.perf_counter() - started) * per_second)
        for _ in range(due - sent):
            task = asyncio.create_task(caller.ask())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        sent = max(sent, due)
        await asyncio.sleep(0.002)
    seconds = time.perf_counter() - started
    await asyncio.gather(*tasks)
    ordered = sorted(caller.milliseconds)
    told = {
        "good": caller.counts["good"],
        "own": caller.counts["own"],
        "lost": caller.counts["lost"],
        "refused": caller.counts["refused"],
        "first lost": caller.lost,
        "seconds": seconds,
        "p99_ms": ordered[int(0.99 * (len(ordered) - 1))],
    }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
