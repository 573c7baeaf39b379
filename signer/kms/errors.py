"""What the embedded KMS answers when it refuses: AWS's error names, our stable codes.

Source: AWS KMS API reference, "Common Errors" and the errors of each operation.
"""

from signer.errors import ProviderError


class KmsError(ProviderError):
    """An answer of the embedded KMS.

    Args:
        code: our stable code.
        aws_name: the error as AWS names it, such as ``NotFoundException``.
        detail: what is wrong, with the offending value; never a secret.
        fix: what to do.
    """

    def __init__(self, code: str, aws_name: str, detail: str, *, fix: str) -> None:
        super().__init__(code, f"the embedded KMS answered {aws_name}: {detail}", fix=fix)
        self.aws_name = aws_name


def not_found(key: str) -> KmsError:
    """No key, version or alias of that name."""
    return KmsError(
        "kms-key-not-found",
        "NotFoundException",
        f"{key!r} is not found",
        fix="check the name with `signer kms list-keys`; only an alias is created on first use",
    )


def disabled(key_id: str) -> KmsError:
    """The key is disabled."""
    return KmsError(
        "kms-key-disabled",
        "DisabledException",
        f"{key_id} is disabled",
        fix=f"enable it with `signer kms enable-key {key_id}`, or use another key",
    )


def invalid_key_usage(detail: str, fix: str) -> KmsError:
    """The key is not for this operation, or not for this algorithm."""
    return KmsError("kms-key-usage", "InvalidKeyUsageException", detail, fix=fix)


def validation(detail: str, fix: str) -> KmsError:
    """A parameter is not what the operation takes."""
    return KmsError("kms-validation", "ValidationException", detail, fix=fix)


def no_public_key(key_id: str) -> KmsError:
    """The public key of an HMAC key was asked for."""
    return KmsError(
        "kms-no-public-key",
        "UnsupportedOperationException",
        f"{key_id} is an HMAC key and has no public key",
        fix="verify with the KMS that holds it, or use an asymmetric key",
    )


def alias_exists(alias: str) -> KmsError:
    """There is an alias of that name already."""
    return KmsError(
        "kms-alias-exists",
        "AlreadyExistsException",
        f"the alias {alias} exists already",
        fix="choose another name, or let it name another key with `signer kms update-alias`",
    )


def invalid_alias(alias: str, reason: str) -> KmsError:
    """A name that no alias may have."""
    return KmsError(
        "kms-alias-invalid",
        "InvalidAliasNameException",
        f"{alias!r} {reason}",
        fix="use alias/ and 1 to 250 letters, digits, '/', '_' or '-', such as alias/policy-audit",
    )


def corrupt(path: str, reason: str) -> KmsError:
    """A file of the directory that this program can't have written."""
    return KmsError(
        "kms-store-corrupt",
        "KMSInternalException",
        f"{path} is not what the embedded KMS writes: {reason}",
        fix="restore the directory from a copy, or use another kms-directory",
    )


def exposed(path: str, mode: int, wanted: str) -> ProviderError:
    """A file or directory of keys that others than its owner can get at."""
    return ProviderError(
        "kms-store-exposed",
        f"others than its owner can get at {path} (mode {mode:04o}), which holds private keys",
        fix=f"chmod {wanted} {path}, and replace the keys if others may have read them",
    )


def unusable(path: str, error: OSError) -> ProviderError:
    """The operating system refused a file or directory of the store."""
    return ProviderError(
        "kms-store-unusable",
        f"the directory of the embedded KMS can't be used: {path}: {error.strerror or error}",
        fix="set kms-directory to a directory that this user can read and write",
    )
