#!/bin/sh
# The image's verbs. `exec` each time: the container's first process is the one that does the work,
# so that it gets SIGTERM and its exit status is the container's.
set -eu

verb=${1:-}
[ $# -eq 0 ] || shift

case "$verb" in
    train | serve) exec python -m mlops_assets.containers "$verb" ;;
    dagster | dagster-daemon | dagster-webserver) exec "$verb" "$@" ;;
esac

echo "usage: IMAGE train | serve | dagster ... | dagster-daemon ... | dagster-webserver ...;" \
    "there is no verb '$verb'" >&2
exit 64
