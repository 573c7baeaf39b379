#!/bin/sh
# Builds the action's image; where the engine has no bridge, with the host's network.
# usage: build-image.sh TAG [DOCKERFILE]
set -eu
cd "$(dirname "$0")/../.."
if ! docker info >/dev/null 2>&1; then
  echo "no Docker engine: the image is not built, and its tests will be skipped" >&2
  exit 0
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! DOCKER_BUILDKIT=0 docker build --network=host --tag "$1" --file "${2:-Dockerfile}" . >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
