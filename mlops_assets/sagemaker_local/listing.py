"""The List operations' common part: filter, sort, pages.

Belongs here: what NameContains, CreationTimeAfter, SortBy, MaxResults and NextToken mean. Does not
belong here: which members a summary has (the output shape cuts it).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any

from mlops_assets.sagemaker_local.errors import invalid
from mlops_assets.sagemaker_local.shapes import seconds
from mlops_assets.sagemaker_local.store import Document

_BOUNDS: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "CreationTimeAfter": ("CreationTime", float.__ge__),
    "CreationTimeBefore": ("CreationTime", float.__le__),
    "LastModifiedTimeAfter": ("LastModifiedTime", float.__ge__),
    "LastModifiedTimeBefore": ("LastModifiedTime", float.__le__),
}


def page(
    request: Document,
    documents: Iterable[Document],
    *,
    name: str,
    sorts: dict[str, str],
    equal: dict[str, str] | None = None,
) -> tuple[list[Document], str | None]:
    """One page of the documents that the request asks for, and the next page's token.

    ``name`` is the member that holds a document's name; ``sorts`` maps SortBy's values to members,
    the first being the default; ``equal`` maps request members to document members that must agree.
    """
    found = [document for document in documents if _wanted(request, document, name, equal or {})]
    by = sorts[request.get("SortBy", next(iter(sorts)))]
    ascending = request.get("SortOrder", "Descending") == "Ascending"
    found.sort(key=lambda document: (document[by], document.get(name, "")), reverse=not ascending)
    start, size = read_token(request.get("NextToken")), request.get("MaxResults", 10)
    token = write_token(start + size) if start + size < len(found) else None
    return found[start : start + size], token


def _wanted(request: Document, document: Document, name: str, equal: dict[str, str]) -> bool:
    for bound, (member, compare) in _BOUNDS.items():
        if bound in request and not compare(float(document[member]), seconds(request[bound])):
            return False
    if request.get("NameContains", "").lower() not in str(document.get(name, "")).lower():
        return False
    return all(
        document.get(member) == request[asked]
        for asked, member in equal.items()
        if asked in request
    )


def write_token(offset: int) -> str:
    return base64.urlsafe_b64encode(f"at {offset}".encode()).decode()


def read_token(token: str | None) -> int:
    """The offset in a token that write_token gave; ValidationException for any other text."""
    if token is None:
        return 0
    try:
        word, _, digits = base64.urlsafe_b64decode(token.encode()).decode().partition(" ")
        if word == "at" and digits.isdigit():
            return int(digits)
    except (binascii.Error, UnicodeError, ValueError):
        pass
    raise invalid(f"NextToken {token[:80]!r} was not given out by this API")


def jobs(
    request: Document,
    documents: Iterable[Document],
    member: str,
    *,
    by: str = "CreationTime",
    order: str = "Descending",
) -> dict[str, Any]:
    """The reply of a List operation on jobs whose members begin with ``member``: ``TrainingJob`` of
    TrainingJobName, …; ``by`` and ``order`` are what it is sorted by unless the request says."""
    name, status = f"{member}Name", f"{member}Status"
    found = page(
        {"SortBy": by, "SortOrder": order} | request,
        documents,
        name=name,
        sorts={"CreationTime": "CreationTime", "Name": name, "Status": status},
        equal={"StatusEquals": status},
    )
    return summaries(f"{member}Summaries", found)


def summaries(key: str, found: tuple[list[Document], str | None]) -> dict[str, Any]:
    """The reply of a List operation."""
    return {key: found[0], "NextToken": found[1]}
