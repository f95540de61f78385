"""What a page must not do: complain, fail, or speak to another host."""

from __future__ import annotations

from playwright.sync_api import ConsoleMessage, Page, Request, Response


class Watch:
    """Records the faults of a page from now on."""

    def __init__(self, page: Page, url: str) -> None:
        self.url = url
        self.faults: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(f"uncaught: {error}"))
        page.on("response", self._response)
        page.on("request", self._request)
        page.on("websocket", lambda socket: self._host(socket.url))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(f"console: {message.text}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.faults.append(f"status {response.status}: {response.url}")

    def _request(self, request: Request) -> None:
        self._host(request.url)

    def _host(self, url: str) -> None:
        host = self.url.removeprefix("http")
        if not url.startswith((f"http{host}/", f"ws{host}/", "data:", "blob:")):
            self.faults.append(f"other host: {url}")
