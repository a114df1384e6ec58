"""A check of a local checkpoint's chat template while planning, without loading the checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from frontier.catalogue.models import Model
from frontier.checkpoints.chat import ChatTemplate, default_template
from frontier.checkpoints.safetensor_files import json_object
from frontier.errors import Reason, UserError
from frontier.fetching import gguf_files, gguf_tokenizer

SETTINGS = "tokenizer_config.json"


def check(folder: Path, model: Model) -> None:
    """Raises UserError if the checkpoint has no chat template that the model's block can use."""
    _template(folder, model)


def check_file(path: Path, model: Model) -> None:
    """Raises UserError for a GGUF file that is not whole, or as `check` does for a chat model."""
    gguf_files.checked(path)
    if model.prompt == "chat":
        _template(path, model)


def why_not(folder: Path, model: Model, *, turns: bool, begins: bool) -> Reason | None:
    """The reason why the checkpoint's chat template has no room for parts of a task's prompts.

    `turns`: worked examples as turns; `begins`: the beginning of the answer. None if it has, or if
    the checkpoint is not there or its template cannot be used at all, which `check` says.
    """
    if model.trust_remote_code or not folder.exists():
        return None
    try:
        return _template(folder, model).refusal(turns=turns, begins=begins)
    except UserError:
        return None


def _template(folder: Path, model: Model) -> ChatTemplate:
    """The chat template with the arguments of the model's block. Raises UserError as `check`."""
    if model.gguf:
        settings: dict[str, Any] = gguf_tokenizer.settings(gguf_files.checked(folder))
    else:
        settings = json_object(folder / SETTINGS) if (folder / SETTINGS).is_file() else {}
    own = folder / "chat_template.jinja"
    try:
        source = own.read_text("utf-8") if own.is_file() else _named(settings.get("chat_template"))
    except UnicodeDecodeError as error:
        raise UserError(f"{own}: not UTF-8: {error}") from None
    tokens = {
        role: str(token["content"] if isinstance(token, dict) and "content" in token else token)
        for role, token in settings.items()
        if role.endswith("_token") and not role.startswith("add_") and token
    }
    given = model.template_arguments, model.template_date, model.system
    return ChatTemplate(default_template(source), tokens, *given)


def _named(saved: Any) -> str | Mapping[str, str] | None:
    """The templates in the tokenizer's settings: one, or a list of named ones."""
    if isinstance(saved, list):
        return {str(one.get("name")): str(one.get("template")) for one in saved}
    return None if saved is None else str(saved)
