#!/bin/sh
# The main job on real input: sign, verify, alter one byte, see it refused.
set -eu
cd "$(dirname "$0")/.."
signer="$PWD/.venv/bin/signer"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export POLICY_KMS_DIRECTORY="$work/kms"
unset POLICY_SIGNING_PROVIDER POLICY_SIGNING_KEY GITHUB_ACTIONS GITHUB_WORKSPACE 2>/dev/null || true

say() { printf '\n== %s\n' "$*"; }

mkdir "$work/audit" "$work/trusted"
cp examples/opa-decisions.jsonl "$work/audit/"
cd "$work/audit"

say "Sign 400 decisions of a real OPA server with the embedded KMS"
"$signer" sign opa-decisions.jsonl --provider kms
mv opa-decisions.jsonl.pub "$work/trusted/"

say "Verify them, offline, with the public key that came on another way"
"$signer" verify opa-decisions.jsonl --key "$work/trusted/opa-decisions.jsonl.pub"

say "Alter one byte: decision 1 was 'false' and becomes 'falsE'"
sed -i.bak '1s/"result":false/"result":falsE/' opa-decisions.jsonl
cmp opa-decisions.jsonl.bak opa-decisions.jsonl || true
if "$signer" verify opa-decisions.jsonl --key "$work/trusted/opa-decisions.jsonl.pub"; then
  echo "the altered file was accepted: this must not happen" >&2
  exit 1
fi

say "Alter one byte so that it is still JSON: user 'mallory' becomes 'nallory'"
sed '1s/"mallory"/"nallory"/' opa-decisions.jsonl.bak > opa-decisions.jsonl
cmp opa-decisions.jsonl.bak opa-decisions.jsonl || true
if "$signer" verify opa-decisions.jsonl --key "$work/trusted/opa-decisions.jsonl.pub"; then
  echo "the altered file was accepted: this must not happen" >&2
  exit 1
fi

say "Done: the record is signed, verifies, and cannot be altered unseen"
