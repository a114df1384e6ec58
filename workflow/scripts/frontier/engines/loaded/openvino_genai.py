"""OpenVINO GenAI on a CPU: paged attention and continuous batching of exported graphs."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import openvino_genai
import transformers
from openvino import opset13
from openvino_genai import SchedulerConfig

from frontier.engines import Loaded, Settings
from frontier.engines.common import openvino_runtime
from frontier.engines.common.generating import out_of_memory
from frontier.engines.common.prompting import Prompting, positions
from frontier.engines.loaded.drafting import other_tokens
from frontier.engines.loaded.stepped import Limit, SteppedModel
from frontier.errors import UnsupportedError, UserError, one_line
from frontier.techniques import Technique

WEIGHTS = "openvino_model.bin"


def load(checkpoint: Path, settings: Settings, most: int, tokens: int) -> SteppedModel:
    """Loads a variant. Raises UnsupportedError, OutOfMemoryError or UserError (unreadable).

    `most`, `tokens`: the requests that it works on at once, and the tokens of a step.
    """
    prompting = Prompting.of(checkpoint, settings)
    positions_of_draft = _check_draft(settings.draft, prompting)
    given = openvino_runtime.properties(settings)
    try:
        with out_of_memory(), tempfile.TemporaryDirectory() as place:
            cache = openvino_runtime.paged(checkpoint, given)
            openvino_runtime.check_cache(checkpoint, settings, cache.precision)
            pipeline = _pipeline(
                checkpoint,
                settings,
                given,
                _scheduling(most, tokens, settings.techniques),
                Path(place),
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{checkpoint}: unreadable checkpoint: {one_line(error)[:300]}") from error
    folders = [folder for folder in (checkpoint, settings.draft) if folder]
    loaded = Loaded(
        weights_bytes=sum((folder / WEIGHTS).stat().st_size for folder in folders),
        quantized_layers=None,
        kv_bytes_per_token=cache.bytes_per_token,
        kv_windows=tuple(
            (one.cached_tokens, cache.bytes_per_token)
            for one in settings.techniques
            if one.cached_tokens
        ),
        kernel=f"{cache.words}, paged attention",
    )
    limits = _limits(prompting, positions_of_draft, windows=cache.windows)
    return SteppedModel(pipeline, prompting, loaded, most, settings.techniques, limits)


def _limits(prompting: Prompting, draft: int | None, *, windows: bool) -> list[Limit]:
    """The lengths of requests that it cannot compute as the model would."""
    found = [] if draft is None else [Limit(draft, "the draft model's positions")]
    config = prompting.config.get_text_config()
    window = getattr(config, "sliding_window", None)
    if window and getattr(config, "use_sliding_window", True) and not windows:
        found.append(Limit(window, "the model's sliding window, which OpenVINO GenAI ignores"))
    return found


def _scheduling(most: int, tokens: int, techniques: Sequence[Technique]) -> Any:
    keys = {"max_num_seqs": most, "max_num_batched_tokens": tokens, "enable_prefix_caching": False}
    for one in techniques:
        keys |= one.openvino_genai_scheduling()
    scheduling = SchedulerConfig()
    for name, value in keys.items():
        setattr(scheduling, name, value)
    return scheduling


def _pipeline(
    checkpoint: Path, settings: Settings, given: dict[str, str], scheduling: Any, place: Path
) -> Any:
    """The pipeline, with its techniques; `place` is for files until it is loaded."""
    draft = settings.draft and _draft(settings.draft, place / "draft")
    techniques = (one.openvino_genai_loading(draft) for one in settings.techniques)
    further = {name: value for one in techniques for name, value in one.items()}
    return openvino_genai.ContinuousBatchingPipeline(
        checkpoint,
        _no_tokenizer(place / "tokenizer"),
        scheduling,
        "CPU",
        sampler_num_threads=settings.threads,
        **given,
        **further,
    )


def _no_tokenizer(folder: Path) -> Any:
    """A tokenizer with one token: ids go in and come out, and a pipeline wants to have one."""
    text = opset13.parameter([-1], openvino.Type.string)
    outputs = []
    for name in ("input_ids", "attention_mask"):
        ones = opset13.result(opset13.constant(np.ones((1, 1), np.int64)))
        ones.output(0).set_names({name})
        outputs.append(ones)
    folder.mkdir()
    openvino.save_model(openvino.Model(outputs, [text]), folder / "openvino_tokenizer.xml")
    return openvino_genai.Tokenizer(folder)


def _draft(checkpoint: Path, folder: Path) -> Path:
    """A draft's graph in a folder with the same tokenizer, which a pipeline compares."""
    _no_tokenizer(folder)
    for name in (openvino_runtime.MODEL, WEIGHTS):
        (folder / name).symlink_to((checkpoint / name).resolve())
    return folder


def _check_draft(draft: Path | None, prompting: Prompting) -> int | None:
    """The positions of a draft model. Raises UnsupportedError if its tokens are others."""
    if draft is None:
        return None
    if reason := other_tokens(draft, prompting):
        raise UnsupportedError(f"the draft model {reason}")
    config = transformers.AutoConfig.from_pretrained(draft)
    sizes = [one.get_text_config().vocab_size for one in (config, prompting.config)]
    if len({*sizes}) > 1:
        raise UnsupportedError(
            f"the draft model has logits of {sizes[0]} tokens, the model itself of {sizes[1]}"
        )
    return positions(config)
