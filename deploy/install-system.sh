#!/usr/bin/env bash
# Installs what a fresh Debian or Ubuntu machine may lack for the tests, where that is allowed: as
# root, or with a sudo that asks for no password. What then is missing, tests say that they skip.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

missing=()
command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)
command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null ||
    missing+=(postgresql)
"$(deploy/find-python.sh)" -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
[ ${#missing[@]} -gt 0 ] && command -v apt-get >/dev/null || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || exit 0
    as_root=(sudo -n)
fi
echo "Installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{ "${as_root[@]}" apt-get update && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install \
    --yes --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null ||
    { echo "Not all of it could be installed:"; tail -n 3 "$log"; }
