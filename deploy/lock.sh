#!/usr/bin/env bash
# Resolves the locks anew. They name versions and hashes only, never an index, so that pip takes
# them from wherever the machine is set up to. What is locked already stays unless UPGRADE=1.
set -eu
cd "$(dirname "$0")/.."

uv=${UV:-uv}
compile() {
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-strip-extras \
        --no-emit-index-url --no-header ${UPGRADE:+--upgrade} "$@"
}

compile deploy/requirements-build.in --output-file requirements-build.lock
compile pyproject.toml --output-file requirements.lock
# The same versions as at run time, plus the tools: one environment holds both.
compile pyproject.toml --extra test --extra deploy --constraints requirements.lock \
    --output-file requirements-test.lock
compile deploy/requirements-checkov.in --output-file deploy/requirements-checkov.lock
compile deploy/requirements-nag.in --output-file deploy/requirements-nag.lock
compile deploy/requirements-gpu.in --no-deps --constraints requirements.lock \
    --output-file deploy/requirements-gpu.lock
compile deploy/requirements-torch.in --constraints requirements-test.lock \
    --output-file deploy/requirements-torch.lock
compile deploy/requirements-spark.in --constraints requirements-test.lock \
    --output-file deploy/requirements-spark.lock

if grep -nE '://|file:|--(extra-)?index|--find-links' ./*.lock deploy/*.lock; then
    echo "A lock names a place to download from; it must not." >&2
    exit 1
fi
