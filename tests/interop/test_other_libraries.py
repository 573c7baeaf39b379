"""securesystemslib and sigstore-js verify the signed audit."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer._key import SSlibKey

from tests.interop.conftest import SignWith
from tests.peers import require

SCHEMES = {
    "ES256": "ecdsa-sha2-nistp256",
    "ES384": "ecdsa-sha2-nistp384",
    "ES512": "ecdsa-sha2-nistp521",
    "ED25519_SHA_512": "ed25519",
    "RSASSA_PKCS1_V1_5_SHA_256": "rsa-pkcs1v15-sha256",
    "RSASSA_PSS_SHA_256": "rsassa-pss-sha256",
    "RSASSA_PSS_SHA_512": "rsassa-pss-sha512",
}


@pytest.mark.parametrize("algorithm", SCHEMES)
def test_securesystemslib_verifies_the_envelope(sign_with: SignWith, algorithm: str) -> None:
    signed = sign_with(algorithm, plain=False)
    fields = json.loads(signed.bundle.read_bytes())["dsseEnvelope"]
    envelope = Envelope.from_dict(fields)
    key = SSlibKey.from_crypto(
        signed.key.key,
        keyid=signed.key.fingerprint,
        scheme=SCHEMES[algorithm],
    )
    assert envelope.verify([key], 1) == {signed.key.fingerprint: key}
    envelope.payload = envelope.payload.replace(b'"eventCount":400', b'"eventCount":401')
    with pytest.raises(VerificationError):
        envelope.verify([key], 1)


_SCRIPT = """
const { createPublicKey } = require('crypto');
const { readFileSync } = require('fs');
const { bundleFromJSON } = require('@sigstore/bundle');
const { Verifier, toSignedEntity } = require('@sigstore/verify');

const [bundle, key, hint] = process.argv.slice(2);
const publicKey = createPublicKey(readFileSync(key));
const find = (named) => {
  if (named !== hint) throw new Error(`another hint: ${named}`);
  return { publicKey, validFor: () => true };
};
const trust = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [],
  publicKey: find };
const offline = { ctlogThreshold: 0, tlogThreshold: 0, timestampThreshold: 0 };
const verifier = new Verifier(trust, offline);
verifier.verify(toSignedEntity(bundleFromJSON(JSON.parse(readFileSync(bundle)))));
"""


@pytest.mark.parametrize("algorithm", ["ES256", "RSASSA_PKCS1_V1_5_SHA_256"])
def test_sigstore_js_verifies_the_signed_audit(
    sign_with: SignWith, tmp_path: Path, algorithm: str
) -> None:
    modules = require("sigstore-js") / "node_modules"
    signed = sign_with(algorithm, plain=False)
    script = tmp_path / "verify.js"
    script.write_text(_SCRIPT)

    def verify() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["node", script, signed.bundle, signed.public_key, signed.key.hint],
            env={"PATH": os.environ["PATH"], "NODE_PATH": str(modules)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    done = verify()
    assert done.returncode == 0, done.stderr
    fields = json.loads(signed.bundle.read_bytes())
    payload = fields["dsseEnvelope"]["payload"]
    fields["dsseEnvelope"]["payload"] = payload[:-8] + "AAAA" + payload[-4:]
    signed.bundle.write_text(json.dumps(fields))
    assert verify().returncode != 0
