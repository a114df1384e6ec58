"""The differences between two recorded identities, and no others."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from frontier.explaining.differences import (
    ABSENT,
    Command,
    Input,
    Key,
    Module,
    Package,
    differences,
    leaves,
    weight,
)
from frontier.identity import canonical

NAMES = st.sampled_from("abcd")
SCALARS = st.none() | st.booleans() | st.integers(0, 2) | st.floats(0, 2) | st.text(max_size=3)
VALUES = st.recursive(
    SCALARS, lambda part: st.lists(part, max_size=3) | st.dictionaries(NAMES, part), max_leaves=6
)
SPECS = st.dictionaries(NAMES, VALUES)
TEXTS = st.dictionaries(NAMES, st.sampled_from(["1", "2", "3"]))


def record(inputs: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Records of one rule over these inputs, some of which are records themselves."""

    def built(parts: tuple[Any, ...]) -> dict[str, Any]:
        spec, read, command, code, packages = parts
        steps = {name: one for name, one in read.items() if isinstance(one, dict)}
        depends_on = {
            "spec": spec,
            "inputs": {name: one["digest"] if name in steps else one for name, one in read.items()},
            "command": command, "code": code, "packages": packages,
        }  # fmt: skip
        counted = depends_on | {"code": sorted(set(code.values()))}
        return {"rule": "r", "digest": canonical(counted), **depends_on, "upstream": steps}

    return st.tuples(SPECS, inputs, st.sampled_from(["run", "go"]), TEXTS, TEXTS).map(built)


LEAF = record(st.dictionaries(NAMES, st.none() | st.text(max_size=2)))
RECORDS = record(st.dictionaries(NAMES, st.none() | st.text(max_size=2) | LEAF))


@given(RECORDS, RECORDS)
def test_something_differs_where_the_digests_do(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Equal digests mean no difference; swapped sides give swapped differences."""
    found = differences(old, new)
    assert (found == ()) is (old["digest"] == new["digest"])
    assert weight(found) == weight(differences(new, old))
    assert weight(found) > (0, 0) or not found
    json.dumps([one.as_json() for one in found], allow_nan=False)


@given(SPECS, SPECS)
def test_keys_lead_from_the_old_to_the_new(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Each names a value that is in either as it says: put in, they make the one of the other."""
    changed = deepcopy(old)
    for key in differences({"spec": old}, {"spec": new}):
        assert isinstance(key, Key)
        *parents, last = key.path
        block: Any = changed
        for name in parents:
            block = block[int(name) if isinstance(block, list) else name]
        if isinstance(block, list):
            assert block[int(last)] is not ABSENT
            block[int(last)] = key.new
        elif key.new is ABSENT:
            assert canonical(block.pop(last)) == canonical(key.old)
        else:
            block[last] = key.new
    assert canonical(changed) == canonical(new)


@given(TEXTS, st.permutations("abcd"))
def test_a_module_of_another_name_is_the_same(code: dict[str, str], names: list[str]) -> None:
    """Only what is in it counts."""
    moved = {names["abcd".index(name)]: digest for name, digest in code.items()}
    assert differences({"code": code}, {"code": moved}) == ()


@given(VALUES, VALUES)
def test_records_of_anybody(old: Any, new: Any) -> None:
    """Records are compared whatever they contain."""
    for part in ("spec", "inputs", "command", "code", "packages", "upstream", "rule"):
        differences({part: old}, {part: new})
    differences(old, new)


def test_each_kind() -> None:
    """One of each, in the order of what was asked, what was read, and by what code."""
    old = {
        "rule": "measure", "spec": {"task": {"stop": None, "limit": 1}}, "command": "a",
        "inputs": {"sample": "1", "adapter": None, "environment": "8"},
        "code": {"x": "1", "y": "2", "gone": "3"}, "packages": {"torch": "2.1", "old": "1"},
        "upstream": {
            "sample": {"rule": "sample", "spec": {"size": 8}, "inputs": {"dataset": "5"}},
            "environment": {"rule": "environment", "spec": {"name": "e", "python": "3.11", "pins": ["a==1", "b==1"]}},
        },
    }  # fmt: skip
    new = {
        "rule": "measure", "spec": {"task": {"limit": 1.0}}, "command": "b",
        "inputs": {"sample": "2", "adapter": "7", "environment": "9"},
        "code": {"x": "4", "z": "2", "come": "5"}, "packages": {"torch": "2.2", "new": "1"},
        "upstream": {
            "sample": {"rule": "sample", "spec": {"size": 12}, "inputs": {"dataset": "6"}},
            "environment": {"rule": "environment", "spec": {"name": "e", "python": "3.11", "pins": ["a==1", "b==2 --build"]}},
        },
    }  # fmt: skip
    found = differences(old, new)
    assert found == (
        Key(("task", "limit"), 1, 1.0),
        Key(("task", "stop"), None, ABSENT),
        Input("adapter", None, "7"),
        Input("environment", "8", "9", (Package("b", "1", "2 --build"),), "environment"),
        Input("sample", "1", "2", (Key(("size",), 8, 12), Input("dataset", "5", "6")), "sample"),
        Command("measure", "a", "b"),
        Module("come", "added"),
        Module("gone", "removed"),
        Module("x", "changed"),
        Package("new", ABSENT, "1"),
        Package("old", "1", ABSENT),
        Package("torch", "2.1", "2.2"),
    )
    assert weight(found) == (5, 8)
    assert [type(one) for _, one in leaves(found[4:5])] == [Key, Input]
    assert found[1].as_json() == {"kind": "key", "key": "task.stop", "old": None}
    assert found[4].as_json()["differences"][0] == {
        "kind": "key",
        "key": "size",
        "old": 8,
        "new": 12,
    }


def test_another_kind_of_job() -> None:
    """A model that was fetched and is grown: nothing else is said."""
    old = {"rule": "fetch_model", "spec": {"hub": "x"}, "code": {"a": "1"}}
    new = {"rule": "grow_model", "spec": {"seed": 1}, "code": {"b": "2"}}
    assert differences(old, new) == (Key(("rule",), "fetch_model", "grow_model"),)


def test_a_function_that_lies_in_another_module() -> None:
    """Two modules have other digests, and nothing that counts differs."""
    old = {"definitions": "1", "code": {"a": "2", "b": "3"}}
    assert differences(old, {"definitions": "1", "code": {"a": "4", "b": "5"}}) == ()
    new = {"definitions": "6", "code": {"a": "4", "b": "3"}}
    assert differences(old, new) == (Module("a", "changed"),)
    assert len(differences(old, {**old, "definitions": "6"})) == 1
