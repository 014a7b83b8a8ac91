"""What the answers to requests have in common, whatever right is exercised.

Belongs here: what an answer consists of, what it opens with, and what only the rooms above know.
Does not belong here: what one right's answer tells (``access``, ``portability``, ``explanation``),
handing it over (``fulfil``).
"""

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from governance import evidence
from governance.policy.model import Policy
from governance.rights.holding import plain
from governance.rights.requests import Request
from governance.subject_consent import Account
from warehouse.clock import now


@dataclass(frozen=True)
class Meanings:
    """What only the rooms above can tell.

    Attributes
    ----------
    feeds
        The columns that each feed may deliver, with what they mean.
    provenance
        Where the company got each feed.
    tables
        What each table and its columns mean, by ``schema.table`` and column; of the table itself
        under the empty name.
    explain
        Returns why a customer is in its segment of a purpose: ``segment``, ``sentence`` and more.
        Takes the subject's account of consent, too, where it has just been asked for.
    models
        The models in force: ``purpose``, ``model`` (its name), ``fitted_as_of`` and, the latest day
        for which they are fitted anew, ``refit_by``; days as text.
    """

    feeds: Mapping[str, Mapping[str, str]]
    provenance: Mapping[str, str]
    tables: Mapping[str, Mapping[str, str]]
    explain: Callable[[str, str, Account | None], dict[str, Any]]
    models: Sequence[Mapping[str, str]] = ()


@dataclass(frozen=True)
class Answer:
    """Files by name, and how many rows of the subject they tell of by file and table."""

    answer_id: str
    files: Mapping[str, bytes]
    rows: Mapping[str, Mapping[str, int]]


def opening(policy: Policy, request: Request) -> dict[str, Any]:
    """Return what every answer opens with: who answers whom, when, on which request."""
    return {
        "answer_version": 1,
        "answer_id": secrets.token_hex(8),
        "made_at": now().astimezone(ZoneInfo(policy.time_zone)).isoformat(timespec="seconds"),
        "time_zone": policy.time_zone,
        "label": evidence.label(),
        "controller": policy.controller.model_dump(mode="json"),
        "customer_id": request.customer_id,
        "request": {
            "request_id": request.request_id,
            "right": request.type,
            "received_at": plain(request.received_at),
        },
    }


def as_json(content: Mapping[str, Any]) -> bytes:
    """Return plain values as the file that holds them."""
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
