"""A model server that behaves as its model says; the standard library only, so it starts fast."""

import asyncio
import json
import os
import signal
from pathlib import Path

MODEL = json.loads(
    (Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")) / "model/behaviour.json").read_text()
)
NAME, BEHAVIOUR, ANSWER = MODEL["name"], MODEL["behaviour"], MODEL["answer"]
SLOW_S = {"slow": 1.2, "steady": 0.04}.get(BEHAVIOUR, 0.0)
REASONS = {200: "OK", 400: "Bad Request", 500: "Internal Server Error"}


def reply(status: int, text: str) -> bytes:
    body = text.encode()
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def answer(body: bytes) -> bytes:
    if BEHAVIOUR == "error":
        return reply(500, f"challenger {NAME} broke")
    if BEHAVIOUR == "schema":
        return reply(400, f"challenger {NAME}: row 0 has no column y")
    value = "NaN" if BEHAVIOUR == "nan" else json.dumps(ANSWER)
    values = ", ".join([value] * len(json.loads(body)["instances"]))
    return reply(200, f'{{"predictions": [{values}], "model": "{NAME}"}}')


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := (await reader.readuntil(b"\r\n\r\n")).decode().lower():
            length = head.partition("content-length:")[2].partition("\r\n")[0].strip() or "0"
            body = await reader.readexactly(int(length))
            if head.startswith("get"):
                writer.write(reply(200, ""))
                continue
            if SLOW_S:
                await asyncio.sleep(SLOW_S)
            writer.write(answer(body))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    if BEHAVIOUR == "ill":
        raise SystemExit(f"challenger {NAME} cannot be loaded")
    host = os.environ.get("MLOPS_BIND_HOST", "127.0.0.1")
    server = await asyncio.start_server(serve, host, int(os.environ["SAGEMAKER_BIND_TO_PORT"]))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, os._exit, 0)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
