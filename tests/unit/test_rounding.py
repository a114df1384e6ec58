"""The simulated quantizers: exact on numbers, and on checkpoints of several families."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError
from safetensors.torch import load_file
from sklearn.cluster import KMeans

from frontier.conversions import CONVERSIONS, codebook, rounding
from frontier.conversions.common.simulating import by_group
from frontier.conversions.rounding import Rounding
from frontier.engines import Settings
from frontier.engines.loaded import transformers as engine
from frontier.errors import UnsupportedError, UserError
from frontier.quantizers import Quantizer
from quantizing import TRANSFORMERS, quantizer
from stories import stories260k


def groups(least: float = 0.0) -> st.SearchStrategy[torch.Tensor]:
    """Weights of some groups, [groups, weights], each group with a weight of at least `least`."""
    numbers = st.floats(-4, 4, width=32).filter(lambda x: abs(x) >= 1e-4 or x == 0)
    built = st.tuples(st.integers(1, 5), st.integers(1, 40)).flatmap(
        lambda shape: arrays(np.float32, shape, elements=numbers)
    )
    return built.filter(lambda x: bool((abs(x).max(axis=1) >= least).all())).map(torch.from_numpy)


WIDTHS = st.integers(2, 8)


@given(groups(), WIDTHS, st.booleans())
def test_no_weight_moves_more_than_half_a_scale(
    found: torch.Tensor, bits: int, symmetric: bool
) -> None:
    """A group has at most as many values as its bits can distinguish, each on its grid."""
    built = rounding.nearest(found, bits, symmetric)
    scale, _ = rounding.grid(found, bits, symmetric)
    assert bool(((built - found).abs() <= scale / 2 * (1 + 1e-5)).all())
    assert all(len(row.unique()) <= 2**bits for row in built)
    assert bool((built / scale == torch.round(built / scale)).all())


@given(groups(least=0.05), WIDTHS)
def test_rounding_twice_is_rounding_once(found: torch.Tensor, bits: int) -> None:
    """Values on a symmetric grid stay the same, to the last bit."""
    built = rounding.nearest(found, bits, symmetric=True)
    assert torch.equal(rounding.nearest(built, bits, symmetric=True), built)


@given(WIDTHS, st.booleans(), st.data())
def test_what_is_on_a_grid_is_left_alone(bits: int, symmetric: bool, data: st.DataObject) -> None:
    """Steps of a 16-bit scale, from one end of the grid to the other."""
    scale = float(np.float16(data.draw(st.floats(0.001, 10))))
    most = 2 ** (bits - 1) - 1 if symmetric else 2**bits - 1
    zero = 0 if symmetric else data.draw(st.integers(0, most))
    steps = data.draw(st.lists(st.integers(-most if symmetric else 0, most), max_size=30))
    found = (torch.tensor([[*steps, 0, most]]).float() - zero) * scale
    assert torch.equal(rounding.nearest(found, bits, symmetric), found)


@given(groups(least=0.05), WIDTHS, st.booleans())
def test_rounding_as_torch_rounds(found: torch.Tensor, bits: int, symmetric: bool) -> None:
    """torch's fake quantization on our grid: an independent implementation of the rounding."""
    scale, zero = rounding.grid(found, bits, symmetric)
    least, most = (1 - 2 ** (bits - 1), 2 ** (bits - 1) - 1) if symmetric else (0, 2**bits - 1)
    theirs = torch.fake_quantize_per_channel_affine(
        found, scale[:, 0], zero[:, 0].int(), axis=0, quant_min=least, quant_max=most
    )
    ours = rounding.nearest(found, bits, symmetric)
    # They multiply by the inverse, so a weight between two points may go to the other one.
    between = ((ours - theirs).abs() - scale).abs() < scale * 1e-3
    halfway = ((found / scale) % 1 - 0.5).abs() < 1e-3
    assert bool((torch.isclose(ours, theirs, rtol=1e-6) | (between & halfway)).all())


def test_grids_cover_their_groups() -> None:
    """Two bits are -s, 0, s if symmetric, and 0..3 steps from the smallest with a zero point."""
    found = torch.tensor([[-1.0, -0.4, 0.2, 0.6], [0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 2.0, 3.0]])
    assert rounding.nearest(found, 2, True).tolist() == [[-1, 0, 0, 1], [0] * 4, [0, 0, 3, 3]]
    assert rounding.nearest(found[2:], 2, False).tolist() == [[0, 1, 2, 3]]


@given(groups(), st.integers(1, 50))
def test_groups_that_do_not_divide_a_row(found: torch.Tensor, size: int) -> None:
    """Each stretch of a row is rounded alone; the last may be shorter."""
    built, count = by_group(found, size, lambda rows: rounding.nearest(rows, 4, True))
    stretches = [found[:, at : at + size] for at in range(0, found.shape[1], size)]
    alone = torch.cat([rounding.nearest(part, 4, True) for part in stretches], dim=1)
    assert torch.equal(built, alone)
    assert count == len(found) * len(stretches)


def test_smaller_groups_err_less() -> None:
    """Tensor, channel, group: the finer the grids, the smaller the error."""
    found = torch.randn(64, 256, generator=torch.Generator().manual_seed(0))
    found *= torch.logspace(-1, 1, 64)[:, None]
    for change in (
        lambda rows: rounding.nearest(rows, 4, True),
        lambda rows: codebook.from_codebooks(rows, 4),
    ):
        errors = [
            float((by_group(found, size, change)[0] - found).square().sum())
            for size in (None, 0, 32)
        ]
        assert errors == sorted(errors, reverse=True)
        assert errors[0] > 2 * errors[2]


def inertia(found: torch.Tensor, book: torch.Tensor) -> float:
    """The sum of squared distances to the nearest entry, of one row."""
    distances: torch.Tensor = (found.double()[:, None] - book[None]).square().amin(dim=1)
    return float(distances.sum())


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(2, 4))
def test_k_means_is_k_means(seed: int, bits: int) -> None:
    """The same inertia as scikit-learn's from the same start, and it never grows on the way."""
    built = torch.randn(1, 300, generator=torch.Generator().manual_seed(seed)).double()
    ordered = built.sort(dim=1).values
    start = codebook.quantiles(ordered, 2**bits)
    path = [inertia(built[0], codebook.lloyd(ordered, start, n)[0]) for n in (0, 1, 2, 5, 20, 300)]
    assert all(after <= before + 1e-12 for before, after in pairwise(path))
    theirs = KMeans(2**bits, init=start.T.numpy(), n_init=1, max_iter=300, tol=0)
    theirs.fit(built.T.numpy())
    assert path[-1] == pytest.approx(theirs.inertia_, rel=1e-9)


@given(groups(), WIDTHS)
def test_codebooks_are_small_and_weights_take_the_nearest(found: torch.Tensor, bits: int) -> None:
    """A group has at most 2^bits values, and each weight takes the nearest of them."""
    built = codebook.from_codebooks(found, bits)
    for before, after in zip(found, built, strict=True):
        entries = after.unique()
        assert len(entries) <= 2**bits
        nearest = (before[:, None] - entries[None]).abs().amin(dim=1)
        assert torch.allclose((before - after).abs(), nearest, atol=1e-6)


@given(groups(), st.integers(1, 6))
def test_groups_of_few_values_are_their_own_codebook(found: torch.Tensor, many: int) -> None:
    """Groups with no more weights than entries are only rounded to 16 bits."""
    few = found[:, :many].contiguous()
    built = codebook.from_codebooks(few, 3)
    assert torch.allclose(built, few, rtol=2**-10, atol=1e-6)


def config(kind: str) -> Any:
    """Random models of families that lay their matrices out differently."""
    small = {"vocab_size": 300, "num_hidden_layers": 2, "num_attention_heads": 4}
    return {
        "llama": transformers.LlamaConfig(
            **small, hidden_size=48, intermediate_size=80, num_key_value_heads=2
        ),
        "gpt2": transformers.GPT2Config(vocab_size=300, n_embd=48, n_head=4, n_layer=2),
        "falcon": transformers.FalconConfig(**small, hidden_size=48, alibi=False),
        "mixtral": transformers.MixtralConfig(
            **small, hidden_size=48, intermediate_size=80, num_key_value_heads=2,
            num_local_experts=4,
        ),
    }[kind]  # fmt: skip


def grow(folder: Path, kind: str, dtype: torch.dtype = torch.float32, **saving: Any) -> Path:
    """A random model's checkpoint."""
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config(kind)).to(dtype)
    model.save_pretrained(folder, **saving)
    return folder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint."""
    found: dict[str, torch.Tensor] = {}
    for path in folder.glob("*.safetensors"):
        found |= load_file(path)
    return found


def converted(kind: str, tmp_path: Path, options: dict[str, Any], **saving: Any) -> Any:
    """The checkpoint, its conversion, and the conversion's facts."""
    before, after = grow(tmp_path / "before", kind, **saving), tmp_path / "after"
    after.mkdir()
    built = Rounding(**{"dtype": "float32"} | options).convert(before, after, [])
    return weights(before), weights(after), built


# Matrices of two blocks: query, key, value, output and the rest of the block.
LAYERS = {"llama": 2 * 7, "gpt2": 2 * 4, "falcon": 2 * 4, "mixtral": 2 * (4 + 4 * 3)}


@pytest.mark.parametrize("kind", LAYERS)
def test_every_matrix_of_a_block_and_nothing_else(kind: str, tmp_path: Path) -> None:
    """Output channels have 7 values each at 3 bits; all other tensors are as they were."""
    options = {"bits": 3, "symmetric": True}
    before, after, built = converted(kind, tmp_path, options)
    changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert built.quantized_layers == len(changed) == LAYERS[kind]
    for name in changed:
        rows = after[name].T if kind == "gpt2" else after[name]
        assert all(len(row.unique()) <= 7 for row in rows)
        columns = rows.T
        assert any(len(column.unique()) > 7 for column in columns), "the axis is the output"
    assert not any("embed" in name or "wte" in name or "lm_head" in name for name in changed)
    assert sorted(before) == sorted(after)
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "after")
    assert torch.isfinite(model(torch.arange(9)[None]).logits).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_packed_bytes_are_counted(dtype: torch.dtype, tmp_path: Path) -> None:
    """The bytes of a Llama, counted by hand, in groups of 32 that do not divide rows of 48 and 80.

    The other weights count in the precision in which they are computed, however they are stored.
    """
    options = {"bits": 4, "symmetric": False, "granularity": "group", "group_size": 32}
    options |= {"dtype": "bfloat16"}
    _, after, built = converted("llama", tmp_path, options, dtype=dtype)
    rows = {48: 48 + 24 + 24 + 48 + 80 + 80, 80: 48}  # rows of each length in a block
    packed = sum(
        count * (length // 2 + -(-length // 32) * (2 + 2)) for length, count in rows.items()
    )
    others = 2 * 300 * 48 + 48 + 2 * 2 * 48
    assert built.simulated_bytes == 2 * packed + others * 2
    assert {tensor.dtype for tensor in after.values()} == {dtype}


@pytest.mark.parametrize("method", ["rounding", "codebook"])
def test_a_file_or_several(method: str, tmp_path: Path) -> None:
    """The same weights, however they are spread; and what belongs to the model comes along."""
    conversion = CONVERSIONS.load(method)(bits=3, dtype="float32")
    found = []
    for folder, size in ((tmp_path / "one", "1GB"), (tmp_path / "several", "60KB")):
        after = folder / "after"
        after.mkdir(parents=True)
        before = grow(folder / "before", "llama", max_shard_size=size)
        built = conversion.convert(before, after, [])
        found.append((built, weights(after)))
        names = {path.name for path in (folder / "before").iterdir()}
        assert {path.name for path in after.iterdir()} == names
    assert len(list((tmp_path / "several" / "after").glob("*.safetensors"))) > 1
    assert found[0][0] == found[1][0]
    assert all(torch.equal(tensor, found[1][1][name]) for name, tensor in found[0][1].items())


def test_gpt2_as_the_hub_has_it(tmp_path: Path) -> None:
    """Its checkpoint has no head and no prefix: blocks are `h.0` and so on."""
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config("gpt2"))
    model.base_model.save_pretrained(tmp_path / "before")
    assert "h.0.mlp.c_fc.weight" in weights(tmp_path / "before")
    (tmp_path / "after").mkdir()
    options = {"bits": 2, "symmetric": True, "dtype": "float32"}
    built = Rounding(**options).convert(tmp_path / "before", tmp_path / "after", [])
    assert built.quantized_layers == LAYERS["gpt2"]


def test_the_checkpoint_is_not_written_to(tmp_path: Path) -> None:
    """Its files may be links into a cache: the copy is another file."""
    before = grow(tmp_path / "before", "gpt2")
    content = (before / "model.safetensors").read_bytes()
    linked = tmp_path / "linked"
    linked.mkdir()
    for path in before.iterdir():
        (linked / path.name).symlink_to(path)
    (tmp_path / "after").mkdir()
    Rounding(bits=2, dtype="float32").convert(linked, tmp_path / "after", [])
    assert (before / "model.safetensors").read_bytes() == content


def _cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def _lost(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _unblocked(folder: Path) -> None:
    from safetensors.torch import save_file

    save_file({"embed.weight": torch.ones(4, 4)}, folder / "model.safetensors")


def _integers(folder: Path) -> None:
    from safetensors.torch import save_file

    save_file({"layers.0.q.weight": torch.ones(4, 4).char()}, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_cut, "before.*truncated"),
        (_lost, "no safetensors weights"),
        (_unblocked, "no matrices"),
        (_integers, "I8"),
    ],
)
def test_what_cannot_be_rounded(harm: Any, message: str, tmp_path: Path) -> None:
    """One line that says what is wrong with the checkpoint."""
    before = grow(tmp_path / "before", "llama")
    harm(before)
    (tmp_path / "after").mkdir()
    with pytest.raises((UserError, UnsupportedError), match=message) as error:
        Rounding(bits=4, dtype="float32").convert(before, tmp_path / "after", [])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("method", ["rounding", "codebook"])
def test_options_reach_the_conversion(method: str, tmp_path: Path) -> None:
    """The quantizer's options for the job are JSON, and the conversion accepts them."""
    quantization = quantizer(method, bits=2, granularity="group", group_size=16)
    job = quantization.preparation(TRANSFORMERS, "float32")
    assert job is not None
    assert (job.conversion, job.environment) == (method, None)
    conversion = CONVERSIONS.load(job.conversion)(**json.loads(json.dumps(job.options)))
    before = grow(tmp_path / "before", "llama")
    (tmp_path / "after").mkdir()
    built = conversion.convert(before, tmp_path / "after", [])
    assert built.quantized_layers == LAYERS["llama"]


@pytest.mark.parametrize("method", ["rounding", "codebook"])
def test_fewer_bits_err_more(method: str, test_data: Path, tmp_path: Path) -> None:
    """A pretrained model, run by its engine, errs almost not at all at 8 bits, and more with fewer."""
    native = stories260k(test_data, tmp_path / "native")
    ids = torch.tensor([[1, 403, 407, 261, 378]])

    def said(folder: Path, asked: Quantizer) -> torch.Tensor:
        loaded = engine.load(folder, Settings("cpu", "float32", 1, "plain", asked))
        assert loaded.loaded.quantized_layers == (0 if asked.method == "native" else None)
        with torch.no_grad():
            logits: torch.Tensor = loaded.model(ids).logits
        return logits

    true = said(native, quantizer("native"))
    errors = []
    for bits in (8, 4, 2):
        (tmp_path / str(bits)).mkdir()
        quantization = quantizer(method, bits=bits)
        conversion = CONVERSIONS.load(method)(bits=bits, dtype="float32")
        built = conversion.convert(native, tmp_path / str(bits), [])
        assert built.quantized_layers == 5 * 7
        found = said(tmp_path / str(bits), quantization)
        errors.append(float((found - true).square().mean().sqrt() / true.std()))
    assert errors == sorted(errors)
    assert errors[0] < 0.05 < errors[2]


@pytest.mark.parametrize(
    ("method", "keys"),
    [
        ("rounding", {"bits": 1}),
        ("rounding", {"bits": 4, "granularity": "group"}),
        ("rounding", {"bits": 4, "group_size": 64}),
        ("codebook", {"bits": 9}),
        ("codebook", {"bits": 8, "granularity": "group", "group_size": 64}),
    ],
)
def test_keys_that_make_no_sense(method: str, keys: dict[str, Any]) -> None:
    """A wrong key is an error while planning."""
    with pytest.raises(ValidationError):
        quantizer(method, **keys)
