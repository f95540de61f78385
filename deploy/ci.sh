#!/usr/bin/env bash
# Runs stages (targets of the Makefile) one after the other and says how each went. A stage that
# fails does not keep the others from running: one run tells all that is wrong.
#
#     deploy/ci.sh lint-code unit …
set -uo pipefail
cd "$(dirname "$0")/.." || exit

# Only on CI's machines: nobody's laptop gets packages installed by itself.
[ "${CI:-}" = true ] && deploy/install-system.sh

summary=""
failed=0
for stage in "$@"; do
    # GitHub folds what is between the two marks.
    [ "${GITHUB_ACTIONS:-}" = true ] && echo "::group::$stage"
    began=$SECONDS
    if ${MAKE:-make} --no-print-directory "$stage"; then verdict=passed; else
        verdict=FAILED
        failed=1
    fi
    [ "${GITHUB_ACTIONS:-}" = true ] && echo "::endgroup::"
    summary+=$(printf '%-14s %s after %d s' "$stage" "$verdict" $((SECONDS - began)))$'\n'
done
printf '\n%s' "$summary"
exit $failed
