"""The neurons of a model's MLPs, by the names that transformers gives to their projections."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from frontier.checkpoints.experts import has_experts
from frontier.errors import UnsupportedError

PROJECTIONS: dict[str, tuple[tuple[str, ...], ...]] = {
    "down_proj": (("gate_proj", "up_proj"), ("gate_up_proj",), ("up_proj",)),
    "c_proj": (("c_fc",),),
    "dense_4h_to_h": (("dense_h_to_4h",),),
    "fc2": (("fc1",),),
    "fc_out": (("fc_in",),),
}
"""The projection that reads the neurons, with those that compute them: of Llama, GPT-2, GPT-NeoX,
OPT, GPT-J, and of all that are named alike."""
OF_A_LAYER = frozenset(("self_attn", "self_attn_layer_norm", "final_layer_norm"))
"""The other parts of OPT's layer, whose two projections are in no module of their own."""


@dataclass(frozen=True)
class Mlp:
    """The neurons between two steps of an MLP."""

    down: Any
    """The projection that reads them; its input are their activations."""
    neurons: int
    parameters: int
    """Those of one neuron: its rows of the projections before, its column of `down`."""


def mlps(model: Any) -> list[Mlp]:
    """The MLPs of all layers. Raises UnsupportedError unless each layer has one of a known form."""
    config = model.config.get_text_config()
    name = type(model).__name__
    if has_experts(config.to_dict()):
        raise UnsupportedError(f"the MLPs of {name} are experts, of which only some compute anyway")
    found = [one for module in model.modules() if (one := _mlp(module))]
    if len(found) != config.num_hidden_layers:
        raise UnsupportedError(
            f"{len(found)} MLPs were recognised in the {config.num_hidden_layers} layers of {name}"
        )
    return found


def parameters(model: Any) -> int:
    """The number of a model's parameters: shared ones once, packed ones as before packing."""
    return sum({key: number for module in model.modules() for key, number in _own(module)}.values())


def _own(module: Any) -> Iterator[tuple[int, int]]:
    """The parameters of a module itself, by the identity of their tensor."""
    own = dict(module.named_parameters(recurse=False))
    if sizes := _sizes(module):  # its weight may be packed, or in buffers
        yield id(own.pop("weight", module)), sizes[0] * sizes[1]
    yield from ((id(tensor), tensor.numel()) for tensor in own.values())


def _mlp(module: Any) -> Mlp | None:
    """The neurons of a module; None if it is no MLP, or has weights between them and `down`."""
    children = {name: one for name, one in module.named_children() if _has_weights(one)}
    for down, forms in PROJECTIONS.items():
        for before in forms:
            others = children.keys() - {down, *before}
            if not {down, *before} <= children.keys() or (others and others != OF_A_LAYER):
                continue
            sizes = [_sizes(children[one]) for one in (down, *before)]
            if None in sizes:
                return None
            (neurons, width), *rest = [one for one in sizes if one]
            count = sum(fed * out for fed, out in rest) + sum(
                out
                for one, (_, out) in zip(before, rest, strict=True)
                if getattr(children[one], "bias", None) is not None
            )
            return Mlp(children[down], neurons, count // neurons + width)
    return None


def _has_weights(module: Any) -> bool:
    return any(True for part in (module.parameters, module.buffers) for _ in part())


def _sizes(projection: Any) -> tuple[int, int] | None:
    """The inputs and outputs of a projection; None of another form, such as an adapter's."""
    if hasattr(projection, "base_layer"):
        return None
    for names in (("in_features", "out_features"), ("nx", "nf")):
        fed, out = (getattr(projection, name, None) for name in names)
        if isinstance(fed, int) and isinstance(out, int):
            return fed, out
    return None
