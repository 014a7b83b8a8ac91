"""Leaving out what a library loads unasked.

Belongs here: refusing such an import. Does not belong here: which commands do without (``main``).
"""

import sys
from collections.abc import Sequence
from dis import get_instructions, opmap
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType


class LeftOut(MetaPathFinder):
    """Lets a module be imported by statements of Python alone.

    DuckDB imports pandas at the first parameter, to tell whether that is a value of it, and pyarrow
    does at the first array; both do without. To their compiled code it isn't installed, then;
    whoever writes `import pandas` gets it.

    DuckDB asks again for every value: of very many, to refuse takes longer than to load it once.
    """

    def __init__(self, name: str, times: int = 2_000) -> None:
        self.name, self.times = name, times

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Refuse the module, so many times, unless a statement asks; leave others to who is next.

        Raises
        ------
        ModuleNotFoundError
            If compiled code asks for it.
        """
        if fullname == self.name and self.times and not _stated(fullname):
            self.times -= 1
            raise ModuleNotFoundError(f"{fullname} is left out", name=fullname)
        return None


def _stated(module: str) -> bool:
    """Tell whether the import under way is a statement that names a module, or what is within it.

    A statement may load compiled code, too, which asks for more while it is loaded.
    """
    frame: FrameType | None = sys._getframe(2)
    while frame and frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    if frame is None or frame.f_code.co_code[frame.f_lasti] != opmap["IMPORT_NAME"]:
        return False
    named = (i.argval for i in get_instructions(frame.f_code) if i.offset == frame.f_lasti)
    return bool(next(named).partition(".")[0] == module)
