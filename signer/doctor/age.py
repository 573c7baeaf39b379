"""How old the key is, against what the signing policy allows."""

from datetime import UTC, datetime, timedelta

from signer.doctor.check import Check, fail, ok, skip, warn
from signer.errors import GateError
from signer.gate.key_age import age_of, fits, told, warning

USUAL = timedelta(days=365)
"""From when on a key is called old where no policy says so."""

_FIX = (
    "rotate it: `signer kms rotate-key`, a new version in Azure, in AWS a new key that the alias "
    "names; keep the old one for verifying."
)


def key_age(created: datetime | None, limit: timedelta | None, no_age: str) -> Check:
    """The check ``key-age``.

    Args:
        created: when the key was made (aware); None where that is not known.
        limit: the ``max_key_age`` of the rule that allows; None where there is none.
        no_age: why ``created`` is not known.
    """
    if created is None:
        return skip("key-age", f"when the key was made is not known: {no_age}")
    age = age_of(created, datetime.now(UTC))
    made = f"made {created:%Y-%m-%d}, {age.days} days ago"
    if limit is None:
        if age > USUAL:
            return warn("key-age", f"{made}; no signing policy limits its age", fix=_FIX)
        return ok("key-age", made)
    limited = f"{made}; max_key_age is {told(limit)}"
    if not fits(age, limit):
        return fail("key-age", GateError("not-allowed", limited, fix=_FIX))
    if nearly := warning(age, limit):
        return warn("key-age", f"{made}: {nearly}", fix=f"soon {_FIX}")
    return ok("key-age", limited)
