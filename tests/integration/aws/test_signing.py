"""Signing with AWS KMS: boto3 and the real ``aws`` command line against the corrected service."""

import base64
import json
import re
from pathlib import Path

import pytest

from tests.integration.aws.cloud import ACCOUNT, REGION, Cloud
from tests.integration.aws.keys import MAC_ALGORITHMS, SIGNING_ALGORITHMS

OURS = [
    (spec, algorithm)
    for spec, algorithms in SIGNING_ALGORITHMS.items()
    for algorithm in algorithms
    if algorithm != "ED25519_PH_SHA_512"
]
SLOW_SAMPLE = [
    ("RSA_2048", "RSASSA_PSS_SHA_384"),
    ("ECC_NIST_P256", "ECDSA_SHA_256"),
    ("ECC_NIST_EDWARDS25519", "ED25519_SHA_512"),
    ("ML_DSA_44", "ML_DSA_SHAKE_256"),
]


def _signed_and_verified(
    cloud: Cloud, audit: Path, provider: str, spec: str, algorithm: str
) -> None:
    arn = cloud.key(spec)
    cloud.forget()
    done = cloud.sign(
        audit, "--provider", provider, "--aws-kms-key", f"alias/{spec}", "--algorithm", algorithm
    )
    assert done.code == 0, done.err
    fields = done.json
    assert fields["key-id"] == arn
    assert (fields["provider"], fields["algorithm"]) == (provider, algorithm)
    assert fields["assurance"] == "managed-key"
    assert re.search(r"^kms:Sign: request [\w-]+$", done.err, re.MULTILINE)
    operations = [call["action"] for call in cloud.calls()]
    assert sorted(operations) == ["kms:GetPublicKey", "kms:Sign", "sts:GetCallerIdentity"]
    key = ["--key", fields["public-key-file"], "--algorithm", algorithm]
    assert cloud.signer("verify", str(audit), *key).code == 0
    audit.write_bytes(audit.read_bytes() + b" ")
    assert cloud.signer("verify", str(audit), *key).code == 1


@pytest.mark.parametrize(("spec", "algorithm"), OURS)
def test_every_algorithm_through_boto3(
    cloud: Cloud, audit: Path, spec: str, algorithm: str
) -> None:
    _signed_and_verified(cloud, audit, "aws_kms_sdk", spec, algorithm)


@pytest.mark.parametrize(("spec", "algorithm"), SLOW_SAMPLE)
def test_every_message_type_through_the_command_line(
    cloud: Cloud, audit: Path, spec: str, algorithm: str
) -> None:
    _signed_and_verified(cloud, audit, "aws_kms", spec, algorithm)


def test_both_ways_give_the_same_outputs(cloud: Cloud, audit: Path) -> None:
    # PKCS#1 v1.5 and Ed25519 signatures have no randomness; the statement's id and time do.
    outputs = []
    for provider in ("aws_kms_sdk", "aws_kms"):
        arn = cloud.key("RSA_2048")
        done = cloud.sign(audit, "--provider", provider, "--aws-kms-key", arn, "--overwrite")
        assert done.code == 0, done.err
        fields = done.json
        for run in (fields, *fields["results"]):
            del run["signature"]
            assert run.pop("provider") == provider
        outputs.append(fields)
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("spec", MAC_ALGORITHMS)
def test_an_hmac_key_signs_and_verifies_online(
    cloud: Cloud, audit: Path, provider: str, spec: str
) -> None:
    arn = cloud.key(spec)
    chosen = ["--provider", provider, "--aws-kms-key", f"alias/{spec}"]
    done = cloud.sign(audit, *chosen)
    assert done.code == 0, done.err
    assert done.json["assurance"] == "shared-secret"
    assert done.json["algorithm"] == MAC_ALGORITHMS[spec][0]
    assert done.json["key-id"] == arn
    assert "public-key-file" not in done.json
    assert cloud.signer("verify", str(audit), *chosen).code == 0
    bundle = audit.with_name(f"{audit.name}.sigstore.json")
    text = json.loads(bundle.read_bytes())
    signature = text["dsseEnvelope"]["signatures"][0]
    first = "A" if signature["sig"][0] != "A" else "B"
    signature["sig"] = first + signature["sig"][1:]
    bundle.write_text(json.dumps(text))
    assert cloud.signer("verify", str(audit), *chosen).code == 1


def test_every_name_of_a_key_leads_to_its_arn(cloud: Cloud, audit: Path) -> None:
    arn = cloud.key()
    names = [arn, arn.rpartition("/")[2], "alias/ECC_NIST_P256"]
    names.append(f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/ECC_NIST_P256")
    for name in names:
        chosen = ["--provider", "aws_kms_sdk", "--aws-kms-key", name, "--overwrite"]
        done = cloud.sign(audit, *chosen)
        assert done.code == 0, done.err
        assert done.json["key-id"] == arn


def test_a_multi_region_key(cloud: Cloud, audit: Path, provider: str) -> None:
    arn = cloud.new_key(region="us-east-1", MultiRegion=True)
    assert ":key/mrk-" in arn
    key = arn.rpartition("/")[2]
    chosen = ["--provider", provider, "--aws-kms-key", key, "--aws-region", "us-east-1"]
    done = cloud.sign(audit, *chosen)
    assert done.code == 0, done.err
    assert done.json["key-id"] == arn


def test_the_environments_region_yields_to_the_arn(
    cloud: Cloud, audit: Path, provider: str
) -> None:
    arn = cloud.new_key(region="ap-southeast-2")
    done = cloud.sign(audit, "--provider", provider, "--aws-kms-key", arn)
    assert done.code == 0, done.err
    assert done.json["key-id"] == arn


def test_two_regions_are_refused_before_anything_is_asked(cloud: Cloud, audit: Path) -> None:
    chosen = [
        "--provider",
        "aws_kms_sdk",
        "--aws-kms-key",
        cloud.key(),
        "--aws-region",
        "us-east-1",
    ]
    cloud.forget()
    done = cloud.sign(audit, *chosen)
    assert (done.code, done.error) == (2, "aws-region-conflict")
    assert "us-east-1" in done.err
    assert REGION in done.err
    assert cloud.calls() == []


def test_a_key_of_another_account(cloud: Cloud, audit: Path, provider: str) -> None:
    other = cloud.client("sts").assume_role(
        RoleArn="arn:aws:iam::444455556666:role/admin", RoleSessionName="admin"
    )["Credentials"]
    import boto3

    kms = boto3.client(
        "kms",
        region_name=REGION,
        endpoint_url=cloud.url,
        aws_access_key_id=other["AccessKeyId"],
        aws_secret_access_key=other["SecretAccessKey"],
        aws_session_token=other["SessionToken"],
    )
    made = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P384")
    arn = made["KeyMetadata"]["Arn"]
    assert "444455556666" in arn
    done = cloud.sign(audit, "--provider", provider, "--aws-kms-key", arn)
    assert done.code == 0, done.err
    assert done.json["key-id"] == arn


def test_a_pinned_key_needs_one_call(cloud: Cloud, audit: Path, tmp_path: Path) -> None:
    arn = cloud.key()
    chosen = ["--provider", "aws_kms_sdk", "--aws-kms-key", arn, "--overwrite"]
    assert cloud.sign(audit, *chosen).code == 0
    pem = tmp_path / "pinned.pem"
    pem.write_bytes(audit.with_name(f"{audit.name}.pub").read_bytes())
    cloud.forget()
    done = cloud.sign(audit, *chosen, "--public-key", str(pem))
    assert done.code == 0, done.err
    asked = [call["action"] for call in cloud.calls() if call["action"].startswith("kms:")]
    assert asked == ["kms:Sign"]


def test_a_pinned_key_that_is_another_ones_is_found_out(
    cloud: Cloud, audit: Path, tmp_path: Path
) -> None:
    one, other = cloud.key(), cloud.new_key()
    chosen = ["--provider", "aws_kms_sdk", "--overwrite"]
    assert cloud.sign(audit, *chosen, "--aws-kms-key", one).code == 0
    pem = tmp_path / "pinned.pem"
    audit.with_name(f"{audit.name}.pub").rename(pem)
    bundle = audit.with_name(f"{audit.name}.sigstore.json")
    before = bundle.read_bytes()
    done = cloud.sign(audit, *chosen, "--aws-kms-key", other, "--public-key", str(pem))
    assert (done.code, done.error) == (3, "signature-does-not-verify")
    assert bundle.read_bytes() == before


@pytest.mark.parametrize(
    ("spec", "operation", "sees_it"),
    [
        ("ECC_NIST_P256", "kms:Sign", False),
        ("ML_DSA_44", "kms:Sign", False),
        ("ECC_NIST_EDWARDS25519", "kms:Sign", True),
        ("HMAC_256", "kms:GenerateMac", True),
    ],
)
def test_kms_sees_an_audit_file_for_a_plain_signature_of_some_keys_only(
    cloud: Cloud, audit: Path, spec: str, operation: str, sees_it: bool
) -> None:
    cloud.key(spec)
    chosen = ["--provider", "aws_kms_sdk", "--aws-kms-key", f"alias/{spec}", "--overwrite"]
    for more, count, seen in (([], 1, False), (["--plain-signature"], 2, sees_it)):
        cloud.forget()
        done = cloud.sign(audit, *chosen, *more)
        assert done.code == 0, done.err
        made = [call["parameters"] for call in cloud.calls() if call["action"] == operation]
        messages = [base64.b64decode(parameters["Message"]) for parameters in made]
        assert len(messages) == count
        assert (audit.read_bytes() in messages) == seen


def test_many_files_are_signed_side_by_side_with_one_public_key(
    cloud: Cloud, tmp_path: Path
) -> None:
    for number in range(40):
        (tmp_path / f"{number}.jsonl").write_text(f'{{"decision":{number}}}\n')
    cloud.key()
    cloud.forget()
    done = cloud.signer(
        "sign",
        str(tmp_path / "*.jsonl"),
        "--json",
        "--provider",
        "aws_kms_sdk",
        "--aws-kms-key",
        "alias/ECC_NIST_P256",
    )
    assert done.code == 0, done.err
    actions = [call["action"] for call in cloud.calls()]
    assert actions.count("kms:GetPublicKey") == 1
    assert actions.count("kms:Sign") == 40


def test_rotation_in_the_middle_of_a_series(cloud: Cloud, tmp_path: Path, provider: str) -> None:
    kms = cloud.client("kms")
    alias = f"alias/rotated-{provider}"
    arns = [cloud.new_key(), cloud.new_key()]
    kms.create_alias(AliasName=alias, TargetKeyId=arns[0].rpartition("/")[2])
    for number in range(4):
        if number == 2:
            kms.update_alias(AliasName=alias, TargetKeyId=arns[1].rpartition("/")[2])
        path = tmp_path / f"{number}.jsonl"
        path.write_text(f'{{"decision":{number}}}\n')
        done = cloud.sign(path, "--provider", provider, "--aws-kms-key", alias)
        assert done.code == 0, done.err
        assert done.json["key-id"] == arns[number // 2]
    keys = {number: tmp_path / f"{number}.jsonl.pub" for number in (0, 2)}
    for number in range(4):
        of_its_time, of_the_other = keys[number // 2 * 2], keys[2 - number // 2 * 2]
        audit = str(tmp_path / f"{number}.jsonl")
        assert cloud.signer("verify", audit, "--key", str(of_its_time)).code == 0
        assert cloud.signer("verify", audit, "--key", str(of_the_other)).code == 1
