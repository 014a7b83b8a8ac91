"""Fulfilling requests: which of them Assent fulfils, and handing an answer over.

Belongs here: the choice by the right that is exercised, the act, the files for the subject and the
receipt of an answer. Does not belong here: what an answer tells (``access``, ``portability``,
``explanation``), erasing (``erasure``), where files may lie (``governance.handover``).
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from governance import handover
from governance.policy.model import Policy
from governance.rights import access, explanation, portability, receipt
from governance.rights.answer import Answer, Meanings
from governance.rights.erasure import erase
from governance.rights.leaving import ERASURE
from governance.rights.rectification import RECTIFICATION, rectify
from governance.rights.requests import Request
from governance.rights.steps import note_step, require_asked_for, require_open, require_verified
from warehouse.clock import now
from warehouse.errors import UsageError

ANSWERS: Mapping[str, Callable[[Policy, Request, Sequence[Request], Meanings], Answer]] = {
    "access": access.answer,
    "portability": portability.answer,
    "explanation": explanation.answer,
}
FORMATS = (".json", ".html", ".csv")
FOR_FILES = "--to, --public-key and --unencrypted"


def fulfil(
    policy: Policy, requests: Sequence[Request], beside: Sequence[Request], meanings: Meanings, *,
    to: Path | None = None, encrypted: bool = True, public_key: str | None = None,
    changes: Mapping[str, str | None] | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Fulfil requests, each by the right that it exercises; the caller holds the writer's lock.

    Erasures are done together; a request that is answered with files is fulfilled alone.

    Parameters
    ----------
    beside
        All that the same customers ask for, these requests too.
    meanings
        What only the rooms above know of the tables.
    to
        The folder that the files go to; where, see :func:`governance.handover.target`.
    encrypted, public_key
        Whether, and to whose age public key: the subject's, or that of who acts for it.
    changes
        What a rectification corrects: see :func:`governance.rights.rectification.rectify`.

    Returns
    -------
    list of dict
        A signed receipt for each request.

    Raises
    ------
    UsageError
        If a request has ended, isn't verified or can't be fulfilled by Assent, the files can't be
        written there, or an erasure would leave another request unanswered; then nothing is done.
    KeyMissingError
        If what receipts are signed with is missing, or another: nothing is done then, either.
    """
    receipt.require_key()
    for_files = to is not None or public_key is not None or not encrypted
    if changes is not None and {request.type for request in requests} != {RECTIFICATION}:
        raise UsageError("only a rectification corrects anything", "leave out --changes")
    if all(request.type == ERASURE for request in requests):
        if for_files:
            raise UsageError("an erasure writes no file", f"leave out {FOR_FILES}")
        _require_nothing_left(requests, beside)
        return erase(requests, meanings.models)
    if len(requests) > 1:
        raise UsageError(
            "only erasures are fulfilled together", "fulfil the others one by one: each has files"
        )
    (request,) = requests
    if request.type == RECTIFICATION:
        if changes is None or for_files:
            raise UsageError(
                "a rectification needs what is right, and writes no file",
                f"say it in a JSON file: --changes FILE; leave out {FOR_FILES}",
            )
        return [rectify(policy, request, changes)]
    began = time.monotonic()
    with handover.handing_over(
        "rights.answer", type=request.type, request_id=request.number,
        subject_key=request.subject_key,
    ) as (act, hand_over):  # fmt: skip
        folder = _folder_for(request, to)
        key = handover.key_given(public_key) if encrypted else None
        answer = ANSWERS[request.type](policy, request, beside, meanings)
        files = {
            handover.target(folder / name, FORMATS, "an answer", encrypted=encrypted):
                handover.sealed(content, key)
            for name, content in answer.files.items()
        }  # fmt: skip
        for file in files.items():
            hand_over(*file)
        told = _receipt(request, answer, files, encrypted=encrypted, began=began)
        act |= {"files": told["files"], "rows": told["rows_found"], "encrypted": encrypted}
    # Killed before, the request stands, and can be fulfilled anew.
    note_step(request, "fulfilled", receipt=told, answer=told["answer_id"])
    return [told]


def _require_nothing_left(requests: Sequence[Request], beside: Sequence[Request]) -> None:
    """Refuse an erasure that leaves another request without an answer (GDPR Art. 12(3)).

    Once the subject is gone, nobody can answer what its data were asked for, nor tell what became
    of the second of two erasures.
    """
    these = {(request.customer_id, request.request_id, request.type) for request in requests}
    leaving = {request.customer_id for request in requests}
    for other in beside:
        if (
            other.customer_id in leaving and not other.ended
            and other.type in {*ANSWERS, ERASURE}
            and (other.customer_id, other.request_id, other.type) not in these
        ):  # fmt: skip
            raise UsageError(
                f"{other.request_id} of the same customer, which asks for {other.type}, is open:"
                " it would stay without an answer",
                "fulfil it first, or, of two erasures, `assent rights refuse` one as repeated",
                rule="request.open",
            )


def _folder_for(request: Request, to: Path | None) -> Path:
    """Return the folder for the answer to a request, if that can be given."""
    require_open(request)
    require_asked_for(request)
    if request.type not in ANSWERS:
        raise UsageError(
            f"Assent doesn't fulfil a request for {request.type} by itself",
            f"fulfil it, then `assent rights done {request.request_id} --how ...`",
        )
    require_verified(request)
    if to is None:
        raise UsageError(
            "the answer has to go to a folder", "name one outside of here: --to FOLDER"
        )
    return to


def _receipt(
    request: Request, answer: Answer, files: Mapping[Path, bytes], *, encrypted: bool, began: float
) -> dict[str, Any]:
    return receipt.signed({
        "request_id": request.number,
        "type": request.type,
        "answer_id": answer.answer_id,
        "answered_at": now().isoformat(),
        "encrypted": encrypted,
        "files": {
            path.name: hashlib.sha256(content).hexdigest() for path, content in files.items()
        },
        "rows_found": answer.rows,
        "seconds": round(time.monotonic() - began, 3),
    })  # fmt: skip
