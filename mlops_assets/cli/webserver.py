"""What a Dagster webserver says about the code locations it loaded.

Here: the question and what its answer means. Not here: starting the webserver, waiting for it
(`mlops_assets.cli.ui`).
"""

import json
import urllib.error
import urllib.request
from typing import Any

from mlops_assets.cli.errors import CommandError

_TIMEOUT_S = 5.0
# A proxy of the user's environment knows nothing of this machine's loopback interface.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_QUERY = """{ workspaceOrError {
  ... on PythonError { message }
  ... on Workspace { locationEntries {
    name
    loadStatus
    locationOrLoadError { ... on PythonError { message errorChain { error { message } } } }
  } }
} }"""


def load_errors(url: str) -> list[str] | None:
    """What did not load, a line each: none if all is well, ``None`` while that is not known yet.

    Raises:
        CommandError: the webserver does not understand the question.
    """
    answer = _ask(url)
    if answer is None:
        return None
    workspace = answer["workspaceOrError"]
    if "message" in workspace:
        return [workspace["message"].strip()]
    entries = workspace["locationEntries"]
    if any(entry["loadStatus"] != "LOADED" for entry in entries):
        return None
    return [
        f"{entry['name']}: {_reason(entry['locationOrLoadError'])}"
        for entry in entries
        if entry["locationOrLoadError"]
    ]


def _reason(error: dict[str, Any]) -> str:
    """The innermost message: the outer ones say only that something did not load."""
    chain = [error, *(link["error"] for link in error["errorChain"])]
    return str(chain[-1]["message"]).strip()


def _ask(url: str) -> dict[str, Any] | None:
    request = urllib.request.Request(  # noqa: S310 (http, ours)
        f"{url}/graphql",
        data=json.dumps({"query": _QUERY}).encode(),
        headers={"content-type": "application/json"},
    )
    try:
        with _DIRECT.open(request, timeout=_TIMEOUT_S) as reply:
            answer: dict[str, Any] = json.load(reply)
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace").strip()
        raise CommandError(
            f"Dagster's webserver answers {error.code} to a question about its code: {said}"
        ) from None
    except OSError:
        return None
    if "errors" in answer:
        raise CommandError(
            f"Dagster's webserver cannot say what it loaded: {answer['errors'][0]['message']}"
        )
    data: dict[str, Any] = answer["data"]
    return data
