#!/usr/bin/env bash
# In a GitHub workflow: lets the steps that follow be AWS_ROLE_ARN, by the job's own OIDC token.
# There is no key to keep, to leak or to rotate; AWS looks at the token's repository and environment
# (the role's trust policy says which). The AWS CLI and boto3 fetch credentials by themselves.
set -euo pipefail

: "${AWS_ROLE_ARN:?is not set: the role that this job may take, a variable of the repository}"
: "${ACTIONS_ID_TOKEN_REQUEST_URL:?is not set: the job needs permissions: id-token: write}"

token=$RUNNER_TEMP/aws-token
(umask 077 && curl --fail --silent --show-error --retry 3 \
    --header "Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" \
    "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=sts.amazonaws.com" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["value"], end="")' >"$token")

{
    echo "AWS_WEB_IDENTITY_TOKEN_FILE=$token"
    echo "AWS_ROLE_SESSION_NAME=github-$GITHUB_RUN_ID"
} >>"$GITHUB_ENV"
