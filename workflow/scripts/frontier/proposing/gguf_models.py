"""A model's block for the catalogue, proposed from a single GGUF file's header and its card."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from frontier.catalogue.models import Model
from frontier.checkpoints.gguf_header import FLOATS, GgufHeader
from frontier.fetching import checkpoints, gguf_settings, gguf_tokenizer
from frontier.proposing import cards, models
from frontier.proposing.models import Proposal

EXPERTS = "_exps."
HUB = re.compile(r"https?://huggingface\.co/([^/\s]+/[^/\s]+?)/?$")


def proposed(header: GgufHeader, card: Mapping[str, Any], known: Mapping[str, Model]) -> Proposal:
    """The keys that a file's header and the card of its repository decide.

    `known`: the catalogue's models, among which its base is looked for.
    """
    found = Proposal()
    whole = _named(header) | {key: value for key, value in card.items() if value}
    if name := cards.licence(whole):
        found.keys["licence"] = name
    else:
        found.open.append("licence: neither the file nor a card names one")
    models.add_base(found, whole, known)
    found.keys["dtype"] = FLOATS.get(header.mostly, "float32")
    template = gguf_tokenizer.settings(header).get("chat_template")
    models.add_prompt(found, template)
    config = gguf_settings.config(header)
    sizes = checkpoints.architecture(config)
    found.keys |= {
        "architecture": config["model_type"],
        "parameters": header.parameters(),
        "vocabulary": config["vocab_size"],
        "hidden": sizes["hidden"],
    }
    if config["tie_word_embeddings"]:
        found.keys["tied"] = True
    if experts := header.parameters(EXPERTS):
        count, used = sizes["experts"], sizes["experts_per_token"]
        if count and used:
            resting = experts * (count - used) // count
            found.keys["active_parameters"] = header.parameters() - resting
    models.add_shape(found, sizes)
    if header.quantized:
        found.keys["published_bits"] = min(16, math.ceil(header.bits))
    return found


def _named(header: GgufHeader) -> dict[str, Any]:
    """A card's metadata as far as the file's own keys give it."""
    keys = header.keys
    found = {
        "license": keys.get("general.license"),
        "license_name": keys.get("general.license.name"),
    }
    home = keys.get("general.base_model.0.repo_url")
    if isinstance(home, str) and (match := HUB.match(home)):
        found["base_model"] = match[1]
    return {name: value for name, value in found.items() if value}
