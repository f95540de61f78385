#!/usr/bin/env bash
# Prints the platform's environment in AWS, for a shell to evaluate: MLOPS_ENV=aws and each output of
# the account's stacks that carries a variable's name as its description.
#
#     eval "$(deploy/pipelines/settings.sh mlops-)"        the stacks whose names begin so
set -euo pipefail

prefix=${1:?the beginning of the stacks\' names, such as mlops-}
echo "export MLOPS_ENV=aws"
aws cloudformation describe-stacks --output text \
    --query "Stacks[?starts_with(StackName, '$prefix')].Outputs[][Description,OutputValue]" |
    awk -F '\t' '$1 ~ /^MLOPS_[A-Z_]+$/ && $2 !~ /[^A-Za-z0-9_.,:\/@-]/ {
        printf "export %s=%s\n", $1, $2 }'
