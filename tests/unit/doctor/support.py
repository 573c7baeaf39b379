"""What the tests of the doctor share."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from signer.doctor.check import Check
from signer.doctor.findings import Findings
from signer.errors import ProviderError
from signer.providers.host import Host
from signer.settings.models import DoctorSettings, SignSettings


@dataclass
class Said:
    """What a provider told its host."""

    lines: list[str] = field(default_factory=list)
    masked: list[str] = field(default_factory=list)

    def host(self, environ: Mapping[str, str] | None = None) -> Host:
        """A host without a token."""

        def identity_token(audience: str) -> str:
            raise ProviderError("oidc-not-offered", audience, fix="offer one")

        return Host(
            environ=environ or {},
            notify=self.lines.append,
            mask=self.masked.append,
            identity_token=identity_token,
            offers_identity_token=False,
            session_name="",
            cleanup=ExitStack(),
        )


def looked(
    look: Callable[[SignSettings, Host, Findings], None],
    chosen: DoctorSettings,
    host: Host | None = None,
    *,
    dated: bool = False,
) -> Findings:
    """What is found of a key."""
    found = Findings(dated=dated)
    look(chosen, host or Said().host(), found)
    return found


def settings(**given: Any) -> DoctorSettings:
    """Settings as they would be loaded."""
    return DoctorSettings.model_validate(given)


def by_name(checks: list[Check]) -> dict[str, Check]:
    """The checks under their names, each of which must be there once."""
    found = {check.name: check for check in checks}
    assert len(found) == len(checks), [check.name for check in checks]
    return found


def statuses(checks: list[Check]) -> dict[str, str]:
    """How each check ended."""
    return {name: check.status.value for name, check in by_name(checks).items()}
