"""A model server of a few lines, run as image `plain`: answers "<model>:<body>".

The model `bad` cannot be loaded, `slow…` takes a while. Words after the model's name are faults:
`fail=4` answers every 4th request with a 500, `crash=4` dies of it, `lag=0.1` takes so many
seconds, `start=2` is ready only after so many. Some bodies ask for trouble.
"""

import http.server
import itertools
import os
import socket
import sys
import time

MODEL = ""
FAULTS: dict[str, str] = {}
COUNTER = itertools.count(1)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def reply(self, status, body):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("content-type", "text/plain")
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.reply(200 if self.path == "/ping" else 404, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        time.sleep(float(FAULTS.get("lag", 0.05 if MODEL.startswith("slow") else 0)))
        number = next(COUNTER)
        if number % int(FAULTS.get("fail", sys.maxsize)) == 0:
            return self.reply(500, b"out of order")
        if body == b"die" or number % int(FAULTS.get("crash", sys.maxsize)) == 0:
            os._exit(1)
        if body == b"wrong row":
            return self.reply(400, b"row 1, column x")
        if body == b"sleep":
            time.sleep(30)
        if body == b"pid":
            return self.reply(200, str(os.getpid()).encode())
        return self.reply(200, f"{MODEL}:".encode() + body)


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = socket.SOMAXCONN


def main():
    global MODEL
    with open(os.path.join(os.environ["SAGEMAKER_BASE_DIR"], "model", "model.txt")) as model:
        MODEL, *faults = model.read().split()
    FAULTS.update(fault.split("=") for fault in faults)
    if MODEL == "bad":
        print("cannot load the model")
        sys.exit(3)
    time.sleep(float(FAULTS.get("start", 0)))
    address = (os.environ["MLOPS_BIND_HOST"], int(os.environ["SAGEMAKER_BIND_TO_PORT"]))
    Server(address, Handler).serve_forever()


if __name__ == "__main__":
    main()
