"""Models behind a name: what may be said of them, where they run, what their cells depend on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import frontier.engines
import pretend
import shipped
from frontier.catalogue.checking import check
from frontier.catalogue.entries import Catalogue
from frontier.catalogue.models import Model
from frontier.catalogue.question import Config
from frontier.errors import UserError
from frontier.planning import cells
from frontier.planning.steps import Steps
from frontier.prices import cost
from frontier.results import layout

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TASK = {
    "dataset": "d", "sample": {"size": 1, "split": "validation"}, "prompt": "{sentence}",
    "max_new_tokens": 1, "scorer": {"kind": "classification", "labels": ["negative", "positive"]},
}  # fmt: skip


@pytest.fixture(autouse=True)
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The engine `pretend` next to the shipped ones."""
    pretend.install(tmp_path)
    paths = [*frontier.engines.__path__, str(tmp_path)]
    monkeypatch.setattr(frontier.engines, "__path__", paths)
    yield
    frontier.engines.ENGINES._loaded.pop("pretend", None)


def catalogue(**changes: Any) -> Catalogue:
    """A model behind a name, one with a checkpoint, an endpoint and a CPU."""
    sections: dict[str, Any] = {
        "models": {
            "named": {"served": "named-1", "prompt": "chat"},
            "other": {"served": "other-1", "endpoints": ["elsewhere"]},
            "own": {"hub": "owner/name", "revision": COMMIT},
        },
        "quantizations": {
            "native": {"method": "native"},
            "bf16": {"method": "native", "dtype": "bfloat16"},
            "int8": {"method": "quanto", "weights": "int8"},
        },
        "engines": {
            "transformers": {"kind": "transformers", "reads": ["hub"], "accelerators": ["cpu"]},
            "pretend": pretend.BLOCK,
            "elsewhere": {"like": "pretend"},
        },
        "devices": {"cpu": {"accelerator": "cpu"}, "endpoint": pretend.DEVICE},
        "datasets": {"d": {"loader": "sst2", "source": {"path": "data"}}},
        "tasks": {"t": TASK, "brief": TASK | {"system": "Be brief."}},
    }
    for place, value in changes.items():
        section, name = place.split("__")
        sections[section][name.replace("_", "-")] = value
    return shipped.catalogue(**sections)


def reason(found: Catalogue, variant: str, device: str, task: str = "t") -> str | None:
    """The reason why a cell is left out, if it is."""
    place = layout.asked(variant, device, task)
    return cells.cell(found, place, lambda *_: 64 * 10**9).reason


def test_a_model_behind_a_name_runs_at_endpoints_only() -> None:
    """Each of the others is unsupported, for a reason."""
    found = catalogue()
    assert reason(found, "named", "endpoint") is None
    assert reason(found, "named", "cpu") == "has no checkpoint: only endpoints serve it"
    assert "does not serve this model: its endpoints" in str(reason(found, "other", "endpoint"))
    assert "nothing can be quantized there" in str(reason(found, "named-int8", "endpoint"))
    assert "nothing can be quantized there" in str(reason(found, "named-bf16", "endpoint"))


def test_a_checkpoint_needs_a_name_at_an_endpoint() -> None:
    """The device gives it; nothing is guessed from its id."""
    assert "it needs a name there (serves:" in str(reason(catalogue(), "own", "endpoint"))
    device = pretend.DEVICE | {"serves": {"own": "owner/name", "other": "my-deployment"}}
    found = catalogue(devices__endpoint=device)
    assert reason(found, "own", "endpoint") is None
    assert reason(found, "other", "endpoint") is None
    assert reason(found, "own", "cpu") is None
    model = {"hub": "owner/name", "revision": COMMIT, "adapter": {"path": "a"}}
    with_adapter = catalogue(devices__endpoint=device, models__own=model)
    assert "no adapter" in str(reason(with_adapter, "own", "endpoint"))


def test_a_study_without_a_cell_says_why() -> None:
    """An example, for the reason is in neither of the two ids."""
    for model, device, words in (
        ("named", "cpu", "named on cpu: has no checkpoint: only endpoints serve it"),
        ("own", "endpoint", "own on endpoint: pretend does not serve this model: it needs a name"),
    ):
        keys = {"models": [model], "quantizations": ["native"], "devices": [device]}
        config = Config.model_validate({"study": keys | {"tasks": ["t"]}})
        with pytest.raises(
            UserError, match=r"study\.quantizations: 'native' has no cell.*; "
        ) as said:
            Steps(catalogue(), config, lambda *_: 64 * 10**9).check()
        assert words in str(said.value)


def test_a_cached_prompt_costs_no_more() -> None:
    """The sum set aside for a request counts its prompt at the ordinary price."""
    prices = {"input": 1, "cached_input": 2, "output": 1}
    with pytest.raises(UserError, match="cached_input: must not be above input"):
        check(Model, {"served": "n", "price_per_million_tokens": prices}, "models.x")


def test_a_system_message_needs_a_chat() -> None:
    """A plain prompt has no room for it, and it is not put somewhere else silently."""
    found = catalogue()
    assert reason(found, "named", "endpoint", "brief") is None
    needs = "a system message needs a model with prompt: chat"
    assert reason(found, "own", "cpu", "brief") == needs
    with pytest.raises(UserError, match=r"models\.x: system: only with prompt: chat"):
        check(Model, {"served": "n", "system": "Be brief."}, "models.x")


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"served": "n", "hub": "a/b", "revision": COMMIT}, "give exactly one of hub, path, grow"),
        ({"served": "n", "revision": COMMIT}, "hub and revision go together"),
        ({"served": "n", "dtype": "float16"}, "dtype: a model with `served` has no checkpoint"),
        ({"served": "n", "adapter": {"path": "a"}}, "adapter: a model with `served`"),
        ({"served": "n", "trust_remote_code": True}, "trust_remote_code: a model with"),
        ({"served": "n", "published": "gptq"}, "published: a model with"),
        ({"served": "n", "gated": True}, "gated: a model with"),
        ({"served": ""}, "served: String should have at least 1 character"),
        ({"served": "a\nb"}, "served: must be one line"),
        ({"path": "a", "shutdown": "2026-12-11"}, "shutdown: needs served"),
        ({"path": "a", "endpoints": ["openai"]}, "endpoints: needs served"),
        ({"served": "n", "shutdown": "soon"}, "shutdown: Input should be a valid date"),
        ({"serve": "n"}, "serve: unknown key .*did you mean 'served'"),
    ],
)
def test_keys_that_make_no_sense_are_refused(block: dict[str, Any], words: str) -> None:
    """One line names the key."""
    with pytest.raises(UserError, match=words) as refused:
        check(Model, block, "models.x")
    assert "\n" not in str(refused.value)


def test_sizes_and_prices_are_optional() -> None:
    """Nothing else has to be known of a name."""
    prices = {"input": 2.5, "output": 10}
    block = {"served": "n", "parameters": 10**9, "price_per_million_tokens": prices}
    model = check(Model, block | {"shutdown": "2026-12-11"}, "models.x")
    assert model.shutdown == date(2026, 12, 11)
    assert model.price_per_million_tokens
    assert cost(model.price_per_million_tokens, 1_000_000, 100_000) == 3.5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"devices__x": {"accelerator": "remote", "gpus": 1}}, "gpus: an endpoint's hardware"),
        ({"devices__x": {"accelerator": "remote", "memory_gb": 4}}, "memory_gb: an endpoint's"),
        ({"devices__x": {"accelerator": "cpu", "max_cost": 4}}, "max_cost: only of an endpoint"),
        ({"devices__x": pretend.DEVICE | {"serves": {"onw": "n"}}}, "serves: .*did you mean 'own'"),
        ({"devices__x": {"accelerator": "cpu", "prefix_cache": True}}, "runs no server"),
        ({"engines__x": pretend.BLOCK | {"accelerators": ["remote", "cpu"]}}, "remote stands alone"),
        (
            {"engines__x": pretend.BLOCK | {"kind": "transformers"}},
            "transformers runs here, it drives no endpoint",
        ),
        (
            {
                "engines__x": pretend.BLOCK
                | {"price_per_million_tokens": {"input": 1, "output": 1}},
                "devices__x": pretend.DEVICE | {"engine": "x", "price_per_hour": 2},
            },
            "price_per_hour: x has a price_per_million_tokens",
        ),
        ({"models__x": {"served": "n", "endpoints": ["pretent"]}}, "did you mean 'pretend'"),
        ({"models__x": {"served": "n", "endpoints": ["transformers"]}}, "is no endpoint"),
        (
            {"engines__transformers": {
                "kind": "transformers", "reads": ["hub"], "accelerators": ["cpu"],
                "price_per_million_tokens": {"input": 1, "output": 2},
            }},
            "hardware of your own costs by the hour",
        ),
    ],
)  # fmt: skip
def test_places_that_contradict_themselves(changes: dict[str, Any], words: str) -> None:
    """One line names the file and the key."""
    with pytest.raises(UserError, match=words) as refused:
        catalogue(**changes)
    assert str(refused.value).startswith("config/")
