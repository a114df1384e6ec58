"""Each quantizer and each conversion, found by its place, is what the plan and the jobs take it for."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import frontier.conversions
import frontier.quantizers
import shipped
from conftest import ROOT
from frontier.blocks import Block
from frontier.catalogue.configuration import read_catalogue
from frontier.conversions import CONVERSIONS, Conversion, plain_formats
from frontier.errors import UserError
from frontier.fetching import environments
from frontier.planning.placement import engine_facts
from frontier.quantizers import (
    BYTES,
    HUB,
    QUANTIZERS,
    Prepared,
    Sizes,
    Target,
    WhileLoading,
    block_of,
    formats,
    published_loaders,
    quantizer_of,
)

CATALOGUE = read_catalogue(ROOT / "config")
SIZES = Sizes(1_000_000, 100_000, tied=False, hidden=256)


def keys_of(conversion: str) -> set[str]:
    """The options that a conversion takes, read from its file: its tool may not be here."""
    path = Path(inspect.getfile(frontier.conversions)).with_name(f"{conversion}.py")
    classes = [one for one in ast.parse(path.read_text()).body if isinstance(one, ast.ClassDef)]
    (own,) = [one for one in classes if not one.name.startswith("_")]
    keys = {
        part.target.id
        for part in own.body
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
    }
    try:
        kind: type[Conversion] = CONVERSIONS.load(conversion)
    except UserError as error:
        if not isinstance(error.__cause__, ImportError):
            raise
        return keys
    assert keys <= kind.model_fields.keys()
    return {*kind.model_fields}


def routes() -> Iterator[tuple[str, str]]:
    """Each shipped quantization with each engine that can load what it makes."""
    for name, quantizer in CATALOGUE.quantizations.items():
        for id, engine in CATALOGUE.engines.items():
            built = quantizer.makes(engine_facts(engine))
            own = engine.quantizes_by(block_of(quantizer))
            if own if built is None else built in engine.reads:
                yield name, id


def unsupported(name: str, engine: str) -> str | None:
    """The reason why a Llama cannot run this way."""
    facts = engine_facts(CATALOGUE.engines[engine])
    target = Target("llama", CATALOGUE.engines[engine].accelerators[0], facts, hidden=256)
    return CATALOGUE.quantizations[name].unsupported(target)


@pytest.mark.parametrize("name", QUANTIZERS.names())
def test_each_fits_and_is_explained(name: str) -> None:
    """Its keys have words for config/README.md, and a shipped block shows them."""
    kind = QUANTIZERS.load(name)
    assert issubclass(kind, WhileLoading | Prepared) or name == "native"
    assert (sys.modules[kind.__module__].__doc__ or "").strip()
    for key, field in kind.model_fields.items():
        assert field.description, f"{name}.{key} has no words"
    own = [one for one in CATALOGUE.quantizations.values() if one.method == name]
    assert own, f"no block of config/quantizations.yaml has method: {name}"
    for quantizer in own:
        assert type(quantizer) is kind
        again = quantizer_of(block_of(quantizer))
        assert again == quantizer.model_copy(update={"label": None})
        assert "label" not in block_of(quantizer)


@pytest.mark.parametrize(("name", "engine"), routes())
def test_each_route_can_be_planned(name: str, engine: str) -> None:
    """A dtype that the engine has, a size, and a job that there is where one is needed."""
    quantizer, facts = CATALOGUE.quantizations[name], engine_facts(CATALOGUE.engines[engine])
    for native in BYTES:
        dtype = quantizer.compute_dtype(native, facts)
        assert dtype in facts.dtypes
        assert 0 < quantizer.stored_bytes(SIZES, dtype, facts) <= 5 * SIZES.parameters
        job = quantizer.preparation(facts, native)
        if job is None:
            assert quantizer.makes(facts) in (None, HUB)
            continue
        assert job.conversion in CONVERSIONS.names()
        assert not isinstance(quantizer, Prepared) or job.conversion == quantizer.CONVERSION
        assert job.options.keys() <= keys_of(job.conversion)
        assert job.environment is None or job.environment in environments.names()
        assert job.calibration == quantizer.calibrated_with


@pytest.mark.parametrize("name", CATALOGUE.quantizations)
def test_each_runs_somewhere(name: str) -> None:
    """Some engine has an accelerator that runs it."""
    assert None in [unsupported(one, engine) for one, engine in routes() if one == name]


def test_each_conversion_is_some_quantizers() -> None:
    """One that no route leads to would never run."""
    jobs = [
        CATALOGUE.quantizations[name].preparation(
            engine_facts(CATALOGUE.engines[engine]), "float32"
        )
        for name, engine in routes()
    ]
    assert {job.conversion for job in jobs if job} == set(CONVERSIONS.names())


def test_formats_meet() -> None:
    """Every format in engines.yaml is written or published by something, and the reverse."""
    read = {format for engine in CATALOGUE.engines.values() for format in engine.reads}
    assert read == formats()
    assert {*published_loaders()} <= read


def test_no_two_quantizers_load_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The choice between two would depend on the files' order."""
    monkeypatch.setattr(QUANTIZERS.load("quanto"), "PUBLISHED", ("gptq",))
    with pytest.raises(UserError, match="gptq and quanto load what is published as gptq"):
        published_loaders()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class Halves: pass", r"has no class that derives from Quantizer \(there are: Halves\)"),
        (
            "from frontier.quantizers import WhileLoading\nclass Halves(WhileLoading): pass",
            r"class Halves lacks load_model\(\); lacks quantized_layers\(\); lacks stored_bytes\(\)",
        ),
        ("import no_such_tool", r"cannot be imported \(line 1\): ModuleNotFoundError"),
    ],
)
def test_a_file_that_does_not_fit_is_named(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The catalogue that needs it reports it in one line; other methods still work."""
    (tmp_path / "quantizers").mkdir()
    (tmp_path / "quantizers/halves.py").write_text(text, encoding="utf-8")
    folders = [*frontier.quantizers.__path__, str(tmp_path / "quantizers")]
    monkeypatch.setattr(frontier.quantizers, "__path__", folders)
    blocks = {"native": {"method": "native"}, "half": {"method": "halves"}}
    try:
        with pytest.raises(UserError, match=message) as caught:
            shipped.catalogue(quantizations=blocks)
        others = shipped.catalogue(quantizations={"native": {"method": "native"}})
    finally:
        sys.modules.pop("frontier.quantizers.halves", None)
    assert str(caught.value).startswith("frontier/quantizers/halves.py: ")
    assert "\n" not in str(caught.value)
    assert others.quantizations


JOBS = {
    kind.CONVERSION
    for kind in QUANTIZERS.all().values()
    if issubclass(kind, Prepared) and kind.CONVERSION not in formats()
}
"""The conversions that are named after a tool or a method, not after a format."""


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [("guff", " (did you mean 'gguf'?)"), *((job, "") for job in sorted(JOBS))],
)
def test_an_unknown_format_is_refused(wrong: str, hint: str) -> None:
    """A wrong one would leave out every cell of the engine, with a reason that misleads."""
    engines = yaml.safe_load((ROOT / "config/engines.yaml").read_text())["engines"]
    engines["transformers"]["reads"] = ["hub", wrong]
    with pytest.raises(UserError) as caught:
        shipped.catalogue(engines=engines)
    assert str(caught.value).startswith("config/engines.yaml: engines.transformers.reads: ")
    assert f"unknown id {wrong!r}{hint}" in str(caught.value)


def test_plain_formats_are_those_that_native_writes() -> None:
    """A conversion of the format's name has a key `dtype`; the others are jobs of a method."""
    assert {"rounding", "codebook", "gptqmodel", "llmcompressor"} <= JOBS
    for name in CONVERSIONS.names():
        assert (name in plain_formats()) is (name not in JOBS)
        assert name in JOBS or "dtype" in keys_of(name)
    assert HUB in plain_formats()


def test_blocks_are_never_changed() -> None:
    """The catalogue's object is handed to many."""
    assert all(issubclass(kind, Block) for kind in QUANTIZERS.all().values())
    with pytest.raises(Exception, match="frozen"):
        CATALOGUE.quantizations["native"].label = "x"
