"""Keys in a configuration file: refused, and not repeated in the message."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import ROOT
from frontier.catalogue import secrets
from frontier.catalogue.configuration import read_catalogue, read_config
from frontier.catalogue.reading import parse, read_yaml
from frontier.errors import UserError

KEYS = [
    "sk-proj-Canary0123456789abcdef", "sk-ant-api03-canary-canary-canary", "sk-Canary12345",
    "sk-abcdefghijklmnopqrstuvwxyz", "sk-test-canary", "hf_CanaryCanaryCanary01",
    "ghp_Canary0123456789abcdef", "gsk_Canary0123456789abcdef", "AIzaCanary0123456789abcdef",
    "Bearer canary-0123456789", "bearer  abcdefghijklmnopqrstuvwxyz",
    "https://me:canary@example.org/v1", "https://example.org/v1?api-key=canary0123",
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "text", ["a: {key}", "a: 'x {key}'", "b: 1\n# {key}\na: 2", "'{key}': 1", "a: [b, {{c: '{key}'}}]"]
)  # fmt: skip
def test_keys_are_refused(key: str, text: str) -> None:
    """A value, a key or a comment is refused with its line, without the secret."""
    with pytest.raises(UserError, match=r"^f\.yaml: line [12] looks like a key") as refused:
        parse(text.format(key=key), "f.yaml")
    assert "anary" not in str(refused.value)
    assert "abcdefgh" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "sk-en", "opus-sk-en", "sk-sentiment", "task-A1234567890", "hf_transfer", "hf_home",
        "Bearer HF_TOKEN", "Bearer authentication", "the bearer of news", "key: OPENAI_API_KEY",
        "https://api.openai.com/v1", "http://127.0.0.1:8000/a@b", "0123456789abcdef" * 4,
    ],
)  # fmt: skip
def test_other_texts_are_not(text: str) -> None:
    """Language pairs, variables' names, digests."""
    secrets.refuse(text, "f.yaml")


def test_a_study_from_elsewhere_is_searched_too() -> None:
    """Another workflow gives its study as a mapping, and the command line as KEY=VALUE."""
    catalogue = read_catalogue(ROOT / "config")
    study = read_yaml(ROOT / "config/config.yaml") | {"title": KEYS[0]}
    with pytest.raises(UserError, match=r"^config of the module: looks like a key"):
        read_config(study, catalogue, "config of the module")


def test_what_is_shipped_has_none() -> None:
    """No file of the project that is read as configuration."""
    for path in [*(ROOT / "config").rglob("*.yaml"), *(ROOT / "examples").rglob("*.yaml")]:
        secrets.refuse(Path(path).read_text(encoding="utf-8"), str(path))
