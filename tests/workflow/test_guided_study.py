"""Guided decoding through the real Snakemake, in transformers and by llama.cpp's server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tiny
from workspace import Workspace

SCHEMA = {
    "type": "object",
    "properties": {"sum": {"type": "integer", "minimum": 10, "maximum": 99}},
    "required": ["sum"],
    "additionalProperties": False,
}
TECHNIQUES = {
    "json": {"kind": "guided", "json_schema": SCHEMA},
    "digits": {"kind": "guided", "regex": "[0-9]{2}"},
    "rules": {"kind": "guided", "grammar": 'root ::= "yes" | "no"\n'},
}


@pytest.fixture
def place(finished: Path, tmp_path: Path) -> Workspace:
    """The tiny study with guided decoding."""
    place = tiny.grown(finished, tmp_path)
    place.set("techniques", "techniques", TECHNIQUES)
    place.set("tasks", "tasks/sums/max_new_tokens", 24)
    return place


def built(place: Workspace, *variants: str, device: str = "cpu") -> list[dict[str, Any]]:
    """These variants' cells of the sums."""
    names = [f"results/{variant}/{device}/sums.json" for variant in variants]
    place.build(*names)
    return [json.loads(place.path(name).read_bytes()) for name in names]


def answers(place: Workspace, variant: str, device: str = "cpu") -> list[str]:
    """The texts of a variant."""
    (path,) = place.path(f"results/{variant}/{device}/sums").glob("*/requests.jsonl")
    return [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_all_answers_fit(place: Workspace) -> None:
    """A model that has learned nothing answers in JSON, or in two digits, as it must."""
    alone, as_json, digits = built(place, "tiny-llama", "tiny-llama+json", "tiny-llama+digits")
    assert alone["figures"]["valid_answers"] is None
    for cell in (as_json, digits):
        assert cell["outcome"] in ("measured", "invalid"), cell["reason"]
        assert cell["figures"]["valid_answers"]["value"] == 1.0
    assert all(10 <= json.loads(text)["sum"] <= 99 for text in answers(place, "tiny-llama+json"))
    found = answers(place, "tiny-llama+digits")
    assert all(re.fullmatch(" ?[0-9]{2}", text) for text in found)  # a space may come first


def test_a_server_is_asked_in_its_own_way_and_believed_by_its_answers(
    place: Workspace, environment: Callable[[str], Path]
) -> None:
    """llama.cpp's server obeys its own fields; those that it does not know change nothing there."""
    environment("llama_server")
    place.share_environments()
    device = {"accelerator": "cpu", "engine": "llama-server-cpu", "threads": 1, **tiny.BUSY}
    place.set("devices", "devices/served", device)
    place.set("models", "models/tiny-llama/grow/hidden", 64)
    variants = [f"tiny-llama+{one}" for one in ("json", "rules", "digits")]
    as_json, rules, digits = built(place, *variants, device="served")
    for cell in (as_json, rules):  # on a busy machine times may be withheld, never answers
        assert cell["outcome"] in ("measured", "invalid"), cell["reason"]
        assert cell["figures"]["valid_answers"]["value"] == 1.0
    assert all(
        10 <= json.loads(text)["sum"] <= 99 for text in answers(place, variants[0], "served")
    )
    assert {*answers(place, variants[1], "served")} <= {"yes", "no"}
    assert (digits["outcome"], digits["reason"]) == (
        "unsupported", "llama-server-cpu has no guided with these keys",
    )  # fmt: skip
    unknown = [{"technique": {"kind": "guided"}, "fields": {"only_digits": "{regex}"}}]
    place.set("engines", "engines/llama-server/techniques", unknown)
    (digits,) = built(place, variants[2], device="served")
    assert digits["outcome"] == "unsupported"
    assert "guided had no effect" in digits["reason"]
