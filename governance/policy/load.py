"""Reading the policy file: all of its errors at once, or a policy that holds together.

Belongs here: the door through which every policy comes, and its hash. Does not belong here: the
shape (``model``), the checks (``checks``), the wording of an error (``wording``).
"""

import hashlib
import json
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from governance.policy.checks import cross_checks
from governance.policy.model import Policy
from governance.policy.plain import mapping
from governance.policy.positions import Document
from governance.policy.problems import PolicyError, Problem
from governance.policy.rules import override_problems
from governance.policy.wording import shape_problems
from warehouse.home import policy_path


def load_policy(path: Path | str | None = None) -> Policy:
    """Read and check a policy file.

    Parameters
    ----------
    path : path-like, optional
        The file; by default the policy in force (``ASSENT_POLICY``).

    Raises
    ------
    PolicyError
        If the file can't be read or anything in it is wrong; it names every fault with line,
        column, key and remedy.
    """
    file = Path(path) if path is not None else policy_path()
    return parse_policy(_text(file), str(file))


@lru_cache(maxsize=4)  # it is frozen, and takes 30 ms to read
def parse_policy(text: str, file: str = "policy.yaml") -> Policy:
    """Check the text of a policy; see :func:`load_policy`."""
    document = Document(text, file)
    problems: list[Problem] = []
    policy = None
    try:
        policy = Policy.model_validate(document.data)
    except ValidationError as error:
        problems += shape_problems(error)
    problems += cross_checks(mapping(document.data))
    if policy is not None:
        problems += override_problems(policy)
    placed = {*document.problems, *map(document.placed, problems)}
    if placed or policy is None:
        in_order = sorted(placed, key=lambda p: (p.line, p.column, p.key, p.what))
        raise PolicyError(file, tuple(in_order))
    return policy


def policy_hash(policy: Policy | Path | str | None = None) -> str:
    """Return the SHA-256 of what a policy says: comments, layout and order of keys don't matter.

    Parameters
    ----------
    policy : Policy or path-like, optional
        A policy, or the file to read it from (default: the policy in force).

    Returns
    -------
    str
        64 hexadecimal digits over the canonical JSON of the validated policy.

    Raises
    ------
    PolicyError
        If the file isn't a valid policy.
    """
    if not isinstance(policy, Policy):
        policy = load_policy(policy)
    said = policy.model_dump(mode="json", by_alias=True)
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise PolicyError(
            str(file), what="does not exist", mend="set ASSENT_POLICY to the file, or restore it"
        ) from None
    except OSError as error:
        raise PolicyError(
            str(file), what=f"can't be read: {error.strerror}", mend="check path and permissions"
        ) from None
    except UnicodeDecodeError:
        raise PolicyError(
            str(file), what="isn't UTF-8 text", mend="save it as plain UTF-8 text"
        ) from None
