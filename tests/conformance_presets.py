"""The quirks of servers' dialects, and which server has which: documented, or observed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

COMMON = frozenset({
    "model", "prompt", "messages", "max_tokens", "temperature", "stream", "stream_options", "stop",
    "top_p", "n",
})  # fmt: skip
"""The fields that every server takes."""


@dataclass(frozen=True)
class Fault:
    """A fault of the requests whose prompt has a text in it, so many times (-1: always)."""

    inside: str
    kind: str = ""
    status: int = 0
    times: int = -1
    headers: Mapping[str, str] = field(default_factory=dict)
    message: str = ""

    @property
    def name(self) -> str:
        """It, for counting."""
        return f"{self.inside} {self.kind} {self.status}"


@dataclass(frozen=True)
class Quirks:
    """The switches."""

    completions: bool = True
    chat: bool = True
    role: Literal["early", "before", "first", "every", "never"] = "before"
    role_content: str | None = ""
    usage: Literal["asked", "each", "always", "never"] = "asked"
    usage_place: Literal["own", "last"] = "own"
    usage_by_default: bool = False
    usage_in_completions: bool = False
    reports_cached: int = 0
    done: bool = True
    stop_text: Literal["left-out", "kept"] = "left-out"
    most_stops: int = 99
    blank_stops: bool = True
    takes: frozenset[str] = frozenset()
    takes_ids: bool = True
    unknown_field: int = 0
    refuses: tuple[str, ...] = ()
    length: str = "max_tokens"
    adds_begin: bool = True
    end_counted: bool = True
    finish_alone: bool = False
    finish_words: Mapping[str, str] = field(default_factory=dict)
    no_finish: str | None = None
    half: Literal["empty", "held"] = "held"
    tokens_per_chunk: int = 1
    filters_first: bool = False
    annotates: bool = False
    empty_first: bool = False
    temperature: float = 1.0
    samples: bool = False
    reply: str | None = None
    context: int | None = None
    too_long: str = "400"
    unknown_model: int = 0
    lists: tuple[str, ...] | None = ("model",)
    reported: str = "{name}"
    fingerprint: str | None = None
    malformed: int = 400
    errors: str = "openai"
    key: str | None = None
    key_header: str = "authorization"
    space: int = 1
    space_behind: int = 0
    crlf: bool = False
    escapes: bool = False
    pings: bool = False
    names_events: bool = False
    events_per_write: int = 1
    cut_letters: bool = False
    faults: tuple[Fault, ...] = ()
    native: Literal["sglang", "tgi"] | None = None
    prefill: bool = True
    echoes: Literal["all", "without-beginning"] = "all"
    likely: str = " ABCDyn1234"
    lists_ids: bool = False
    likeliest: float = -4.0

    def but(self, given: Mapping[str, Any]) -> Quirks:
        """These with other values, from JSON."""
        values = dict(given)
        for one in fields(self):
            if one.name in values and isinstance(values[one.name], list):
                values[one.name] = tuple(values[one.name])
        values["faults"] = tuple(Fault(**one) for one in values.get("faults", ()))
        if "takes" in values:
            values["takes"] = frozenset(values["takes"])
        return replace(self, **values)


SEEDED = frozenset({"seed", "ignore_eos", "min_tokens"})
VLLM = Quirks(
    usage="each", half="empty", unknown_model=404, reported="{name}", context=None,
    takes=SEEDED | {"return_token_ids", "prompt_logprobs", "echo", "logprobs", "add_special_tokens"},
    too_long="400",
)  # fmt: skip
OPENAI = Quirks(
    takes=frozenset({"seed", "logprobs", "top_logprobs", "max_completion_tokens"}), completions=False, unknown_field=400,
    fingerprint="fp_44709d6fcb", reported="{name}-2024-08-06", lists=("model", "model-mini"),
    unknown_model=404, most_stops=4, finish_alone=True,
)  # fmt: skip
PRESETS: dict[str, Quirks] = {
    "vllm": VLLM,
    "tgi": Quirks(
        role="every", usage_place="last", usage_in_completions=True, stop_text="kept", most_stops=4,
        takes=frozenset({"seed"}), takes_ids=False, too_long="422", errors="text", no_finish="",
        finish_words={"stop": "eos_token"}, space=0, reported="/data/model", native="tgi",
    ),
    "sglang": Quirks(
        role="first", usage="each", takes=SEEDED | {"return_token_ids", "logprobs"}, pings=False,
        errors="message", finish_alone=True, native="sglang",
    ),
    "tensorrt-llm": Quirks(
        role="first", usage="each", usage_by_default=True, unknown_field=400, space_behind=1,
        takes=SEEDED | {"add_special_tokens", "logprobs"},
    ),
    "lightllm": Quirks(
        role="every", usage="never", takes=frozenset({"ignore_eos", "min_tokens"}), lists=None,
    ),
    "deepspeed-mii": Quirks(
        role="early", usage="never", takes_ids=False, samples=True, errors="detail",
    ),
    "mlc": Quirks(
        role="every", takes=frozenset({"seed", "logprobs", "echo"}), takes_ids=False, unknown_model=400,
    ),
    "ollama": Quirks(
        role="every", takes=frozenset({"seed"}), takes_ids=False, unknown_model=404, too_long="cut",
        fingerprint="fp_ollama", reported="{name}:latest",
    ),
    "llama-server": Quirks(
        usage="always", usage_place="last", finish_alone=True, role_content=None,
        takes=SEEDED | {"cache_prompt", "logprobs"}, malformed=500, pings=True,
        lists_ids=True,
    ),
    "llama-cpp-python": Quirks(
        usage="never", finish_alone=True, end_counted=False, takes=frozenset({"seed", "min_tokens", "echo", "logprobs"}),
        too_long="empty", malformed=500, crlf=True, pings=True, takes_ids=False, echoes="without-beginning",
    ),
    "transformers-serve": Quirks(
        role="early", usage="always", usage_place="last", done=False, stop_text="kept", takes=frozenset({"seed"}),
        unknown_field=422, takes_ids=False, unknown_model=400, reported="{name}@main", malformed=422,
        errors="detail", too_long="runs on", finish_alone=True, lists=(),
    ),
    "tabbyapi": Quirks(role="every", takes=frozenset({"logprobs"}), takes_ids=False, errors="detail"),
    "lmdeploy": Quirks(role="every", takes=SEEDED | {"return_token_ids"}, takes_ids=False, unknown_model=404),
    "ovms": Quirks(stop_text="kept", empty_first=True, takes=frozenset({"seed", "ignore_eos", "echo", "logprobs"}), takes_ids=False),
    "openai": OPENAI,
    "openai-reasoning": replace(OPENAI, refuses=("temperature", "stop", "max_tokens"), length="max_completion_tokens", temperature=0.0),
    "openai-responses": replace(OPENAI, names_events=True, done=False),
    "azure": replace(OPENAI, filters_first=True, annotates=True, key_header="api-key", lists=("gpt-4o-2024-08-06",), events_per_write=3, unknown_model=0, unknown_field=0),
    "anthropic": Quirks(completions=False, blank_stops=False, most_stops=99, takes=frozenset({"seed"}), unknown_model=404),
    "endpoint": Quirks(),
}  # fmt: skip
"""Presets by the ids of engines.yaml, and one for models that reason."""
