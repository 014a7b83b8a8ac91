"""What an asset returns is stored nowhere: rows would lie in clear, where no erasure looks.

Belongs here: the place of Dagster's storage of values, which would pickle them. Does not belong
here: how rows are kept (``orchestration.door``).
"""

from typing import Any, NoReturn

import dagster as dg

from warehouse.errors import UsageError


class NoValues(dg.IOManager):
    """Refuses to store a value, or to load one."""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Pass over an asset that returns nothing.

        Raises
        ------
        UsageError
            If it returns anything, of which nothing has been stored.
        """
        if obj is not None:
            refuse_value(context.get_asset_identifier()[-1])

    def load_input(self, context: dg.InputContext) -> Any:
        """Refuse an asset that asks for another's value: none is stored."""
        raise UsageError(
            "an asset's value was asked for, and none is stored", "read a mart by the door"
        )


def refuse_value(asset: str) -> NoReturn:
    """Refuse what an asset returns beside metadata.

    Raises
    ------
    UsageError
        Always.
    """
    raise UsageError(
        f"{asset} returns a value, which would be stored in clear where no erasure looks",
        "keep rows by the door, and return dg.MaterializeResult(metadata=...) (docs/"
        'checks.md, "Adding a Python asset")',
    )
