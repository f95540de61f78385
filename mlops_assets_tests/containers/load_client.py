"""A load generator of its own process: so many connections, so many CSV requests on each.

`python load_client.py PORT CONNECTIONS REQUESTS ROWS` prints a JSON list of [status, seconds]; the
status is 0 for a connection that ended without its reply.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

Result = tuple[int, float]


async def _caller(port: int, requests: int, request: bytes, results: list[Result]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(requests):
        began = time.perf_counter()
        status = 0
        try:
            writer.write(request)
            await writer.drain()
            status = int((await reader.readline()).split()[1])
            length = 0
            while (line := await reader.readline()).strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            await reader.readexactly(length)
        except (OSError, IndexError, asyncio.IncompleteReadError):
            status = 0
        results.append((status, time.perf_counter() - began))
        if status == 0:
            return
        if status == 503:
            await asyncio.sleep(0.2)
    writer.close()


async def _main(port: int, connections: int, requests: int, rows: int) -> None:
    body = b"1000000.5,1013.25,3,4.5,UA,JFK\n" * rows
    head = f"Host: x\r\nContent-Type: text/csv\r\nContent-Length: {len(body)}\r\n\r\n"
    request = b"POST /invocations HTTP/1.1\r\n" + head.encode() + body
    results: list[Result] = []
    callers = [_caller(port, requests, request, results) for _ in range(connections)]
    await asyncio.gather(*callers)
    print(json.dumps(results))


if __name__ == "__main__":
    asyncio.run(_main(*map(int, sys.argv[1:])))
