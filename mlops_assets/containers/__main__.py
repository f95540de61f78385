"""`python -m mlops_assets.containers train|serve`: the two verbs that SageMaker runs an image with.

Only the choice between them belongs here: neither may pay for the other's imports.
"""

from __future__ import annotations

import sys

UNSEALED = "--unsealed"
"""As AWS's framework images train: what the script leaves stays as it is."""


def main(arguments: list[str]) -> int:
    """Run a verb; returns the process's exit status."""
    if arguments in (["train"], ["train", UNSEALED]):
        from mlops_assets.containers.train import train

        return train(sealing=UNSEALED not in arguments)
    if arguments == ["serve"]:
        from mlops_assets.containers.serve import serve

        return serve()
    print("usage: python -m mlops_assets.containers train|serve", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
