"""A model's block for the catalogue, proposed from its checkpoint and its card."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from frontier.catalogue.models import Model
from frontier.checkpoints import published
from frontier.checkpoints.experts import in_layer
from frontier.checkpoints.parameters import Parameters, counted, packed_bits
from frontier.checkpoints.safetensor_files import CONFIG, headers, json_object
from frontier.errors import UserError, one_line
from frontier.fetching import checkpoints, own_code
from frontier.proposing import cards

PLAIN_DTYPES = ("float32", "bfloat16", "float16")
CHECKED = (
    "dtype", "architecture", "parameters", "vocabulary", "hidden", "tied", "active_parameters",
    "layers", "heads", "kv_heads", "head_dim", "published", "published_bits", "gated",
)  # fmt: skip
"""Keys of a block that its checkpoint decides."""
REASONING = re.compile(r"\b(enable_thinking|thinking|reasoning_effort)\b")
"""Arguments of chat templates."""


@dataclass
class Proposal:
    """The keys of a block, and what could not be decided."""

    keys: dict[str, Any] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)


def proposed(folder: Path, card: Mapping[str, Any], models: Mapping[str, Model]) -> Proposal:
    """The keys that a checkpoint's folder and its card decide.

    `models`: the catalogue's, among which its base is looked for. Raises UserError if it is no
    checkpoint that can be read.
    """
    found = Proposal()
    if name := cards.licence(card):
        found.keys["licence"] = name
    else:
        found.open.append("licence: its card names none")
    config = json_object(folder / CONFIG)
    text = _text_config(folder, config, found)
    sizes = checkpoints.architecture(text)
    bits = packed_bits(published.settings(config))
    tensors = {name: one for _, part in headers(folder) for name, one in part.items()}
    tied = text.get("tie_word_embeddings", config.get("tie_word_embeddings"))
    parameters = counted(tensors, bits, tied is not False)
    _add_dtype(found, parameters, text, config)
    add_prompt(found, _template(folder))
    found.keys["architecture"] = str(config.get("model_type"))
    _add_sizes(found, sizes, parameters, tied is not False or not parameters.head)
    _add_active(found, text, parameters)
    add_shape(found, sizes)
    quantized = published.published(folder)
    if quantized:
        _add_published(found, quantized, bits, card, models)
    return found


def differences(model: Model, found: Proposal) -> Iterator[str]:
    """The keys of a catalogue's block that its checkpoint contradicts, or that it lacks."""
    for key in CHECKED:
        given, right = getattr(model, key), found.keys.get(key)
        if key == "heads" and right is None:
            right = given if model.hidden == (given or 0) * (model.head_dim or 0) else None
        if key in ("tied", "gated"):
            right = bool(right)
        if right is None and key in ("parameters", "active_parameters", "published_bits"):
            continue  # the files do not decide it
        if given != right:
            yield f"{key}: {_word(given)} in the catalogue, {_word(right)} in the checkpoint"
    if model.prompt == "chat" and found.keys.get("prompt") != "chat":
        yield "prompt: chat in the catalogue, and the checkpoint has no chat template"


def _word(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else f"{value:_}" if isinstance(value, int) else str(value)


def _text_config(folder: Path, config: dict[str, Any], found: Proposal) -> dict[str, Any]:
    """The keys of the language model, with the defaults of its family.

    Raises UserError for a checkpoint without a model_type.
    """
    if not isinstance(config.get("model_type"), str):
        raise UserError(
            f"{folder / CONFIG}: no 'model_type', so this is not a transformers checkpoint"
        )
    try:
        own_code.check(folder, False, lambda name: (folder / name).is_file())
    except UserError:
        code = config.get("auto_map", {}).get("AutoModelForCausalLM")
        found.open.append(
            f"trust_remote_code: it is computed by its own code ({code}), which is not run "
            "unless you read it, trust it, and give trust_remote_code: true"
        )
        return config
    import transformers  # takes a second, which checks of arguments need not wait for

    try:
        read = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
        whole: dict[str, Any] = read.get_text_config().to_dict()
    except Exception as error:  # from a configuration's class, which may check keys in any way
        raise UserError(f"{folder / CONFIG}: unreadable: {one_line(error)[:300]}") from error
    return whole | {"model_type": config["model_type"]}


def _add_dtype(
    found: Proposal, parameters: Parameters, text: Mapping[str, Any], config: Mapping[str, Any]
) -> None:
    said = next(
        (
            str(part[key]).removeprefix("torch.")
            for part in (text, config)
            for key in ("dtype", "torch_dtype")
            if part.get(key)
        ),
        None,
    )
    dtype = parameters.dtype or said
    if dtype in PLAIN_DTYPES:
        found.keys["dtype"] = dtype
    else:
        found.open.append(f"dtype: its weights are in {dtype or 'no floating-point format'}")


def add_shape(found: Proposal, sizes: Mapping[str, Any]) -> None:
    """Adds layers, heads and their width."""
    for key in ("layers", "heads", "kv_heads", "head_dim"):
        if sizes[key] is not None:
            found.keys[key] = sizes[key]
    hidden, dim = sizes["hidden"], sizes["head_dim"]
    if hidden and dim and sizes["heads"] == hidden // dim:
        del found.keys["heads"]  # the default


def add_prompt(found: Proposal, template: str | None) -> None:
    """Adds `chat` if there is a chat template, and says what it leaves open."""
    if template is None:
        found.open.append(
            "prompt: it has no chat template, so it is asked in plain text; if its card names a "
            "form for questions, give that, with {prompt} in it"
        )
        return
    found.keys["prompt"] = "chat"
    for name in sorted(set(REASONING.findall(template))):
        found.open.append(
            f"template_arguments: its chat template takes {name}, which decides whether it "
            "reasons before it answers"
        )


def _template(folder: Path) -> str | None:
    """The text of the checkpoint's chat templates; None without one."""
    own = folder / "chat_template.jinja"
    if own.is_file():
        return own.read_text(encoding="utf-8", errors="replace")
    settings = folder / "tokenizer_config.json"
    saved = json_object(settings).get("chat_template") if settings.is_file() else None
    if isinstance(saved, list):
        return "\n".join(str(one.get("template")) for one in saved if isinstance(one, dict))
    return str(saved) if saved else None


def _add_sizes(
    found: Proposal, sizes: Mapping[str, Any], parameters: Parameters, tied: bool
) -> None:
    if parameters.total is None:
        found.open.append("parameters: its weights are packed in a number of bits it does not say")
    else:
        found.keys["parameters"] = parameters.total
    rows, hidden = sizes["vocabulary"], sizes["hidden"]
    if parameters.embedding and len(parameters.embedding) == 2:
        rows, hidden = parameters.embedding
    if rows and hidden:
        found.keys |= {"vocabulary": rows, "hidden": hidden}
    if tied:
        found.keys["tied"] = True


def _add_active(found: Proposal, text: Mapping[str, Any], parameters: Parameters) -> None:
    """The parameters read per token of a mixture of experts."""
    experts, used = in_layer(text)
    if experts and used and parameters.total and parameters.in_experts:
        resting = parameters.in_experts * (experts - used) // experts
        found.keys["active_parameters"] = parameters.total - resting


def _add_published(
    found: Proposal,
    quantized: published.Published,
    bits: int | None,
    card: Mapping[str, Any],
    models: Mapping[str, Model],
) -> None:
    found.keys["published"] = quantized.method
    if bits:
        found.keys["published_bits"] = bits
    add_base(found, card, models)


def add_base(found: Proposal, card: Mapping[str, Any], models: Mapping[str, Model]) -> None:
    """Adds the catalogue's model that is a quantized checkpoint's original."""
    named = cards.bases(card)
    known = [name for name, one in models.items() if one.hub in named and one.hub is not None]
    if len(known) == 1:
        found.keys["base"] = known[0]
    elif named:
        found.open.append(f"base: its original, {' and '.join(named)}, is not in the catalogue")
    else:
        found.open.append("base: its card does not name its original")
