#!/usr/bin/env bash
# In a GitHub workflow: lets the steps that follow be AWS_ROLE_ARN, by the job's own OIDC token.
# There is no key to keep, to leak or to rotate; AWS looks at the token's repository and environment
# (the role's trust policy says which). The AWS CLI and boto3 ask credentials.py whenever they want
# new ones, for a token that was kept would be too old after five minutes.
set -euo pipefail
cd "$(dirname "$0")/../.."

: "${AWS_ROLE_ARN:?is not set: the role that this job may take, a variable of the repository}"
: "${AWS_REGION:?is not set: a variable of the repository}"
: "${ACTIONS_ID_TOKEN_REQUEST_URL:?is not set: the job needs permissions: id-token: write}"

# A role that may not be taken is to fail this step, not one that is halfway through a release.
python3 deploy/pipelines/credentials.py >/dev/null

config=$RUNNER_TEMP/aws-config
# The region, too: boto3 does not look at AWS_REGION.
cat >"$config" <<CONFIG
[default]
region = $AWS_REGION
credential_process = python3 "$PWD/deploy/pipelines/credentials.py"
CONFIG
echo "AWS_CONFIG_FILE=$config" >>"$GITHUB_ENV"
