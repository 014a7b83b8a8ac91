"""A key is found in a text however it is written there; what only looks like one isn't minded."""

from base64 import b64encode
from uuid import uuid4

import duckdb
import pytest

from governance.unkeyed import require_unkeyed
from warehouse.errors import RuleBrokenError

KEY = uuid4()
SVG = f"<svg><text>of {KEY}</text></svg>"


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as made:
        made.execute("create schema landing")
        made.execute("create table landing.purpose_keys (subject_key uuid, purpose_key uuid)")
        made.execute("insert into landing.purpose_keys values (?, ?)", [uuid4(), KEY])
        yield made


FORMS = {
    "in clear": f"of {KEY}",
    "behind letters": f"of{KEY.hex}",
    "in capitals": f"of {KEY}".upper(),
    "in a picture": f"<img src='data:image/svg+xml;base64,{encoded(SVG)}'>",
    "of a style": f"url(data:image/svg+xml;BASE64, {encoded(SVG)})",
    "over two lines": f"data:x;base64,{encoded(SVG)[:40]}\n{encoded(SVG)[40:]}\n",
    "to the end": f"data:x;base64,{encoded(str(KEY))}",
    "not filled up": f"data:x;base64,{encoded(f'x{KEY}').rstrip('=')}",
    "nor twice": f"data:x;base64,{encoded(f'xx{KEY}').rstrip('=')}",
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_a_key_is_refused(connection, text):
    with pytest.raises(RuleBrokenError, match="the key of a subject") as refused:
        require_unkeyed(connection, "the asset a", text)
    assert str(KEY) not in str(refused.value)


@pytest.mark.parametrize("end", ["", "A", "A===", "AAAAA===", "AAAAA", "ab=====", " words follow"])
def test_what_holds_none_is_kept_however_it_ends_and_hides_no_key_beside_it(connection, end):
    none = f"{uuid4()} data:x;base64,{end}"
    require_unkeyed(connection, "the asset a", none)
    with pytest.raises(RuleBrokenError, match="the key of a subject"):
        require_unkeyed(connection, "the asset a", f"{KEY} {none}")
