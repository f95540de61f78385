"""A model server that answers records, run as image `records`: ten times a record's first value.

CSV: a line for a line; JSON: {"score": …} for {"x": …}; JSON Lines: one for each line. Words of
model.txt after the first are faults and facts: `lag=0.1` seconds a request, `flaky=2` 503s first,
`parameters={…}` answers /execution-parameters. A value `bad` is refused, `crash` ends the process.
Each request is printed: {"records", "bytes", "busy"}.
"""

import http.server
import json
import os
import socket
import sys
import threading
import time

FACTS: dict[str, str] = {}
LOCK = threading.Lock()
SEEN = {"busy": 0, "requests": 0}


def answer(kind: str, body: str) -> str:
    if kind == "application/json":
        return json.dumps({"score": score(json.loads(body)["x"])})
    lines = body.splitlines()
    if kind == "application/jsonlines":
        return "\n".join(json.dumps({"score": score(json.loads(line)["x"])}) for line in lines)
    return "\n".join(str(score(line.split(",")[0])) for line in lines)


def score(text: object) -> int:
    if text == "crash":
        os._exit(1)
    return int(str(text)) * 10


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def reply(self, status, body):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/execution-parameters" and "parameters" in FACTS:
            return self.reply(200, FACTS["parameters"].encode())
        return self.reply(200 if self.path == "/ping" else 404, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        with LOCK:
            SEEN["requests"] += 1
            SEEN["busy"] += 1
            number, busy = SEEN["requests"], SEEN["busy"]
        try:
            time.sleep(float(FACTS.get("lag", 0)))
            seen = {"records": body.count(b"\n") + 1, "bytes": len(body), "busy": busy}
            seen["word"] = os.environ.get("WORD", "")
            print(f"{json.dumps(seen)}\n", end="", flush=True)  # in one write: threads
            if number <= int(FACTS.get("flaky", 0)):
                return self.reply(503, b"not yet")
            try:
                said = answer(self.headers.get("content-type", ""), body.decode())
            except (ValueError, KeyError) as error:
                return self.reply(400, f"no number: {error}".encode())
            return self.reply(200, said.encode())
        finally:
            with LOCK:
                SEEN["busy"] -= 1


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = socket.SOMAXCONN


def main():
    with open(os.path.join(os.environ["SAGEMAKER_BASE_DIR"], "model", "model.txt")) as model:
        _, *facts = model.read().split()
    FACTS.update(fact.split("=", 1) for fact in facts)
    address = (os.environ["MLOPS_BIND_HOST"], int(os.environ["SAGEMAKER_BIND_TO_PORT"]))
    Server(address, Handler).serve_forever()


if __name__ == "__main__":
    sys.exit(main())
