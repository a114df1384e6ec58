"""Techniques of the key-value cache in transformers: the bytes that are stored, and the answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from torch.utils import file_baton

from frontier.engines import Generate, Settings
from frontier.engines.loaded import transformers as engine
from frontier.engines.loaded.generated import TransformersModel
from frontier.errors import UnsupportedError
from frontier.techniques import Context, Technique
from frontier.techniques.kv_dtype import KvDtype
from frontier.techniques.kv_quantized import KvQuantized
from quantizing import quantizer
from stories import stories260k

CPU = Settings("cpu", "float32", 1, "plain", quantizer("native"))
PLAIN = 5 * 4 * 8 * 2 * 4
"""Bytes of a token: layers, heads, numbers of a head, keys and values, bytes of a number."""
STORY = Generate("Once upon a time there was", 40)


@pytest.fixture(scope="module")
def stories(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pretrained 260K Llama as a checkpoint."""
    return stories260k(test_data, tmp_path_factory.mktemp("stories"))


def with_one(checkpoint: Path, *techniques: Technique) -> TransformersModel:
    """The model with techniques."""
    return engine.load(checkpoint, replace(CPU, techniques=techniques))


@pytest.mark.parametrize(("bits", "packed"), [(4, 4), (2, 2)])
def test_a_quantized_cache_has_the_bytes_that_are_stored(
    stories: Path, bits: int, packed: int
) -> None:
    """A group of eight numbers: packed, a scale and a zero point of four bytes each."""
    model = with_one(stories, KvQuantized(bits=bits, group_size=8, residual_length=4))
    own, plain = model.generate(STORY), with_one(stories).generate(STORY)
    assert own.text[0] == plain.text[0], "a prompt is read before it is quantized"
    assert own.text != plain.text
    groups = 5 * 4 * 2
    assert model.loaded.kv_bytes_per_token == groups * (packed + 4 + 4)
    assert model.loaded.kv_waiting == (3, PLAIN - groups * (packed + 8))


def test_it_takes_over_the_lock_of_a_killed_compilation(stories: Path, tmp_path: Path) -> None:
    """quanto compiles an extension on first use, where torch would wait for ever."""
    with_one(stories, KvQuantized(group_size=8))
    lock = tmp_path / "build" / "lock"
    lock.parent.mkdir()
    lock.touch()
    baton = file_baton.FileBaton(str(lock))
    assert baton.try_acquire()
    baton.release()
    assert not lock.exists()


def test_groups_that_do_not_divide_a_head_are_refused(stories: Path) -> None:
    """They would be in two heads, or in two tokens: while planning, or once the model is known."""
    wide = KvQuantized(group_size=64)
    here = Context("transformers", "cpu", "float32", "native", head_dim=32)
    assert "32 numbers" in (wide.unsupported(here) or "")
    assert wide.unsupported(replace(here, head_dim=128)) is None
    with pytest.raises(UnsupportedError, match="a head has 8 numbers"):
        with_one(stories, wide)


def test_what_is_no_smaller_is_found_out(stories: Path) -> None:
    """Groups of two numbers have more bytes of scales than they save."""
    model = with_one(stories, KvQuantized(group_size=2))
    with pytest.raises(UnsupportedError, match=r"kv_quantized changed nothing: .* 1440 .* 1280"):
        model.generate(STORY)


def test_fp8_has_a_byte_for_each_number(stories: Path) -> None:
    """transformers' FP8 cache; other formats are other engines'."""
    model = with_one(stories, KvDtype(dtype="fp8_e4m3"))
    text = model.generate(STORY).text
    assert model.loaded.kv_bytes_per_token == PLAIN // 4
    assert model.loaded.kv_waiting is None
    assert text[0] == with_one(stories).generate(STORY).text[0]
    here = Context("transformers", "cpu", "float32", "native")
    assert "not in q8_0" in (KvDtype(dtype="q8_0").unsupported(here) or "")
