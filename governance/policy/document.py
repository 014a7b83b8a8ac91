"""The pages about the policy: ``docs/policy.md`` and ``docs/policy.schema.json``.

Belongs here: generating both from the model, the checks and the kinds of rules. Does not belong
here: what they say about a key (``model``), a check (``checks``) or a rule (``rules``).

Regenerate both with ``python -m governance.policy.document``.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from governance.policy.checks import CHECKS
from governance.policy.rules import KINDS
from governance.policy.schema import Node, branches, json_schema, type_words
from governance.policy.words import DELICACY, AttributeClass
from warehouse.home import PROJECT

__all__ = ["json_schema", "pages", "policy_markdown", "write"]

PAGE = Path("docs/policy.md")
SCHEMA = Path("docs/policy.schema.json")

INTRODUCTION = """# The policy

<!-- Generated from the model: change governance/policy/, then run
     `python -m governance.policy.document`. -->

`policy.yaml` is the only place where a rule is written: what may be known about people, for which
purpose, on which legal basis, in which form, for how long, and who may receive it. What the dbt
models may read, what the checks demand and what `assent status` lists are derived from it. The
privacy officer edits it; nobody else has to.

The file is read before anything runs. What is wrong with it is reported together, each fault with
line, column, key and remedy (what depends on other keys, once those are right), and nothing is
processed until it is mended. Everything that isn't allowed is forbidden: what the policy forbids is
a *violation*, what it doesn't mention is a *gap*, and both stop a run. Unknown keys are errors, so
that a misspelt rule is never a rule lost.

`ASSENT_POLICY` names another file than the shipped one. `examples/opt_out_policy.yaml` shows a
policy under which Californians are processed until they opt out. An editor that knows JSON Schema
checks the file while it is written: point it at `docs/policy.schema.json`.

The policy's hash, which every run records, covers what the policy says: comments, layout and the
order of keys don't change it, everything else does.
"""

CLASSES: dict[AttributeClass, str] = {
    "direct_identifier": "Names a person. Stays in the vault; no purpose may use it",
    "special_category": "Health, religion, origin, sex life and the like (GDPR Art. 9): sensitive "
    "purposes only, by explicit consent",
    "protected": "Age, family, income and the like, by which people must not be disadvantaged: "
    "`bias_monitoring` only",
    "pseudonym": "A number that stands for a person or an event; never in raw form",
    "quasi_identifier": "Points at a person when combined with others",
    "behaviour": "What a person did; some of its values may reveal a special category",
    "other": "Says little about a person",
}

BASES = """## Bases

| basis | who is processed |
|---|---|
| `consent` | who has consented, to a notice that still counts, not longer ago than \
`consent_valid_days`, and hasn't taken it back |
| `legitimate_interest` | everybody who hasn't objected; the interest has to be named |
| `opt_out` | everybody who hasn't opted out; not under the regime `gdpr` |
| `contract`, `legal_obligation` | everybody, but for denials |

Any denial (a withdrawal, an objection, an opt-out) denies under every basis. A subject known to be
below the age of consent (`ages_of_consent` of the place, else `age_of_consent`) is processed only
while a parent's consent stands (GDPR Art. 8(1), Cal. Civ. Code 1798.120(c)), and one below
`opt_in_below` only on consent, whatever the basis.
"""

OVERRIDES = """A broken rule that blocks lets nothing be published, unless an override is recorded
under `overrides`: the rule's id, the reason, who approved it, and the last day on which it counts.
The rule is still shown as broken. What the law forbids can't be overridden.
"""


def policy_markdown() -> str:
    """Return the page that explains every key of the policy, in Markdown."""
    return "\n".join([INTRODUCTION, *_blocks(), BASES, _classes(), _checks(), _rules()])


def pages() -> dict[Path, str]:
    """Return the generated pages by their path within the project."""
    schema = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    return {PAGE: policy_markdown(), SCHEMA: schema}


def write(root: Path = PROJECT) -> None:
    """Write the generated pages below a folder, by default the project."""
    for path, text in pages().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


def _blocks() -> Iterator[str]:
    yield "## Keys\n"
    for place, block in _walk("", json_schema()):
        yield f"### {f'`{place}`' if place else 'The file'}\n"
        yield f"{block['description']}\n"
        yield _table(
            ("key", "meaning", "type", "default"),
            [
                (f"`{key}`", node.get("description", ""), type_words(node), _default(block, key))
                for key, node in block["properties"].items()
            ],
        )


def _walk(place: str, block: Node) -> Iterator[tuple[str, Node]]:
    """Yield every block with its place, each after the block that holds it."""
    yield place, block
    for key, node in block["properties"].items():
        inner = f"{place}.{key}" if place else key
        for suffix, child in _children({k: v for k, v in node.items() if k != "description"}):
            yield from _walk(inner + suffix, child)


def _children(node: Node) -> Iterator[tuple[str, Node]]:
    for part in branches(node):
        if "properties" in part:
            yield "", part
        for entry in part.get("patternProperties", {}).values():
            yield from ((".<name>" + suffix, child) for suffix, child in _children(entry))
        if isinstance(part.get("items"), dict):
            yield from (("[]" + suffix, child) for suffix, child in _children(part["items"]))


def _default(block: Node, key: str) -> str:
    if key in block.get("required", []):
        return "required"
    default = block["properties"][key].get("default")
    if isinstance(default, dict):
        default = {name: value for name, value in default.items() if value}
    return json.dumps(default) if default or default is False else "none"


def _classes() -> str:
    rows = [(f"`{name}`", CLASSES[name]) for name in DELICACY]
    return (
        "## Classes\n\nFrom the most delicate to the least; a column that is made from several "
        "attributes takes the most delicate\nclass among them.\n\n"
        + _table(("class", "meaning"), rows)
    )


def _checks() -> str:
    lines = "\n".join(f"- {check.holds}" for check in CHECKS)
    return f"## What has to hold between the blocks\n\n{lines}\n"


def _rules() -> str:
    rows = [
        (
            ", ".join(f"`{form}`" for form in kind.ids.split(", ")),
            kind.holds,
            kind.why,
            "blocks" if kind.blocks else "warns",
            "yes" if kind.overridable else "no",
        )
        for kind in KINDS.values()
    ]
    head = ("rule", "what has to hold", "why", "if broken", "can be overridden")
    return (
        "## The rules that follow\n\n`assent status` lists each of them with its verdict.\n\n"
        + _table(head, rows)
        + "\n"
        + OVERRIDES
    )


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    cells = (" | ".join(cell.replace("|", "\\|") for cell in line) for line in lines)
    return "\n".join(f"| {line} |" for line in cells) + "\n"


if __name__ == "__main__":
    write()
