"""A model server of a few lines, run as image `plain`: answers "<model>:<body>".

The model `bad` cannot be loaded, `slow…` takes a while. Some bodies ask for trouble.
"""

import http.server
import os
import sys
import time

MODEL = ""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

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
        if MODEL.startswith("slow"):
            time.sleep(0.05)
        if body == b"die":
            os._exit(1)
        if body == b"wrong row":
            return self.reply(400, b"row 1, column x")
        if body == b"sleep":
            time.sleep(30)
        if body == b"pid":
            return self.reply(200, str(os.getpid()).encode())
        return self.reply(200, f"{MODEL}:".encode() + body)


def main():
    global MODEL
    with open(os.path.join(os.environ["SAGEMAKER_BASE_DIR"], "model", "model.txt")) as model:
        MODEL = model.read()
    if MODEL == "bad":
        print("cannot load the model")
        sys.exit(3)
    address = (os.environ["MLOPS_BIND_HOST"], int(os.environ["SAGEMAKER_BIND_TO_PORT"]))
    http.server.ThreadingHTTPServer(address, Handler).serve_forever()


if __name__ == "__main__":
    main()
