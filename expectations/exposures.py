"""Who consumes marts, by what the dbt project says, held to the policy's recipients.

Belongs here: reading dbt's exposures and what is wrong with them. Does not belong here: verdicts
(``feeds``), what is actually sent to anyone (``governance.export``).

An exposure names its recipient in ``meta: {recipient: ...}``: a recipient of the policy, or
``controller`` for a consumer inside this installation, which receives nothing that it didn't have.
"""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from governance.gate import MART, mart_purpose
from governance.policy.model import Policy

IN_HOUSE = "controller"


class Exposure(NamedTuple):
    """One consumer: its name, who it is (None: nobody says), the purposes whose marts it reads.

    ``others`` is what it reads and is no mart of a purpose.
    """

    name: str
    recipient: str | None
    purposes: frozenset[str]
    others: frozenset[str] = frozenset()


class Fault(NamedTuple):
    """What is wrong with an exposure; a gap where the policy or the project says nothing."""

    kind: Literal["violation", "gap"]
    what: str


def exposures(manifest: dict[str, Any], policy: Policy) -> Iterator[Exposure]:
    """Return what the dbt project says of every consumer.

    Parameters
    ----------
    manifest
        dbt's manifest.
    """
    for body in manifest.get("exposures", {}).values():
        names = [node.split(".", 2)[-1] for node in body.get("depends_on", {}).get("nodes", ())]
        read = {n: mart_purpose(policy, n) if n.startswith(MART) else None for n in names}
        said = {**(body.get("config") or {}).get("meta", {}), **(body.get("meta") or {})}
        yield Exposure(
            body["name"],
            said.get("recipient"),
            frozenset(purpose for purpose in read.values() if purpose),
            frozenset(name for name, purpose in read.items() if not purpose),
        )


def faults_of(exposure: Exposure, policy: Policy) -> Iterator[Fault]:
    """Return what is wrong with one exposure."""
    name, recipient, purposes, others = exposure
    for other in sorted(others):
        yield Fault("gap", f"the exposure {name} reads {other}, which is no mart of a purpose")
    if not (purposes or others):
        yield Fault("gap", f"the exposure {name} doesn't say which mart it reads")
    if recipient is None:
        yield Fault("gap", f"the exposure {name} names no recipient (meta: {{recipient: ...}})")
    elif recipient != IN_HOUSE and recipient not in policy.recipients:
        yield Fault("violation", f"the recipient of the exposure {name} isn't listed in the policy")
    elif recipient != IN_HOUSE:
        for purpose in sorted(purposes - set(policy.recipients[recipient].purposes)):
            yield Fault("violation", f"{recipient} (exposure {name}) may receive nothing for "
                        f"'{purpose}'")  # fmt: skip
