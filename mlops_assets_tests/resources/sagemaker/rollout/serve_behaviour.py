"""A model server that behaves as its model says; the standard library only, so it starts fast."""

import asyncio
import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REASONS = {200: "OK", 400: "Bad Request", 500: "Internal Server Error"}


def reply(status: int, text: str) -> bytes:
    body = text.encode()
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@dataclass(frozen=True)
class Model:
    """behaviour.json of the model that is served."""

    name: str
    behaviour: str
    answer: Any

    @property
    def slow_s(self) -> float:
        return {"slow": 1.2, "steady": 0.04}.get(self.behaviour, 0.0)

    def reply(self, body: bytes) -> bytes:
        if self.behaviour == "error":
            return reply(500, f"challenger {self.name} broke")
        if self.behaviour == "schema":
            return reply(400, f"challenger {self.name}: row 0 has no column y")
        value = "NaN" if self.behaviour == "nan" else json.dumps(self.answer)
        values = ", ".join([value] * len(json.loads(body)["instances"]))
        return reply(200, f'{{"predictions": [{values}], "model": "{self.name}"}}')

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode().lower():
                length = head.partition("content-length:")[2].partition("\r\n")[0].strip() or "0"
                body = await reader.readexactly(int(length))
                if head.startswith("get"):
                    writer.write(reply(200, ""))
                    continue
                if self.slow_s:
                    await asyncio.sleep(self.slow_s)
                writer.write(self.reply(body))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def main() -> None:
    model_directory = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")) / "model"
    model = Model(**json.loads((model_directory / "behaviour.json").read_text()))
    if model.behaviour == "ill":
        raise SystemExit(f"challenger {model.name} cannot be loaded")
    host = os.environ.get("MLOPS_BIND_HOST", "127.0.0.1")
    port = int(os.environ["SAGEMAKER_BIND_TO_PORT"])
    server = await asyncio.start_server(model.serve, host, port)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, os._exit, 0)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
