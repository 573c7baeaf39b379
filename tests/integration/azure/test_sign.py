"""Both providers, the real SDK and the real ``az``, against the stand-in."""

import base64
import json
import shutil
import subprocess

import pytest

from signer.crypto.keys import PublicKey
from tests.integration.azure.conftest import AUDIT, Place
from tests.peers import require

EC = [
    ("P-256", "ES256", "ECDSA_SHA_256"),
    ("P-256K", "ES256K", "ECDSA_SHA_256"),
    ("P-384", "ES384", "ECDSA_SHA_384"),
    ("P-521", "ES512", "ECDSA_SHA_512"),
]


def test_what_is_signed_verifies_offline(place: Place) -> None:
    ended = place.sign()
    assert ended.code == 0, ended.log
    outputs = ended.outputs
    assert outputs["provider"] == place.provider
    assert outputs["key-id"] == place.vault.key_id("policy")
    assert (outputs["algorithm"], outputs["assurance"]) == ("ECDSA_SHA_256", "managed-key")
    bundle = json.loads((place.folder / outputs["signed-audit-file"]).read_bytes())
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    assert statement["predicate"]["signing"]["keyId"] == place.vault.key_id("policy")
    place.environ = {"PATH": place.environ["PATH"], "PYTHONPATH": place.environ["PYTHONPATH"]}
    assert place.signer("verify", "audit.jsonl", "--key=audit.jsonl.pub").code == 0
    (place.folder / "audit.jsonl").write_bytes(AUDIT.replace(b"true", b"null"))
    assert place.signer("verify", "audit.jsonl", "--key=audit.jsonl.pub").code == 1


def test_one_token_one_key_read_one_signature_each(sdk: Place) -> None:
    for number in range(4):
        (sdk.folder / f"{number}.jsonl").write_bytes(AUDIT)
    ended = sdk.sign(files=["*.jsonl"])
    assert ended.code == 0, ended.log
    assert sdk.asked("POST login.") == 1
    assert sdk.asked("/github/token") == 1
    assert sdk.asked("GET acme-audit") == 2  # the first is answered with a challenge
    assert sdk.asked("/sign") == 5
    assert ended.log.count("signed in to Azure with this job's OIDC token") == 1
    assert ended.log.count("Key Vault sign: 200, request id ") == 5


def test_a_pinned_key_needs_the_permission_to_sign_alone(place: Place) -> None:
    assert place.sign().code == 0
    shutil.copy(place.folder / "audit.jsonl.pub", place.folder / "pinned.pub")
    place.vault.grants.discard((place.application.client_id, "keys/read"))
    version = place.vault.keys["policy"].versions[-1].version
    place.azure.log.clear()
    ended = place.sign("--public-key=pinned.pub", key=f"policy/{version}")
    assert ended.code == 0, ended.log
    assert ended.outputs["key-id"] == place.vault.key_id("policy")
    if place.provider == "azure_kv_sdk":
        assert place.asked("GET acme-audit") == 0
    assert place.sign("--public-key=pinned.pub").error == "azure-denied-by-role"


def test_a_pinned_key_that_is_another_is_refused(sdk: Place) -> None:
    assert sdk.sign().code == 0
    (sdk.folder / "audit.jsonl.pub").rename(sdk.folder / "pinned.pub")
    (sdk.folder / "audit.jsonl.sigstore.json").unlink()
    new = sdk.vault.add("policy")
    assert sdk.sign("--public-key=pinned.pub").error == "pinned-key-differs"
    ended = sdk.sign("--public-key=pinned.pub", key=f"policy/{new.version}")
    assert ended.error == "signature-does-not-verify"
    assert not (sdk.folder / "audit.jsonl.sigstore.json").exists()


def test_a_new_version_is_picked_up_unless_one_is_pinned(place: Place) -> None:
    old = place.sign()
    shutil.copytree(place.folder, place.folder / "old")
    first = place.vault.keys["policy"].versions[0]
    new = place.vault.add("policy")
    assert place.sign().outputs["key-id"] == place.vault.key_id("policy", new.version)
    pinned = place.sign(key=f"policy/{first.version}")
    assert pinned.outputs["key-id"] == old.outputs["key-id"]
    assert pinned.outputs["key-fingerprint"] == old.outputs["key-fingerprint"]
    checked = place.signer("verify", "old/audit.jsonl", "--key=old/audit.jsonl.pub")
    assert checked.code == 0


@pytest.mark.parametrize(
    "form", ["acme-audit.vault.azure.net", "acme-audit.vault.azure.net/", "identifier"]
)
def test_a_vault_is_named_by_its_url_too(sdk: Place, form: str) -> None:
    name = sdk.vault.key_id("policy") if form == "identifier" else f"https://{form}"
    assert sdk.sign(name=name).outputs["key-id"] == sdk.vault.key_id("policy")


@pytest.mark.parametrize(("kind", "azure_name", "algorithm"), EC)
def test_every_curve(sdk: Place, kind: str, azure_name: str, algorithm: str) -> None:
    sdk.vault.add("curve", kind)
    ended = sdk.sign(f"--algorithm={azure_name}", key="curve")
    assert ended.code == 0, ended.log
    assert ended.outputs["algorithm"] == algorithm


@pytest.mark.parametrize("name", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
def test_every_rsa_algorithm(sdk: Place, name: str) -> None:
    sdk.vault.add("rsa", "RSA-2048")
    ended = sdk.sign(f"--algorithm={name}", key="rsa")
    assert ended.code == 0, ended.log
    scheme = {"RS": "PKCS1_V1_5", "PS": "PSS"}[name[:2]]
    assert ended.outputs["algorithm"] == f"RSASSA_{scheme}_SHA_{name[2:]}"


@pytest.mark.parametrize(("kind", "algorithm"), [("P-521", "ES512"), ("RSA-2048", "PS512")])
def test_another_algorithm_through_az(cli: Place, kind: str, algorithm: str) -> None:
    cli.vault.add("other", kind)
    assert cli.sign(f"--algorithm={algorithm}", key="other").code == 0


def test_an_hmac_key_of_a_managed_hsm_through_az(cli: Place) -> None:
    test_an_hmac_key_of_a_managed_hsm(cli, "HS256")


@pytest.mark.parametrize("name", [None, "HS256", "HS384", "HS512"])
def test_an_hmac_key_of_a_managed_hsm(sdk: Place, name: str | None) -> None:
    hsm = sdk.azure.add_vault("acme-hsm", "managedhsm.azure.net")
    hsm.add("mac", "oct-HSM")
    hsm.grants |= {("*", action) for action in ("keys/read", "keys/sign/action")}
    options = [f"--algorithm={name}"] if name else []
    url = f"https://{hsm.host}"
    assert sdk.sign(*options, key="mac", name=url).error == "azure-denied-by-role"
    hsm.grants.add(("*", "keys/verify/action"))
    ended = sdk.sign(*options, key="mac", name=url)
    assert ended.code == 0, ended.log
    assert ended.outputs["assurance"] == "shared-secret"
    assert "public-key-file" not in ended.outputs
    online = [f"--provider={sdk.provider}", f"--azure-kv-name={url}", "--azure-kv-key=mac"]
    checked = sdk.signer("verify", "audit.jsonl", *online, *options, *sdk.federated)
    assert checked.outputs["verified"] is True
    (sdk.folder / "audit.jsonl").write_bytes(AUDIT + AUDIT)
    assert sdk.signer("verify", "audit.jsonl", *online, *options, *sdk.federated).code == 1


@pytest.mark.parametrize(
    ("kind", "algorithm"), [("P-256", "ES384"), ("P-256K", "ES256"), ("P-256", "RS256")]
)
def test_an_algorithm_that_does_not_fit_is_refused_before_signing(
    sdk: Place, kind: str, algorithm: str
) -> None:
    sdk.vault.add("other", kind)
    ended = sdk.sign(f"--algorithm={algorithm}", key="other")
    assert (ended.code, ended.error) == (2, "algorithm-not-offered")
    assert sdk.asked("/sign") == 0


def test_names_are_checked_before_any_call(place: Place) -> None:
    for name, key in (("a", "policy"), ("acme--audit", "policy"), ("acme-audit", "a_b")):
        ended = place.sign(name=name, key=key)
        assert ended.code == 2
        assert "malformed" in ended.error
    assert place.sign(key="policy/1").error == "azure-key-malformed"
    assert place.azure.log == []


def test_the_hmac_key_comes_from_a_secret(sdk: Place) -> None:
    secret = "a secret of thirty-two bytes, ok"
    sdk.vault.secrets["hmac"] = [
        ("0" * 32, "an older one, as long as it has to"),
        ("1" * 32, secret),
    ]
    sdk.vault.grants.add((sdk.application.client_id, "secrets/getSecret/action"))
    url = f"azure-keyvault:https://{sdk.vault.host}/secrets/hmac"
    sdk.environ["POLICY_SIGNING_KEY"] = url
    assert sdk.signer("sign", "audit.jsonl", *sdk.federated).code == 0
    checked = sdk.signer("verify", "audit.jsonl", "--hmac", *sdk.federated)
    assert checked.outputs["verified"] is True
    sdk.environ["POLICY_SIGNING_KEY"] = secret
    assert sdk.signer("verify", "audit.jsonl", "--hmac").code == 0
    sdk.environ["POLICY_SIGNING_KEY"] = f"{url}/{'0' * 32}"
    assert sdk.signer("verify", "audit.jsonl", "--hmac", *sdk.federated).code == 1
    sdk.environ["POLICY_SIGNING_KEY"] = f"{url}-none"
    ended = sdk.signer("sign", "audit.jsonl", "--overwrite", *sdk.federated)
    assert ended.error == "azure-secret-not-found"
    sdk.environ["POLICY_SIGNING_KEY"] = "azure-keyvault:no-url"
    assert sdk.signer("sign", "audit.jsonl", "--overwrite").error == "azure-secret-malformed"


def test_cosign_and_openssl_verify_it(place: Place) -> None:
    ended = place.sign("--plain-signature")
    assert ended.code == 0, ended.log
    key = place.folder / "audit.jsonl.pub"
    plain = ["-signature", "audit.jsonl.sig", "audit.jsonl"]
    _run(place, str(require("openssl")), "dgst", "-sha256", "-verify", str(key), *plain)
    cosign = str(require("cosign"))
    ours = ["--type", "urn:policy-audit:attestation:v1", "--insecure-ignore-tlog"]
    bundle = ["--bundle", "audit.jsonl.sigstore.json"]
    _run(place, cosign, "verify-blob-attestation", "--key", str(key), *bundle, *ours, "audit.jsonl")
    assert PublicKey.from_pem(key.read_bytes()).spec == "ECC_NIST_P256"


def _run(place: Place, *command: str) -> None:
    done = subprocess.run(command, cwd=place.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
