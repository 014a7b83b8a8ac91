"""Receipts: what was done for a request, signed, without an identifier.

Belongs here: their shape, signing and checking one. Does not belong here: doing what they attest.

Signed with Ed25519 (RFC 8032) by a key of the installation, over the JSON with sorted keys.
"""

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

from warehouse import keys

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY = "receipts"


def signed(content: dict[str, Any]) -> dict[str, Any]:
    """Return a receipt with its signature and the public key that it is checked with."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = _key()
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    whole = {**content, "public_key": _text(public)}
    return {**whole, "signature": _text(key.sign(_bytes(whole)))}


def holds(receipt: dict[str, Any]) -> bool:
    """Tell whether a receipt is as it was signed, by the key that this installation has."""
    from cryptography.exceptions import InvalidSignature

    content = {name: value for name, value in receipt.items() if name != "signature"}
    try:
        _key().public_key().verify(base64.b64decode(receipt["signature"]), _bytes(content))
    except (InvalidSignature, KeyError, ValueError):
        return False
    return True


def _key() -> "Ed25519PrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    seed = hashlib.sha256(keys.get(KEY).encode()).digest()
    return Ed25519PrivateKey.from_private_bytes(seed)


def _bytes(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, ensure_ascii=False, default=str).encode()


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
