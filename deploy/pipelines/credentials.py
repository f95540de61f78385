"""Prints credentials for AWS_ROLE_ARN, by the word of GitHub's workflow: a credential process.

Here: a fresh token of the job's for each asking, for one lives five minutes and a release lasts
longer, exchanged at STS. Not here: who is told to ask here (assume-role.sh), and who believes the
token (the role's trust policy in deploy/cloudformation).

AWS's command line and boto3 run it when they want credentials, in whatever Python is about: it
needs no package.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from urllib.parse import urlencode
from xml.etree import ElementTree

_TRIES = 3
_STS = "{https://sts.amazonaws.com/doc/2011-06-15/}"


class Refused(Exception):
    """There are no credentials; the message says who refused, and why."""


def credentials(environment: Mapping[str, str]) -> dict[str, str | int]:
    """Credentials in the form that AWS's command line reads from a process.

    Args:
        environment: of a step whose job has ``id-token: write``.

    Raises:
        Refused: GitHub gives no token, or AWS does not believe it.
    """
    answer = _answer(
        "GitHub",
        f"{environment['ACTIONS_ID_TOKEN_REQUEST_URL']}&audience=sts.amazonaws.com",
        authorization=f"bearer {environment['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}",
    )
    role = environment["AWS_ROLE_ARN"]
    asked = urlencode(
        {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": role,
            "RoleSessionName": f"github-{environment['GITHUB_RUN_ID']}",
            "WebIdentityToken": json.loads(answer)["value"],
        }
    )
    region = environment["AWS_REGION"]
    sts = environment.get("AWS_ENDPOINT_URL_STS", f"https://sts.{region}.amazonaws.com")
    # As a body, which no log of addresses has.
    given = ElementTree.fromstring(_answer(f"AWS, for {role}", f"{sts}/", asked))  # noqa: S314
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
    return {"Version": 1} | {name: given.findtext(f".//{_STS}{name}", "") for name in names}


def _answer(who: str, url: str, body: str | None = None, **headers: str) -> str:
    data = None if body is None else body.encode()
    request = urllib.request.Request(url, data, headers)  # noqa: S310 - both are set by the job
    for remaining in reversed(range(_TRIES)):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            if error.code < 500 or not remaining:
                said = " ".join(error.read().decode(errors="replace").split())
                raise Refused(f"{who} answers {error.code}: {said}") from error
        except OSError as error:
            if not remaining:
                raise Refused(f"{who} cannot be reached: {error}") from error
        time.sleep(1)
    raise AssertionError("the last try answers or raises")


def main() -> int:
    try:
        print(json.dumps(credentials(os.environ)))
    except Refused as refused:
        print(
            f"{refused}\nThe token is of this repository, and of this job's environment or event: "
            "does the role's trust policy name them?",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
