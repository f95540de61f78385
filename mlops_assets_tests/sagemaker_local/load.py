"""Constant load on an endpoint, each request sent once: what was answered, and what was lost.

Plain HTTP on kept connections: boto3 would spend more time than the server under test.
"""

from __future__ import annotations

import http.client
import threading
import time
import urllib.parse
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

from mlops_assets_tests.sagemaker_local.api import LocalApi


@dataclass
class Seen:
    """``answers`` by the model's name, ``errors`` by status and text."""

    answers: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def total(self) -> int:
        return self.answers.total() + self.errors.total()


class Load:
    """``with Load(api, "endpoint", rate=200) as load:``, requests a second from ``threads``."""

    def __init__(
        self, api: LocalApi, endpoint: str, *, rate: float = 100, threads: int = 4, body: str = "x"
    ) -> None:
        self._netloc = urllib.parse.urlsplit(api.url).netloc
        self._path = f"/endpoints/{endpoint}/invocations"
        self._pause = threads / rate
        self._body = body.encode()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]
        self.seen = Seen()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def fresh(self) -> Seen:
        """What is seen from now on."""
        self.seen = Seen()
        return self.seen

    def _run(self) -> None:
        connection = http.client.HTTPConnection(self._netloc, timeout=90)
        due = time.monotonic()
        while not self._over.is_set():
            connection.request("POST", self._path, self._body, {"content-type": "text/csv"})
            response = connection.getresponse()
            text = response.read().decode()
            with self.seen.lock:
                if response.status == 200:
                    self.seen.answers[text.partition(":")[0]] += 1
                else:
                    self.seen.errors[f"{response.status} {text[:200]}"] += 1
            due = max(due + self._pause, time.monotonic() - 1)
            time.sleep(max(0.0, due - time.monotonic()))
        connection.close()
