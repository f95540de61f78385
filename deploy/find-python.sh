#!/usr/bin/env bash
# Prints the Python to build with: the one named as argument, else the first of those below that is
# 3.11 or newer. The locks are resolved and tested for 3.11 to 3.13, so these go first.
set -eu

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

if [ $# -gt 0 ]; then
    candidates=("$1")
else
    candidates=(python3.11 python3.12 python3.13 python3 python)
fi

found=""
for candidate in "${candidates[@]}"; do
    if is_new_enough "$candidate"; then
        command -v "$candidate"
        exit 0
    fi
    version=$("$candidate" --version 2>/dev/null || true)
    found="$found${version:+ $candidate is $version;}"
done

echo "No Python 3.11 or newer:${found:- none of ${candidates[*]} runs;}" \
    "install Python 3.11, or name one: make PYTHON=/path/to/python3.11" >&2
exit 1
