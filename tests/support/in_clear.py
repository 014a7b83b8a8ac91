"""An installation whose files are in clear, so that their bytes can be read or packed small.

Belongs here: that, and the override without which it publishes nothing. Does not belong here: what
is looked for in the files.
"""

from dataclasses import dataclass

from tests.support.installation import Installation

OVERRIDE = ("overrides: []", """overrides:
  - {rule: encryption.files, reason: a test, approved_by: the tests, until: 2030-01-01}
""")  # fmt: skip


@dataclass(frozen=True)
class InClear(Installation):
    """An installation whose files are in clear."""

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"ASSENT_IN_CLEAR": "1"}
