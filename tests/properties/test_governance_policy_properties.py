"""Whatever stands in the file: a policy, or one error that its reader can mend.

And the hash: equal for what says the same, different for whatever says something else.
"""

import functools
import io
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import strategies as st
from pydantic import ValidationError
from ruamel.yaml import YAML

from governance.policy.derive import band_labels, dbt_vars, rules
from governance.policy.load import parse_policy, policy_hash
from governance.policy.model import Allowance, Policy
from governance.policy.problems import PolicyError
from tests.fixtures.governance_policy import SMALL
from tests.support.examples import tried

CHECKED = tried(40, suppress_health_check=[HealthCheck.too_slow])
POLICY = parse_policy(SMALL)
SAID = POLICY.model_dump(by_alias=True)

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.dates(), st.text(max_size=12),
    st.sampled_from(["consent", "raw", "banded", "gdpr", "email", "segmentation", "value"]),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def leaves(data, path=()):
    """Yield the path of every node below the root, containers included."""
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | tuple | list):
            yield from leaves(value, (*path, key))


PATHS = list(leaves(SAID))


def at(path):
    """Return what stands under a path."""
    return functools.reduce(lambda data, step: data[step], path, SAID)


def changed(path, value):
    """Return a copy of the data with another value under a path, or with a new key."""
    data = plain(SAID)
    block = functools.reduce(lambda inner, step: inner[step], path[:-1], data)
    block[path[-1]] = value
    return as_tuples(data)


def plain(data):
    """Return a deep copy that YAML can dump, with lists in place of tuples."""
    if isinstance(data, dict):
        return {key: plain(value) for key, value in data.items()}
    return [plain(item) for item in data] if isinstance(data, tuple | list) else data


def as_tuples(data):
    """Return a deep copy that the model takes, with tuples in place of lists."""
    if isinstance(data, dict):
        return {key: as_tuples(value) for key, value in data.items()}
    return tuple(map(as_tuples, data)) if isinstance(data, tuple | list) else data


def as_yaml(data) -> str:
    stream = io.StringIO()
    YAML(typ="safe", pure=True).dump(plain(data), stream)
    return stream.getvalue()


def judged(text: str) -> Policy | None:
    """Return the policy or None; anything but a PolicyError, or one that names no place, fails.

    Some tests below do no more than ask it: what it asserts is what they are about.
    """
    try:
        return parse_policy(text)
    except PolicyError as error:
        problems = error.problems
    lines = len(text.splitlines()) + 1
    assert all(1 <= p.line <= lines and p.column >= 1 and p.mend for p in problems)
    return None


@CHECKED
@given(st.sampled_from(PATHS), values)
def test_any_value_anywhere_is_taken_or_refused_by_name(path, value):
    policy = judged(as_yaml(changed(path, value)))
    if policy is not None:
        dbt_vars(policy)
        rules(policy)


@pytest.mark.slow
@pytest.mark.parametrize("value", [{}, []])
def test_a_mapping_or_a_list_anywhere_is_taken_or_refused_by_name(value):
    """Every place, as drawing them meets few of those that are looked up in something."""
    taken = [path for path in PATHS if judged(as_yaml(changed(path, value))) is not None]
    assert len(taken) < len(PATHS) / 2


@CHECKED
@given(
    st.sampled_from([p for p in [(), *PATHS] if isinstance(at(p), dict)]),
    st.text(min_size=1, max_size=12),
    values,
)
def test_any_unknown_key_anywhere_is_taken_or_refused_by_name(path, key, value):
    assume(key not in at(path))
    judged(as_yaml(changed((*path, key), value)))


@CHECKED
@given(st.text(max_size=60))
def test_any_text_is_taken_or_refused(text):
    assert judged(text) is None


@CHECKED
@given(
    st.integers(0, len(SMALL)), st.text(alphabet="\t{}[]:#'\"&*!|>%@-\n a1", min_size=1, max_size=4)
)
def test_any_slip_of_the_keyboard_is_taken_or_refused(position, slip):
    judged(SMALL[:position] + slip + SMALL[position:])


@CHECKED
@given(st.randoms(use_true_random=False), st.booleans())
def test_the_hash_ignores_layout_and_the_order_of_keys(random, flow):
    def shuffled(data):
        if isinstance(data, dict):
            keys = list(data)
            random.shuffle(keys)
            return {key: shuffled(data[key]) for key in keys}
        return [shuffled(item) for item in data] if isinstance(data, tuple) else data

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = flow
    yaml.sort_base_mapping_type_on_output = False
    stream = io.StringIO()
    yaml.dump(shuffled(SAID), stream)
    assert policy_hash(parse_policy("# a comment\n" + stream.getvalue())) == policy_hash(POLICY)


def others(value):
    """Return values that differ from a leaf, some of which the policy may hold."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [value + 1, value - 1, value * 0.99, value * 1.01]
    if isinstance(value, date):
        return [value + timedelta(days=1)]
    names = ["legal_obligation", "consent", "processor", "other", "EU", "JP", "UTC", "ccpa", "more"]
    return [name for name in [f"{value}x", *names] if name != value]


def test_the_hash_changes_with_every_value_that_can_change_alone():
    digest, changeable = policy_hash(POLICY), set()
    for path in (p for p in PATHS if not isinstance(at(p), dict | tuple)):
        for new in others(at(path)):
            try:
                policy = Policy.model_validate(changed(path, new))
            except ValidationError:
                continue
            changeable.add(path)
            assert policy_hash(policy) != digest, path
    # The rest are names that other blocks refer to, and flags that other keys depend on.
    assert len(changeable) >= 108
    assert {path[0] for path in changeable} == set(SAID) - {
        "version", "permission", "unknown_jurisdiction",
    }  # fmt: skip


cuts = st.lists(
    st.integers(-1000, 1000) | st.floats(-1e6, 1e6).map(lambda x: round(x, 2)),
    min_size=1,
    unique=True,
    max_size=6,
).map(sorted)


@CHECKED
@given(cuts)
def test_bands_are_apart_and_leave_no_hole(found):
    allowance = Allowance(form="banded", retention_days=1, bands=tuple(float(c) for c in found))
    assert len(set(band_labels(allowance))) == len(found) + 1
    path = ("purposes", "bias_monitoring", "attributes", "age_years", "bands")
    derived = dbt_vars(Policy.model_validate(changed(path, found)))["bands"]
    bands = derived["bias_monitoring"]["age_years"]
    assert bands[0]["at_least"] is None
    assert bands[-1]["below"] is None
    assert [b["below"] for b in bands[:-1]] == [b["at_least"] for b in bands[1:]] == found
