"""AWS KMS: the command line, the region and signing in; then the key.

Source: STS API reference, ``GetCallerIdentity``, which needs no permission.
"""

from dataclasses import replace

from signer.doctor.aws_key import NAMES, READS, explained, look, tell_time
from signer.doctor.check import Check, fail, ok, skip, warn
from signer.doctor.findings import Findings
from signer.doctor.key_policy import role_of
from signer.errors import ProviderError, SignerError
from signer.open_provider import aws_access
from signer.providers.aws.access import Access
from signer.providers.aws.api import Api
from signer.providers.aws.calls import AwsFailure, Calls
from signer.providers.aws.failures import Place, explain
from signer.providers.aws.policy import Statement, key_statement
from signer.providers.aws.reference import KeyReference, RoleReference, choose_region, parse_key
from signer.providers.host import Host
from signer.settings.models import SignSettings

_SECONDS = 10.0


def look_at_key(settings: SignSettings, host: Host, found: Findings) -> None:
    """Look at the key that the settings name.

    Args:
        settings: with a provider of AWS.
        host: the process around.
        found: takes what is found.
    """
    key = parse_key(settings.aws_kms_key or "")
    access = aws_access(settings, host)
    region = choose_region(key, access.region, host.environ)
    try:
        calls = _calls(settings, access, region, found)
    except SignerError as error:
        found.add(fail("command-line", error))
        found.skip_rest("see command-line", "region", "credentials", *NAMES)
        return
    found.add(_region(key, access, region))
    place = Place(key.text, region)
    try:
        api = _signed_in(calls, access, place, key, settings)
        caller = _credentials(api, found)
    except SignerError as error:
        found.add(fail("credentials", error))
        found.skip_rest("see credentials", *NAMES)
        return
    look(api, key, settings, settings.aws_role_to_assume or role_of(caller), found)


def _calls(settings: SignSettings, access: Access, region: str | None, found: Findings) -> Calls:
    """The way to call; the check ``command-line`` where it is one."""
    if settings.provider == "aws_kms":
        from signer.providers.aws.cli import CliCalls
        from signer.providers.command_line import Commands

        command = CliCalls(
            region, access.host.environ, Commands(access.host.cleanup), access.timeout
        )
        found.add(ok("command-line", command.version()))
        return command
    from signer.providers.aws.sdk import SdkCalls

    return SdkCalls(region, access.timeout)


def _region(key: KeyReference, access: Access, region: str | None) -> Check:
    if region is None:
        return skip("region", "no setting names one: AWS's own configuration decides")
    source = "the key's ARN" if key.region else "aws-region" if access.region else "the environment"
    return ok("region", f"{region}, of {source}")


def _signed_in(
    calls: Calls, access: Access, place: Place, key: KeyReference, settings: SignSettings
) -> Api:
    def statement(role: RoleReference) -> Statement:
        # A session may do what the role may and this allows: what signing needs, and to look.
        signs = key_statement(key, place.region, role, settings.algorithm, pinned=False)
        return {**signs, "Action": sorted({*signs["Action"], *READS})}

    if access.role is not None:
        return access.open(calls, place, statement)
    return Api(calls, access.timeout, access.host.notify, place)


def _credentials(api: Api, found: Findings) -> str:
    """The check ``credentials``; the caller's ARN, empty where nobody tells.

    Raises:
        ProviderError: there are none, or they are no good.
    """
    try:
        kind = api.calls.credential()
    except AwsFailure as failure:
        raise explain(failure, "signing in to AWS", api.place) from failure
    try:
        # It is only told, so that an endpoint that does not answer must not delay much.
        answer = replace(api, timeout=min(api.timeout, _SECONDS)).attempt("sts:GetCallerIdentity")
    except (AwsFailure, ProviderError) as failure:
        error = explained(failure, "sts:GetCallerIdentity", api.place)
        if error.code.startswith(("aws-credentials", "aws-clock", "aws-profile", "aws-region")):
            raise error from failure
        found.add(ok("credentials", f"{kind}; whose is not told ({failure.code})"))
        return ""
    tell_time(answer, found)
    caller = str(answer.get("Arn"))
    told = f"{kind}: {caller}"
    if caller.endswith(":root") or ":user/" in caller:
        who = "the account's root" if caller.endswith(":root") else "an IAM user"
        check = warn(
            "credentials",
            f"{told}, {who}: such a key lasts until somebody revokes it",
            fix="use aws-role-to-assume, which needs no stored secret (docs/aws.md).",
        )
    else:
        check = ok("credentials", told)
    found.add(check)
    return caller
