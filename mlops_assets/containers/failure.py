"""What a failed script's error output comes down to: the first thing that a person wants to read.

Pure functions on text; SageMaker shows the first 1,024 characters of /opt/ml/output/failure.
"""

from __future__ import annotations

import re
import signal

LIMIT = 1024
_HEAD = "Traceback (most recent call last):"
_FRAME = re.compile(r'^\s+File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<where>.+)$')


def describe(script: str, status: int, errors: str) -> str:
    """The text of the failure file: the exception's own line(s) first, then where and how.

    `status` is the process's return code (negative: killed by that signal), `errors` the end of
    what it wrote to stderr.

    >>> describe("train.py", 1, "Traceback (most recent call last):\\n"
    ...          '  File "train.py", line 3, in main\\nValueError: no rows\\n')
    'ValueError: no rows\\n(train.py line 3, in main; train.py exited with status 1)'
    """
    lines = errors.rstrip().splitlines()
    ended = f"{script} {_ending(status)}"
    heads = [index for index, line in enumerate(lines) if line.strip() == _HEAD]
    frame, message = "", lines[-1:]
    if heads:
        block = lines[heads[-1] + 1 :]
        starts = [i for i, line in enumerate(block) if line and not line[0].isspace()]
        if starts:
            message = block[starts[0] :]
            frames = [match for line in block[: starts[0]] if (match := _FRAME.match(line))]
            if frames:
                file = frames[-1]["file"].rsplit("/", 1)[-1]
                frame = f"{file} line {frames[-1]['line']}, in {frames[-1]['where']}; "
    where = f"({frame}{ended})"
    if (status < 0 and not heads) or not message:
        return where[1:-1][:LIMIT]
    first = "\n".join(message)
    return f"{first[: LIMIT - len(where) - 1]}\n{where}"[:LIMIT]


def _ending(status: int) -> str:
    if status >= 0:
        return f"exited with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    hint = ": out of memory?" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}"
