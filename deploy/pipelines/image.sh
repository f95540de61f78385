#!/usr/bin/env bash
# Builds the two images of a commit, pushes them and prints them by digest:
#
#     deploy/pipelines/image.sh COMMIT     →  DAGSTER_DIGEST=sha256:…
#                                             SAGEMAKER_DIGEST=sha256:…
#
# Reads REGISTRY (ACCOUNT.dkr.ecr.REGION.amazonaws.com), CONTROL_PLANE_REPOSITORY and
# IMAGE_REPOSITORY (names in it, whose tags are immutable), and PYTHON_DIGEST (of
# python:3.11-slim-bookworm). A commit that is pushed already is not built again: its tag names what
# passed the tests, and stays.
set -euo pipefail
cd "$(dirname "$0")/../.."

commit=$1
: "${REGISTRY:?is not set: ACCOUNT.dkr.ecr.REGION.amazonaws.com}"
: "${CONTROL_PLANE_REPOSITORY:?is not set: the ECR repository of the control plane}"
: "${IMAGE_REPOSITORY:?is not set: the ECR repository of jobs and endpoints}"
: "${PYTHON_DIGEST:?is not set: sha256:…, the digest of python:3.11-slim-bookworm}"

digest_of() {
    aws ecr describe-images --repository-name "$1" --image-ids "imageTag=$commit" \
        --query 'imageDetails[0].imageDigest' --output text
}

build_and_push() {
    docker build --file deploy/docker/Dockerfile --target "$1" --tag "$REGISTRY/$2:$commit" \
        --build-arg "PYTHON_DIGEST=$PYTHON_DIGEST" --build-arg "REVISION=$commit" .
    docker push "$REGISTRY/$2:$commit"
}

aws ecr get-login-password | docker login --username AWS --password-stdin "$REGISTRY" >&2

for target in dagster sagemaker; do
    repository=$IMAGE_REPOSITORY
    [ $target = dagster ] && repository=$CONTROL_PLANE_REPOSITORY
    if ! digest=$(digest_of "$repository" 2>/dev/null); then
        build_and_push $target "$repository" >&2
        digest=$(digest_of "$repository")
    fi
    echo "${target^^}_DIGEST=$digest"
done
