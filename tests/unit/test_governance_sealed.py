"""What is sealed is read with the vault that sealed it, whole, and by no other."""

import pytest

from governance.sealed import seal, unsealed

CONTENT = b"mean: 837.06"


def test_what_is_sealed_comes_back(home):
    once, again = seal(CONTENT), seal(CONTENT)
    assert once != again
    assert CONTENT not in once
    assert (unsealed(once), unsealed(again)) == (CONTENT, CONTENT)


def test_what_was_altered_is_refused(home):
    stored = seal(CONTENT)
    for altered in (stored[:-1] + bytes([stored[-1] ^ 1]), stored[:8], b""):
        with pytest.raises(ValueError, match="isn't whole"):
            unsealed(altered)


def test_without_the_vault_nobody_reads_it(home):
    stored = seal(CONTENT)
    home.vault.unlink()
    with pytest.raises(ValueError, match="no vault"):
        unsealed(stored)
    other = seal(CONTENT)
    assert unsealed(other) == CONTENT
    with pytest.raises(ValueError, match="another vault"):
        unsealed(stored)
