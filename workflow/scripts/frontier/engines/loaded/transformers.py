"""Hugging Face transformers on all accelerators, as its users run it: through `generate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
import transformers.modeling_utils  # takes most of a second, which is not part of the load time

from frontier.engines import Loaded, Settings
from frontier.engines.common import experts, loading
from frontier.engines.common.adapted import check_tokens, with_adapter
from frontier.engines.common.generating import out_of_memory
from frontier.engines.common.prompting import Prompting
from frontier.engines.loaded.compiled import CompiledModel, check_compilable
from frontier.engines.loaded.continuous import ContinuousModel
from frontier.engines.loaded.drafting import load_draft
from frontier.engines.loaded.generated import TransformersModel
from frontier.errors import UnsupportedError
from frontier.machine import torch_devices
from frontier.machine.tensors import stored_bytes
from frontier.quantizers import Quantizer
from frontier.quantizers.common.published import loader_of


def load(checkpoint: Path, settings: Settings) -> TransformersModel:
    """Loads a variant.

    Raises UnsupportedError, OutOfMemoryError or UserError (unreadable).
    """
    torch.set_num_threads(settings.threads)
    torch.manual_seed(0)
    transformers.utils.logging.disable_progress_bar()
    published = loader_of(checkpoint, settings.quantizer, settings.published)
    loading.check_causal(checkpoint, trust_remote_code=settings.trust_remote_code)
    loading.check_complete(checkpoint, trust_remote_code=settings.trust_remote_code)
    prompting = Prompting.of(checkpoint, settings)
    loader = published or type(settings.quantizer)
    model = _model(checkpoint, settings, published)
    if settings.adapter:
        # Before any forward pass, since some kernels repack their weights on the first.
        model = with_adapter(model, settings.adapter)
        check_tokens(model, prompting, alone=not settings.techniques)
    model.eval()
    for one in settings.techniques:
        one.change_transformers(model)
    if compiled := any(one.COMPILES for one in settings.techniques):
        check_compilable(model, settings)
    draft = load_draft(settings, model, prompting)
    models = [one for one in (model, draft) if one is not None]
    shares = [one.read_share(model) for one in settings.techniques]
    loaded = Loaded(
        weights_bytes=stored_bytes(
            [tensor for one in models for tensor in (*one.parameters(), *one.buffers())]
        ),
        quantized_layers=loader.quantized_layers(model),
        kv_bytes_per_token=None,  # known from the cache of the first request
        simulated=any(
            one.simulates(model.config.get_text_config().model_type) for one in settings.techniques
        ),
        read_share=next((one for one in shares if one is not None), None),
        experts=experts.held(model),
        kernel=loader.kernel(model),
    )
    if loaded.quantized_layers == 0 and expects_quantized(settings, published):
        what = f"{settings.published}, as published," if published else settings.quantizer.method
        raise UnsupportedError(f"{what} quantized no layer of {type(model).__name__}")
    kind = CompiledModel if compiled else TransformersModel
    if any(one.CONTINUES for one in settings.techniques):
        kind = ContinuousModel
    return kind(model, prompting, loaded, settings.accelerator, settings.techniques, draft)


def expects_quantized(settings: Settings, published: type[Quantizer] | None) -> bool:
    """True if layers must be quantized after loading; transformers itself may unpack some."""
    if published:
        return published is not type(settings.quantizer)
    return settings.quantizer.expects_quantized()


def _model(checkpoint: Path, settings: Settings, published: type[Quantizer] | None) -> Any:
    """The model as loaded by its quantizer, or by that of its published quantization."""
    dtype = getattr(torch, settings.dtype)

    def from_pretrained(**arguments: Any) -> Any:
        own = {
            "dtype": dtype,
            "trust_remote_code": settings.trust_remote_code,
            "device_map": torch_devices.device_map(settings.accelerator, settings.gpus),
        }
        for one in settings.techniques:
            own |= one.transformers_loading()
        return loading.load_whole(checkpoint, **own | arguments)

    with out_of_memory():
        if published:
            model = loading.load_published(checkpoint, published, from_pretrained, dtype)
        else:
            model = settings.quantizer.load_model(from_pretrained)
    loading.check_range(model)
    return model
