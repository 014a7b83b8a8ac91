"""What all blocks of ``policy.yaml`` are made of.

Belongs here: the base of the models and the types of their values. Does not belong here: a block.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

# A name becomes part of table, column and file names.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Days = Annotated[int, Field(ge=1, le=36525)]
Share = Annotated[float, Field(ge=0, le=1)]
Period = Annotated[
    str, StringConstraints(pattern=r"^[1-9][0-9]{0,2} (months?|days?|business days?)$")
]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Calendar = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")]


class Part(BaseModel):
    """What all blocks have in common: no unknown keys, no conversions, no change afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
