"""Calls through boto3.

boto3's sessions are thin: a client is botocore's, made from JSON models. The models of three
services are loaded without a look for those of all 400, which costs more than a signature.
"""

import threading
from collections.abc import Mapping
from typing import Any, Self

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader
from botocore.session import Session, get_session

from signer.providers.aws.calls import Answer, AwsFailure, Credentials, attempt_limits

SERVICES = ("kms", "secretsmanager", "sts")
_POOL = 16
# ValueError: an endpoint or region that makes no URL.
_FAILURES = (ClientError, BotoCoreError, OSError, ValueError)


class _QuickLoader(Loader):  # type: ignore[misc]
    """botocore's loader of models, without the walk through all services for those of `SERVICES`.

    The chain of credentials may need others: ``sso`` and ``sso-oidc`` for a profile of IAM Identity
    Center.
    """

    def __init__(self) -> None:
        super().__init__()
        self._whole = Loader()

    def list_available_services(self, _type: str) -> list[str]:
        return list(SERVICES)

    def load_service_model(
        self, service_name: str, type_name: str, api_version: str | None = None
    ) -> Any:
        if service_name in SERVICES:
            return super().load_service_model(service_name, type_name, api_version)
        return self._whole.load_service_model(service_name, type_name, api_version)


class SdkCalls:
    """Makes calls through boto3; see `signer.providers.aws.calls.Calls`. Safe in many threads.

    Args:
        region: the region to ask; None for that of the AWS configuration.
        timeout: the total time limit in seconds, of which one attempt takes at most the half.
        credentials: None for boto3's ordinary chain.
        session: what to build on; None for a new one from environment and configuration.
    """

    def __init__(
        self,
        region: str | None,
        timeout: float,
        *,
        credentials: Credentials | None = None,
        session: Session | None = None,
    ) -> None:
        connect, read = attempt_limits(timeout)
        self.longest_attempt = connect + read
        self._timeout = timeout
        self._region = region
        self._credentials = credentials
        self._core = session or _new_session()
        self._config = Config(
            connect_timeout=connect,
            read_timeout=read,
            max_pool_connections=_POOL,
            # Each retry is told in the log, and all of them end in time: signer.retry.
            retries={"mode": "standard", "total_max_attempts": 1},
        )
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def call(
        self,
        operation: str,
        parameters: Mapping[str, str | int | bytes],
        deadline: float,  # noqa: ARG002 - each attempt has its own limits
    ) -> Answer:
        """Make one call; the response's metadata is in the answer too.

        Raises:
            AwsFailure: it was refused or failed.
        """
        service, name = operation.split(":")
        try:
            client = self._client(service, signed=name != "AssumeRoleWithWebIdentity")
            method = client.meta.method_to_api_mapping
            python_name = next(python for python, api in method.items() if api == name)
            answer: Answer = getattr(client, python_name)(**parameters)
        except _FAILURES as error:
            raise _failure(error) from error
        return answer

    def with_credentials(self, credentials: Credentials) -> Self:
        """The same, with these credentials."""
        return type(self)(self._region, self._timeout, credentials=credentials, session=self._core)

    def credential(self) -> str:
        """Which credential it is: its place and its access key id.

        Raises:
            AwsFailure: there is none.
        """
        if self._credentials is not None:
            return f"assumed role, access key {self._credentials.access_key_id}"
        try:
            found = self._core.get_credentials()
            if found is None:
                raise AwsFailure("NoCredentialsError", "no place has credentials")
            frozen = found.get_frozen_credentials()
        except _FAILURES as error:  # a profile may name a role, or IAM Identity Center: both asked
            raise _failure(error) from error
        return f"{found.method}, access key {frozen.access_key}"

    def _client(self, service: str, *, signed: bool) -> Any:
        name = service if signed else f"{service} unsigned"
        with self._lock:
            if name not in self._clients:
                self._clients[name] = self._new_client(service, signed=signed)
            return self._clients[name]

    def _new_client(self, service: str, *, signed: bool) -> Any:
        config = self._config
        if not signed:
            config = config.merge(Config(signature_version=UNSIGNED))
        given = self._credentials
        return boto3.Session(botocore_session=self._core).client(
            service,
            region_name=self._region,
            config=config,
            aws_access_key_id=given.access_key_id if given else None,
            aws_secret_access_key=given.secret_access_key if given else None,
            aws_session_token=given.session_token if given else None,
        )


def _new_session() -> Session:
    session = get_session()
    session.register_component("data_loader", _QuickLoader())
    return session


def _failure(error: Exception) -> AwsFailure:
    if not isinstance(error, ClientError):
        return AwsFailure(_name(error), str(error))
    said = error.response.get("Error", {})
    request_id = error.response.get("ResponseMetadata", {}).get("RequestId")
    return AwsFailure(said.get("Code", "Unknown"), said.get("Message", ""), request_id)


def _name(error: Exception) -> str:
    """The name of botocore's exception, or of the nearest class that `failures` knows."""
    if isinstance(error, BotoCoreError):  # some of which are OSErrors or ValueErrors too
        return type(error).__name__
    return "ConnectionError" if isinstance(error, OSError) else "InvalidEndpointError"
