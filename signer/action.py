"""The GitHub Action: inputs in, results out. It ties the rooms together for a workflow."""

import os
from collections.abc import Mapping

from signer import __version__
from signer.errors import UsageError
from signer.github.masking import is_secret
from signer.github.paths import JobPaths
from signer.log import Log, RunnerLog
from signer.process import run, tolerant_streams
from signer.report.runner import write_checked, write_refused, write_signed, write_skipped
from signer.settings.conflicts import NOT_YET
from signer.settings.given import Given
from signer.settings.load import load, misspelt, nearest
from signer.settings.models import DoctorSettings, Settings, SignSettings, VerifySettings, fields_of
from signer.sign.unauthorized import SKIPPED, may_be_skipped

_MODES: dict[str, type[Settings]] = {
    "sign": SignSettings,
    "verify": VerifySettings,
    "doctor": DoctorSettings,
}


def main() -> None:
    """Run the action in this process's environment; never returns."""
    tolerant_streams()
    log = RunnerLog(os.environ)
    run(lambda: act(os.environ, log), log)


def act(environ: Mapping[str, str], log: Log, *, container: bool = True) -> int:
    """Do what the inputs ask for.

    Args:
        environ: the step's environment.
        log: where messages go.
        container: whether this runs in a Docker action's container.

    Returns:
        The exit code: 0; 1 where something was not verified; of mode doctor, the worst check's.

    Raises:
        SignerError: whatever else goes wrong.
    """
    log.info(f"policy audit signer {__version__}")
    inputs = _inputs(environ, log)
    said_mode = inputs["mode"].value if "mode" in inputs else environ.get("POLICY_MODE", "")
    mode = said_mode.strip() or "sign"
    model = _MODES.get(mode, SignSettings)
    used = {*fields_of(model), *NOT_YET}
    said = {name: given for name, given in inputs.items() if name in used}
    for name in sorted(inputs.keys() - said.keys()):
        log.warning("policy audit: unused input", f"input {name} is not used in mode {mode}")
    for text in misspelt(environ):
        log.warning("policy audit: unknown variable", text)
    paths = JobPaths(environ, container=container)
    if model is VerifySettings:
        try:
            return _verify(load(VerifySettings, said, environ), environ, log, paths)
        except Exception as error:
            write_refused(error, environ)
            raise
    if model is DoctorSettings:
        return _doctor(said, environ, log, paths)
    if may_be_skipped(said, environ):
        log.notice(*SKIPPED)
        write_skipped(environ, unauthorized=True)
        return 0
    return _sign(load(SignSettings, said, environ), environ, log, paths)


def _sign(settings: SignSettings, environ: Mapping[str, str], log: Log, paths: JobPaths) -> int:
    from signer.sign.job import sign

    signed = sign(settings, environ, log, paths, count_decisions=settings.show_summary)
    if signed is None:
        write_skipped(environ)
    else:
        write_signed(signed, environ, show_summary=settings.show_summary)
    return 0


def _verify(settings: VerifySettings, environ: Mapping[str, str], log: Log, paths: JobPaths) -> int:
    from signer.verify.job import check, own_repository

    own = own_repository(settings, environ)
    checked = check(settings, environ, log, paths, own_repository=own)
    write_checked(checked, environ, show_summary=settings.show_summary)
    return checked.error.exit_code if checked.error else 0


def _doctor(
    said: Mapping[str, Given], environ: Mapping[str, str], log: Log, paths: JobPaths
) -> int:
    from signer.doctor.check import exit_code
    from signer.doctor.examine import examine
    from signer.doctor.report import publish

    examination = examine(said, environ, log, paths)
    publish(examination, environ, log)
    return exit_code(examination.checks)


def _inputs(environ: Mapping[str, str], log: Log) -> dict[str, Given]:
    names = sorted({name for model in _MODES.values() for name in fields_of(model)})
    inputs: dict[str, Given] = {}
    for variable, value in environ.items():
        if not variable.startswith("INPUT_"):
            continue
        name = variable.removeprefix("INPUT_").lower()
        if is_secret(variable):
            raise UsageError(
                "secret-as-input",
                f"{name} was given through with:, and secrets come from the environment only",
                fix="set env: POLICY_SIGNING_KEY: ${{ secrets.… }} on the step instead.",
            )
        if not value.strip():
            continue
        if name in names or name in NOT_YET:
            inputs[name] = Given(f"input {name}", value)
        else:
            log.warning(
                "policy audit: unknown input",
                f"there is no input {name}{nearest(name, names)}",
            )
    return inputs
