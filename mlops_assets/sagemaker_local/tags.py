"""Tags of any resource, and the ARNs that can have them.

Belongs here: AddTags, ListTags, DeleteTags, and the tags that a Create request brings. Does not
belong here: what a tag means.
"""

from __future__ import annotations

from mlops_assets.sagemaker_local.errors import invalid
from mlops_assets.sagemaker_local.protocol import Handler
from mlops_assets.sagemaker_local.store import Document, Store

LIMIT = 50
_KINDS = frozenset(
    {
        "training-job",
        "hyper-parameter-tuning-job",
        "automl-job",
        "processing-job",
        "transform-job",
        "model",
        "endpoint-config",
        "endpoint",
        "model-package-group",
        "model-package",
        "feature-group",
    }
)


def from_request(request: Document) -> dict[str, str]:
    """The Tags member as a dict; ValidationException for a key given twice or too many."""
    pairs = [(tag["Key"], tag["Value"]) for tag in request.get("Tags", [])]
    tags = dict(pairs)
    if len(tags) != len(pairs):
        raise invalid("Tags holds a key more than once")
    if any(key.lower().startswith("aws:") for key in tags):
        raise invalid("a tag's key must not begin with 'aws:', which is reserved")
    if len(tags) > LIMIT:
        raise invalid(f"a resource can have {LIMIT} tags at most, not {len(tags)}")
    return tags


class Tags:
    """The three tag operations."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def operations(self) -> dict[str, Handler]:
        return {"AddTags": self.add, "ListTags": self.list, "DeleteTags": self.delete}

    def add(self, request: Document) -> Document:
        arn = self._existing(request["ResourceArn"])
        tags = self._store.tags(arn) | from_request(request)
        if len(tags) > LIMIT:
            raise invalid(f"{arn} can have {LIMIT} tags at most, not {len(tags)}")
        with self._store.transaction():
            self._store.set_tags(arn, tags)
        return {"Tags": _pairs(tags)}

    def list(self, request: Document) -> Document:
        return {"Tags": _pairs(self._store.tags(self._existing(request["ResourceArn"])))}

    def delete(self, request: Document) -> Document:
        arn = self._existing(request["ResourceArn"])
        kept = {k: v for k, v in self._store.tags(arn).items() if k not in request["TagKeys"]}
        with self._store.transaction():
            self._store.set_tags(arn, kept)
        return {}

    def _existing(self, arn: str) -> str:
        kind, _, name = arn.split(":", 5)[-1].partition("/")
        document = self._store.get(kind, name) if kind in _KINDS else None
        if document is None or document["Arn"] != arn:
            raise invalid(f"Could not find the resource {arn}")
        return arn


def _pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
