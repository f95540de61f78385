#!/usr/bin/env bash
# Builds images of a commit, pushes them and prints them by digest:
#
#     deploy/pipelines/image.sh COMMIT [TARGET…]     →  DAGSTER_DIGEST=sha256:…
#                                                       SAGEMAKER_DIGEST=sha256:…
#
# The targets are the Dockerfile's: by default `dagster` and `sagemaker`, which every deployment
# needs; `gpu`, `spark` and `emr` where a declaration asks for them.
#
# Reads REGISTRY (ACCOUNT.dkr.ecr.REGION.amazonaws.com), the repositories in it whose tags are
# immutable (CONTROL_PLANE_REPOSITORY, IMAGE_REPOSITORY, for `emr` SPARK_REPOSITORY), and what the
# images are built on: PYTHON_DIGEST (of python:3.11-slim-bookworm), for `gpu` GPU_BASE_TAG and
# GPU_BASE_DIGEST, for `emr` EMR_BASE_TAG and EMR_BASE_DIGEST. A commit that is pushed already is not
# built again: its tag names what passed the tests, and stays.
set -euo pipefail
cd "$(dirname "$0")/../.."

commit=${1:?is missing: image.sh COMMIT [TARGET…]}
shift
[ $# -gt 0 ] || set -- dagster sagemaker
: "${REGISTRY:?is not set: ACCOUNT.dkr.ecr.REGION.amazonaws.com}"

digest_of() {
    aws ecr describe-images --repository-name "$1" --image-ids "imageTag=$2" \
        --query 'imageDetails[0].imageDigest' --output text
}

# Sets the repository and the tag of a target, and the variables that name what it is built on.
place() {
    tag=$commit base=(PYTHON_DIGEST)
    case $1 in
    dagster) repository=CONTROL_PLANE_REPOSITORY ;;
    sagemaker) repository=IMAGE_REPOSITORY ;;
    spark) repository=IMAGE_REPOSITORY tag=$commit-spark ;;
    gpu) repository=IMAGE_REPOSITORY tag=$commit-gpu base=(GPU_BASE_TAG GPU_BASE_DIGEST) ;;
    emr) repository=SPARK_REPOSITORY base=(EMR_BASE_TAG EMR_BASE_DIGEST) ;;
    *)
        echo "$1 is no target of the Dockerfile: dagster, sagemaker, spark, gpu or emr" >&2
        exit 2
        ;;
    esac
    for variable in "$repository" "${base[@]}"; do
        if [ -z "${!variable:-}" ]; then
            echo "$variable is not set: the target $1 needs it (see the head of $0)" >&2
            exit 2
        fi
    done
    repository=${!repository}
}

build_and_push() {
    local image=$REGISTRY/$repository:$tag arguments=(--build-arg "REVISION=$commit") variable
    for variable in "${base[@]}"; do
        arguments+=(--build-arg "$variable=${!variable}")
    done
    docker build --file deploy/docker/Dockerfile --target "$1" --tag "$image" "${arguments[@]}" .
    docker push "$image"
}

# Before anything is built: half of the images help nobody.
for target in "$@"; do place "$target"; done

aws ecr get-login-password | docker login --username AWS --password-stdin "$REGISTRY" >&2

for target in "$@"; do
    place "$target"
    if ! digest=$(digest_of "$repository" "$tag" 2>/dev/null); then
        build_and_push "$target" >&2
        digest=$(digest_of "$repository" "$tag")
    fi
    echo "${target^^}_DIGEST=$digest"
done
