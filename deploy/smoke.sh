#!/usr/bin/env bash
# The smoke test of a deployment.
#
#     deploy/smoke.sh ui      the UI answers, and lets nobody in unasked: after each release
#     deploy/smoke.sh all     and from rows to a live endpoint: trains and deploys, which costs cents
#                             and takes a quarter of an hour
#
# `all` refuses to run without SMOKE_AWS=yes, for an account is nobody's by accident, and without the
# stacks' outputs in the environment (deploy/stacks.py environment). The UI's address is MLOPS_UI_URL,
# or what the stack DAGSTER_STACK (mlops-dagster) was told.
set -euo pipefail
cd "$(dirname "$0")/.."

bin=${BIN:-.venv/bin}
pipeline=${SMOKE_PIPELINE:-digits}
partition=${SMOKE_PARTITION:-1998-07-04}

refuse() {
    echo "smoke.sh: $*" >&2
    exit 64
}

ui() {
    local url=${MLOPS_UI_URL:-}
    [ -n "$url" ] || url=$(aws cloudformation describe-stacks --output text \
        --stack-name "${DAGSTER_STACK:-mlops-dagster}" \
        --query "Stacks[0].Parameters[?ParameterKey=='UiUrl'].ParameterValue")
    "$bin/python" - "$url" <<'PY'
import sys
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import urlsplit

url = urlsplit(sys.argv[1])
kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
connection = kind(url.netloc, timeout=30)
try:
    connection.request("GET", "/")
    answer = connection.getresponse()
except OSError as error:
    sys.exit(f"{url.geturl()} cannot be reached: {error}")
there = urlsplit(answer.headers.get("Location", "")).netloc
if answer.status != 302 or there in ("", url.netloc):
    sys.exit(f"{url.geturl()} answered {answer.status}, not with the way to the identity provider")
print(f"{url.geturl()} asks who comes: {there}")
PY
}

all() {
    [ "${SMOKE_AWS:-}" = yes ] ||
        refuse "this starts jobs and an endpoint in an AWS account; if you mean it: SMOKE_AWS=yes"
    [ "${MLOPS_ENV:-}" = aws ] || refuse "MLOPS_ENV is '${MLOPS_ENV:-local}', not aws:" \
        "eval \"\$($bin/python deploy/stacks.py environment)\""
    ui
    "$bin/dagster" definitions validate --log-level warning
    # What is up to date is left alone: a second time costs nothing.
    "$bin/mlops" demo "$pipeline" --partition "$partition"
    "$bin/mlops" invoke "$pipeline" --partition "$partition"
    echo "Passed. The endpoint of $pipeline runs on, and is paid for, until it is deleted."
}

case "${1:-}" in
    ui | all) "$1" ;;
    *) refuse "say what: ui or all" ;;
esac
