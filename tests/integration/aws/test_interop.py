"""cosign and openssl verify what KMS signed for us, and we verify what cosign had KMS sign."""

import subprocess
from base64 import b64decode
from pathlib import Path

import pytest

from signer.audit.statement import PREDICATE_TYPE
from tests.integration.aws.cloud import Cloud, Ended, run
from tests.peers import require

COSIGN_VERIFIES = [
    ("ECC_NIST_P256", "ECDSA_SHA_256"),
    ("RSA_2048", "RSASSA_PKCS1_V1_5_SHA_256"),
    ("ECC_NIST_EDWARDS25519", "ED25519_SHA_512"),
]
# cosign's KMS client knows no Ed25519 key of AWS's (sigstore/sigstore, pkg/signature/kms/aws).
COSIGN_SIGNS = COSIGN_VERIFIES[:2]
OPENSSL = [
    ("ECC_NIST_P256", "sha256", []),
    ("ECC_NIST_P384", "sha384", []),
    ("ECC_NIST_P521", "sha512", []),
    ("ECC_SECG_P256K1", "sha256", []),
    ("RSA_2048", "sha256", []),
    (
        "RSA_2048",
        "sha512",
        ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"],
    ),
]


def _cosign(cloud: Cloud, folder: Path, *arguments: str | Path) -> Ended:
    environ = {**cloud.environ, "HOME": str(folder), "COSIGN_YES": "true"}
    return run([str(require("cosign")), *map(str, arguments)], environ, folder)


def _sign(cloud: Cloud, audit: Path, spec: str, algorithm: str, *more: str) -> dict[str, str]:
    cloud.key(spec)
    options = ["--provider", "aws_kms_sdk", "--aws-kms-key", f"alias/{spec}"]
    done = cloud.sign(audit, *options, "--algorithm", algorithm, *more)
    assert done.code == 0, done.err
    fields: dict[str, str] = done.json
    return fields


@pytest.mark.parametrize(("spec", "algorithm"), COSIGN_VERIFIES)
def test_cosign_verifies_the_signed_audit(
    cloud: Cloud, audit: Path, spec: str, algorithm: str
) -> None:
    fields = _sign(cloud, audit, spec, algorithm)
    arguments = (
        *("verify-blob-attestation", "--key", fields["public-key-file"]),
        *("--bundle", fields["signed-audit-file"], "--insecure-ignore-tlog"),
        *("--type", PREDICATE_TYPE, audit),
    )
    done = _cosign(cloud, audit.parent, *arguments)
    assert done.code == 0, done.err
    audit.write_bytes(audit.read_bytes().replace(b"1", b"9"))
    assert _cosign(cloud, audit.parent, *arguments).code != 0


@pytest.mark.parametrize(("spec", "hash_name", "options"), OPENSSL)
def test_openssl_verifies_the_plain_signature(
    cloud: Cloud, audit: Path, spec: str, hash_name: str, options: list[str]
) -> None:
    scheme = "ECDSA" if spec.startswith("ECC") else "RSASSA_PKCS1_V1_5"
    scheme = "RSASSA_PSS" if options else scheme
    algorithm = f"{scheme}_{hash_name.upper().replace('SHA', 'SHA_')}"
    fields = _sign(cloud, audit, spec, algorithm, "--plain-signature")
    command = [
        *(str(require("openssl")), "dgst", f"-{hash_name}", *options),
        *("-verify", fields["public-key-file"], "-signature", fields["plain-signature-file"]),
        str(audit),
    ]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    audit.write_bytes(audit.read_bytes() + b"\n")
    assert subprocess.run(command, check=False, capture_output=True).returncode != 0


@pytest.mark.parametrize(("spec", "algorithm"), COSIGN_SIGNS)
@pytest.mark.parametrize("kind", ["message-signature", "attestation"])
def test_we_verify_what_cosign_had_the_same_key_sign(
    cloud: Cloud, audit: Path, spec: str, algorithm: str, kind: str
) -> None:
    pem = _sign(cloud, audit, spec, algorithm)["public-key-file"]
    bundle = audit.with_name("cosign.json")
    common = (
        *("--key", f"awskms:///alias/{spec}", "--bundle", bundle),
        *("--tlog-upload=false", "--use-signing-config=false", "--new-bundle-format"),
    )
    if kind == "attestation":
        predicate = audit.with_name("predicate.json")
        predicate.write_text("{}")
        arguments: tuple[str | Path, ...] = (
            "attest-blob",
            *common,
            "--predicate",
            predicate,
            "--type",
            "urn:test",
            audit,
        )
    else:
        arguments = ("sign-blob", *common, audit)
    done = _cosign(cloud, audit.parent, *arguments)
    assert done.code == 0, done.err
    verify = ["verify", str(audit), "--bundle", str(bundle), "--key", pem, "--json"]
    assert cloud.signer(*verify).code == 1
    checked = cloud.signer(*verify, "--type", "any")
    assert checked.code == 0, checked.err
    assert checked.json["kind"] == kind
    audit.write_bytes(audit.read_bytes() + b"\n")
    assert cloud.signer(*verify, "--type", "any").code == 1


def test_the_command_line_itself_signs_what_we_verify(cloud: Cloud, audit: Path) -> None:
    """The key, the digest and the signature are the same things for `aws kms sign` and for us."""
    import hashlib

    from signer.crypto.keys import PublicKey

    fields = _sign(cloud, audit, "ECC_NIST_P256", "ECDSA_SHA_256")
    digest = audit.with_name("digest")
    digest.write_bytes(hashlib.sha256(audit.read_bytes()).digest())
    done = run(
        [
            *(str(cloud.aws_cli), "kms", "sign", "--key-id", fields["key-id"]),
            *("--message", f"fileb://{digest}", "--message-type", "DIGEST"),
            *("--signing-algorithm", "ECDSA_SHA_256", "--output", "text", "--query", "Signature"),
        ],
        cloud.environ,
    )
    assert done.code == 0, done.err
    key = PublicKey.from_pem(Path(fields["public-key-file"]).read_bytes())
    key.verify("ECDSA_SHA_256", b64decode(done.out), digest.read_bytes())
