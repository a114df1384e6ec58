"""The experts of a mixture, counted in a checkpoint's files by the names of their tensors.

A router chooses some of a layer's experts for each token; shared experts, which compute for all
tokens, are no such ones. Nothing is guessed: where the configuration or the names do not say how
many there are, or which tensors are theirs, the reason is recorded instead of a number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frontier.checkpoints import gguf_header, published
from frontier.checkpoints.gguf_header import GgufHeader
from frontier.checkpoints.parameters import counted, packed_bits
from frontier.checkpoints.safetensor_files import CONFIG, headers, json_object
from frontier.errors import Reason, UserError

COUNTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
"""Keys of transformers' configurations for the experts of a layer."""
USED = ("num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_top_k", "moe_k")
"""Keys for those that compute for a token."""
NAMED = re.compile(r"(?P<where>(?:^|.*\.)experts\.)(?:(?P<index>\d+)\.)?(?P<part>.+)$")
STACKED = re.compile(
    r"(mlp\.)?(gate_up_proj|gate_proj|up_proj|down_proj|w1|w2|w3|v1)([._](?!.*router).*)?$"
)
"""A tensor of all experts of a layer, one after the other."""
IN_GGUF = "_exps."


@dataclass(frozen=True)
class Experts:
    """The experts of a model among which routers choose, of all layers together."""

    count: int | None = None
    """Those of a layer."""
    used: int | None = None
    """Those of them that compute for a token."""
    bytes: int | None = None
    """The bytes of all, as they are stored."""
    parameters: int | None = None
    """The parameters of all; None if they are packed in an unknown number of bits."""
    missing: Reason | None = None
    """The reason why something is not known."""


def in_layer(config: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """The experts of a layer, and those used for a token, by a configuration; None if not said."""
    count, used = (
        next((one for name in names if _is_count(one := config.get(name))), None)
        for names in (COUNTS, USED)
    )
    return count, used


def has_experts(config: Mapping[str, Any]) -> bool:
    """True if a configuration says that layers have several experts."""
    return (in_layer(config)[0] or 0) > 1


def routed(shapes: Mapping[str, Sequence[int]], count: int) -> list[str]:
    """The names of the tensors of `count` experts. Raises UserError unless the names say it."""
    found = []
    numbers: dict[tuple[str, str], set[int]] = {}
    for name, shape in shapes.items():
        if not (match := NAMED.match(name)):
            continue
        where, index, part = match["where"], match["index"], match["part"]
        if index is not None:
            numbers.setdefault((where, part), set()).add(int(index))
        elif not STACKED.match(part) or not shape or shape[0] != count:
            raise UserError(f"the name of {name} does not say to which of {count} experts it is")
        found.append(name)
    if not found:
        raise UserError("no tensor is named as one of an expert")
    for (where, part), there in numbers.items():
        if there != set(range(count)):
            raise UserError(f"{len(there)} experts have {where}*.{part}, not {count}")
    return found


def of_checkpoint(folder: Path) -> Experts | None:
    """The experts in a checkpoint's files; None for a model that has none."""
    single = folder / gguf_header.WEIGHTS
    if single.is_file():
        return _of_gguf(gguf_header.read(single))
    config = json_object(folder / CONFIG) if (folder / CONFIG).is_file() else {}
    text = config.get("text_config")
    count, used = in_layer(text if isinstance(text, dict) else config)
    try:
        tensors = {name: one for _, part in headers(folder) for name, one in part.items()}
    except UserError:  # another format
        missing: Reason = "the weights' format has no names of tensors that are known here"
        return Experts(count, used, missing=missing) if (count or 0) > 1 else None
    if (count or 0) <= 1 and not any(NAMED.match(name) for name in tensors):
        return None
    if missing_count := _unsaid(count, used):
        return Experts(count, used, missing=missing_count)
    try:
        shapes = {name: one.shape for name, one in tensors.items()}
        theirs = {name: tensors[name] for name in routed(shapes, count or 0)}
    except UserError as error:
        return Experts(count, used, missing=str(error))
    bits = packed_bits(published.settings(config))
    parameters = counted(theirs, bits, tied=False).total
    unknown = "they are packed in an unknown number of bits" if parameters is None else None
    stored = sum(one.end - one.begin for one in theirs.values())
    return Experts(count, used, stored, parameters, unknown)


def _of_gguf(header: GgufHeader) -> Experts | None:
    count, used = header.of_family("expert_count"), header.of_family("expert_used_count")
    theirs = {name: one for name, one in header.tensors.items() if IN_GGUF in name}
    if not theirs and not count:
        return None
    if missing := _unsaid(count, used):
        return Experts(missing=missing)
    if not theirs or any(one.shape[0] != count for one in theirs.values()):
        return Experts(count, used, missing=f"the names of tensors do not show {count} experts")
    parameters = sum(math.prod(one.shape) for one in theirs.values())
    return Experts(count, used, sum(one.bytes for one in theirs.values()), parameters)


def _unsaid(count: Any, used: Any) -> Reason | None:
    """The reason why the numbers of a layer's experts are not known; None if they are."""
    if not _is_count(count) or count < 1:
        return "its settings do not say how many experts a layer has"
    if not _is_count(used) or not 0 < used <= count:
        return "its settings do not say how many experts compute for a token"
    return None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
