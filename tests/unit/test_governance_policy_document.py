"""The generated pages: current, complete, and the schema agrees with the model."""

from datetime import date

import jsonschema
import pytest

from governance.policy import model
from governance.policy.checks import CHECKS
from governance.policy.document import CLASSES, json_schema, pages, policy_markdown, write
from governance.policy.load import load_policy
from governance.policy.rules import KINDS
from governance.policy.words import DELICACY
from tests.fixtures.governance_policy import FILE
from warehouse.home import PROJECT

PARTS = [
    part
    for part in vars(model).values()
    if isinstance(part, type) and issubclass(part, model.Part) and part is not model.Part
]


@pytest.mark.parametrize("path", pages(), ids=str)
def test_pages_are_current(path):
    """If this fails: `python -m governance.policy.document`."""
    assert (PROJECT / path).read_text(encoding="utf-8") == pages()[path]


def test_writing_makes_the_pages_and_their_folder(tmp_path):
    write(tmp_path)
    written = {p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file()}
    assert written == set(pages())


def test_every_key_is_described_and_on_the_page():
    page = policy_markdown()
    for part in PARTS:
        assert part.__doc__.splitlines()[0] in page
        for name, field in part.model_fields.items():
            assert field.description, f"{part.__name__}.{name}"
            assert f"| `{field.alias or name}` | {field.description} |" in page


def test_every_class_check_and_rule_is_on_the_page():
    page = policy_markdown()
    assert list(CLASSES) == list(DELICACY)
    for said in [*CLASSES.values(), *(c.holds for c in CHECKS), *(k.holds for k in KINDS.values())]:
        assert said in page


def as_json(file) -> dict:
    return load_policy(file).model_dump(mode="json", by_alias=True, exclude_none=True)


@pytest.mark.parametrize(
    "file", [PROJECT / "policy.yaml", PROJECT / "examples/opt_out_policy.yaml", FILE], ids=str
)
def test_the_schema_takes_what_the_model_takes(file):
    jsonschema.Draft202012Validator.check_schema(json_schema())
    jsonschema.validate(as_json(file), json_schema())


@pytest.mark.parametrize(
    "poison",
    [
        {"unknown": 1},
        {"version": 2},
        {"time_zone": 3},
        {"segmentation": {"segments": [3], "refit_days": 28}},
        {"segmentation": {"segments": [3, 8], "refit_days": 0}},
        {"overrides": [{"rule": "x", "reason": "y", "until": str(date(2027, 1, 1))}]},
        {"controller": {"name": "x", "contact": "y", "country": "usa"}},
    ],
)
def test_the_schema_refuses_what_the_model_refuses(poison):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**as_json(FILE), **poison}, json_schema())
    with pytest.raises(ValueError, match="validation error"):
        model.Policy.model_validate({**load_policy(FILE).model_dump(by_alias=True), **poison})
