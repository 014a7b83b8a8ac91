"""What is sealed is read with the vault that sealed it, whole, and by no other."""

import pytest

from governance.sealed import seal, unsealed

CONTENT, HERE = b"mean: 837.06", "segmentation/a/model"


def test_what_is_sealed_comes_back(home):
    once, again = seal(CONTENT, HERE), seal(CONTENT, HERE)
    assert once != again
    assert CONTENT not in once
    assert (unsealed(once, HERE), unsealed(again, HERE)) == (CONTENT, CONTENT)


def test_what_was_altered_is_refused(home):
    stored = seal(CONTENT, HERE)
    for altered in (stored[:-1] + bytes([stored[-1] ^ 1]), stored[:8], b""):
        with pytest.raises(ValueError, match="isn't whole"):
            unsealed(altered, HERE)


def test_what_was_sealed_for_another_place_is_refused(home):
    stored = seal(CONTENT, HERE)
    for elsewhere in (HERE.replace("a", "b"), ""):
        with pytest.raises(ValueError, match="for another file"):
            unsealed(stored, elsewhere)


def test_without_the_vault_nobody_reads_it(home):
    stored = seal(CONTENT, HERE)
    home.vault.unlink()
    with pytest.raises(ValueError, match="no vault"):
        unsealed(stored, HERE)
    other = seal(CONTENT, HERE)
    assert unsealed(other, HERE) == CONTENT
    with pytest.raises(ValueError, match="another vault"):
        unsealed(stored, HERE)
