#!/bin/bash
# Installs the real programs that the tests meet, each once, into a cache that outlives the clone:
#   ${XDG_CACHE_HOME:-~/.cache}/policy-audit-signer/{bin,…}; status/NAME says why one is missing.
# It never fails: a test whose peer is missing is skipped by name, and .ci/run fails on that.
# usage: install.sh [PEER…]   (default: all)
set -u
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/policy-audit-signer
export PATH="$cache/bin:$PATH"
mkdir -p "$cache/bin" "$cache/status" "$cache/log"

BASE_IMAGE=python:3.13-slim-trixie

apt_install() { # as root on Debian only; elsewhere what is there must do
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "needs root on Debian to install $*"; return 1; }
  [ -n "${apt_updated:-}" ] || { apt-get update -qq && apt_updated=1; }
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

go_install() { # NAME MODULE@VERSION
  local stamp="$cache/bin/.$1-${2##*@}"
  [ -x "$cache/bin/$1" ] && [ -e "$stamp" ] && return 0
  command -v go >/dev/null || { echo "needs Go to build $1"; return 1; }
  GOBIN="$cache/bin" GOFLAGS="-trimpath" go install "$2" && touch "$stamp"
}

peer_openssl() { command -v openssl >/dev/null || apt_install openssl; }
peer_ssh_keygen() { command -v ssh-keygen >/dev/null || apt_install openssh-client; }
peer_act() { go_install act github.com/nektos/act@v0.2.89; }
peer_cosign() { go_install cosign github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3; }

peer_sigstore_js() {
  command -v npm >/dev/null || { echo "needs Node.js with npm"; return 1; }
  [ -d "$cache/sigstore-js/node_modules/@sigstore/verify" ] && return 0
  mkdir -p "$cache/sigstore-js" && cd "$cache/sigstore-js" &&
    npm install --silent --no-audit --no-fund --ignore-scripts @sigstore/bundle@4 @sigstore/verify@3
}

peer_docker() {
  docker info >/dev/null 2>&1 && return 0
  command -v dockerd >/dev/null || apt_install docker.io iptables || return 1
  rm -f /var/run/docker.pid
  setsid dockerd --iptables=false --ip6tables=false --bridge=none >"$cache/log/dockerd" 2>&1 </dev/null &
  for _ in $(seq 60); do docker info >/dev/null 2>&1 && return 0; sleep 0.5; done
  echo "the Docker engine did not start: $(tail -n 1 "$cache/log/dockerd")"
  return 1
}

peer_base_image() {
  docker info >/dev/null 2>&1 || { echo "needs a Docker engine"; return 1; }
  docker image inspect "$BASE_IMAGE" >/dev/null 2>&1 && return 0
  timeout 60 docker pull -q "$BASE_IMAGE" >/dev/null 2>&1 && return 0
  # Where no image can be pulled, one of Debian's packages, under the official name.
  local tarball="$cache/base-image.tar" authorities=/etc/ssl/certs/ca-certificates.crt
  if [ ! -e "$tarball" ]; then
    command -v mmdebstrap >/dev/null || apt_install mmdebstrap || return 1
    mmdebstrap --quiet --format=tar --variant=minbase --include=ca-certificates,python3,python3-venv,python3-pip \
      --customize-hook="cp $authorities \"\$1$authorities\"" trixie "$tarball.part" &&
      mv "$tarball.part" "$tarball" || return 1
  fi
  docker import "$tarball" "$BASE_IMAGE" >/dev/null
}

peers=${*:-openssl ssh_keygen docker base_image act cosign sigstore_js}
for peer in $peers; do
  if (cd "$here" && "peer_$peer") >"$cache/log/$peer" 2>&1; then
    rm -f "$cache/status/$peer"
  else
    reason=$(grep -v '^$' "$cache/log/$peer" | tail -n 1)
    echo "${reason:-failed}" >"$cache/status/$peer"
    echo "peer $peer is missing: ${reason:-failed} (log: $cache/log/$peer)" >&2
  fi
done
