"""Servers that answer in ways that no documentation has: right, marked, or refused in one line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from frontier.arrivals import Arrival
from frontier.client.client import Client
from frontier.dialects.common.streams import Stream
from frontier.engines import Due, Failed, Generate, Generation, Loaded, ServerFacts, Settings
from frontier.engines.common.asking import named_alike, not_as_asked
from frontier.engines.common.secrecy import concealed, without_key
from frontier.engines.common.sending import Sending
from frontier.engines.loaded.server import ServerModel
from frontier.engines.loaded.serving import limits
from frontier.engines.server import Server
from frontier.errors import UserError
from frontier.host import presence
from frontier.measuring.pauses import Pauses
from frontier.scenarios.single_stream import undisturbed
from played_server import PlayedServer, Schedule
from quantizing import quantizer
from served_loads import Queue

CHAT = Settings("cpu", "float32", 1, "chat", quantizer("native"))
KEY = "sk-canary-0123456789"
HEADERS = {"Authorization": f"Bearer {KEY}"}


def event(text: Any = None, finish: Any = None, **more: Any) -> str:
    """An event of a chat with a part of its text."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return f"data: {json.dumps({'model': 'm', 'choices': [choice], **more})}\n\n"


def usage(completion: Any = 4, prompt: int = 10, **more: Any) -> str:
    """The event with the counts."""
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, **more}
    return f"data: {json.dumps({'choices': [], 'usage': counts})}\n\n"


END = event(finish="stop")
DONE = "data: [DONE]\n\n"


@pytest.fixture(scope="module")
def server() -> Iterator[PlayedServer]:
    """One process that plays what it is asked for."""
    with PlayedServer() as running:
        yield running


class Asked:
    """An endpoint whose answers are played."""

    def __init__(self, server: PlayedServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server, self.monkeypatch, self.models = server, monkeypatch, list[ServerModel]()

    def model(self, headers: Mapping[str, str], **facts: Any) -> ServerModel:
        """A client of it."""
        keys = {"reads": ["hub"], "accelerators": ["remote"], "base_url": self.server.url}
        lists = facts.pop("lists_models", True)
        block = Server.model_validate(
            keys | {"dialect": {"api": "chat"}, "retries": 0, "lists_models": lists}
        )
        known = ServerFacts("it", base_url=self.server.url, **facts)
        found = ServerModel(
            block,
            CHAT,
            Client(self.server.url, limits(block)),
            headers,
            Sending(block.dialect, CHAT, "m"),
            Loaded(None, quantized_layers=None, kv_bytes_per_token=None, server=known),
        )
        self.models.append(found)
        return found

    def __call__(
        self,
        *bodies: str | Schedule,
        most: int = 20,
        headers: Mapping[str, str] | None = None,
        **facts: Any,
    ) -> list[Generation | Failed]:
        """The answers to one request after another."""
        model, found = self.model(headers or {}, **facts), []
        for body in bodies:
            schedule = Schedule([(0, body)]) if isinstance(body, str) else body
            sent = self.monkeypatch.context()
            with sent as patch:
                patch.setattr(
                    "frontier.engines.common.sending.as_json", lambda _, one=schedule: one.body()
                )
                [(_, answer)] = model.answer([Due("a", Generate("hi", most), 0)])
            found.append(answer)
        return found


@pytest.fixture
def asked(server: PlayedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    """Plays answers."""
    found = Asked(server, monkeypatch)
    yield found
    for model in found.models:
        model.close()


GOOD = event("a") + event("b") + END + usage(3) + DONE


@pytest.mark.parametrize(
    ("counts", "doubt"),
    [
        (usage(9), None),
        (usage(8), None),
        (usage(7), None),
        (usage(0), "counts: 0 tokens by the server, in 8 chunks"),
        (usage(2), "counts: 2 tokens by the server, in 8 chunks"),
        (usage(19), "counts: 19 tokens by the server, for 8 characters"),
    ],
    ids=["with-its-end", "right", "one-too-few", "none", "too-few", "too-many"],
)
def test_counts_that_cannot_be(counts: str, doubt: str | None, asked: Asked) -> None:
    """Chunks show it where there is no tokenizer: each has a token, or more."""
    (found,) = asked("".join(map(event, "abcdefgh")) + END + counts + DONE)
    assert isinstance(found, Generation)
    assert [one for one in found.doubts if one.startswith("counts")] == ([doubt] if doubt else [])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (event([{"type": "text", "text": "4"}]) + END + usage(1), "content is no text"),
        (event("4") + event(finish=1) + usage(1), "finish_reason is no text"),
        (event("4") + END + usage(completion=True), "completion_tokens is no count"),
        (event("4") + END + usage(1, prompt_tokens_details={"cached_tokens": -1}), "is no count"),
        (event("4", finish="tired"), "the unknown reason 'tired'"),
        (event("4") + END + DONE, "nothing tells the number of tokens"),
        ('{"error": {"message": "no more"}}', "not a stream of events; HTTP 200: no more"),
        ("<html><h1>Log in</h1></html>", "not a stream of events; HTTP 200: Log in"),
        ("", "an empty answer with status 200"),
    ],
)
def test_an_answer_of_another_form_has_failed(body: str, reason: str, asked: Asked) -> None:
    """Those before it stay: an empty text with the server's count would be a wrong figure."""
    first, found = asked(GOOD, body)
    assert isinstance(first, Generation)
    assert isinstance(found, Failed)
    assert reason in found.reason


FILTERED = {
    "error": {"message": "It triggered our content management policy", "code": "content_filter"}
}


@pytest.mark.parametrize(
    "body",
    [
        Schedule([(0, json.dumps(FILTERED))], "length", status=400),
        event("It is") + f"data: {json.dumps(FILTERED)}\n\n",
        event(finish="content_filter") + DONE,
    ],
    ids=["refused", "within", "uncounted"],
)
def test_what_a_filter_withholds_is_no_failure(
    body: str | Schedule, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many in a row, and from the first request on: it is not asked again, and marked."""
    found = asked(*[body] * 12, GOOD)
    assert all(isinstance(one, Failed) and one.withheld and not one.retries for one in found[:12])
    assert isinstance(found[12], Generation)
    schedule = Schedule([(0, body)]) if isinstance(body, str) else body
    monkeypatch.setattr("frontier.engines.common.sending.as_json", lambda _: schedule.body())
    warm_up = asked.models[-1].generate(Generate("hi", 20))
    assert (warm_up.text, warm_up.finish_reason) == ("", "content_filter")


def test_an_answer_that_a_filter_cut(asked: Asked) -> None:
    """Its text is what is left, and its end says so."""
    (found,) = asked(event("a") + event("b", finish="content_filter") + usage(2) + DONE)
    assert isinstance(found, Generation)
    assert (found.text, found.finish_reason) == ("ab", "content_filter")


@pytest.mark.parametrize("name", ["m-mini", "m-32k", "m-1", "n", "mm"])
def test_another_models_name(name: str, asked: Asked) -> None:
    """Refused where an endpoint's names are those of models; elsewhere it is only recorded."""
    body = GOOD.replace('"m"', f'"{name}"')
    with pytest.raises(UserError, match=f"asked for 'm', answered by '{name}'"):
        asked(body)
    (found,) = asked(body, lists_models=False)
    assert isinstance(found, Generation)
    facts = asked.models[-1].loaded.server
    assert facts
    assert facts.models == (name,)


@pytest.mark.parametrize(
    ("reported", "wanted"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4-0613", "gpt-4"),
        ("gpt-4-0125-preview", "gpt-4"),
        ("claude-opus-4-20250514", "claude-opus-4"),
        ("openai/gpt-4o", "gpt-4o"),
        ("llama3:latest", "llama3"),
        ("folder@main", "folder"),
    ],
)
def test_a_version_of_the_model_is_the_model(reported: str, wanted: str) -> None:
    assert named_alike(reported, wanted)


def test_a_cache_that_is_said_to_be_off(asked: Asked) -> None:
    """Times of cached prompts are no others' times."""
    body = event("4") + END + usage(1, prompt_tokens_details={"cached_tokens": 8}) + DONE
    for off, doubted in ((False, True), (True, False), (None, False)):
        (found,) = asked(body, prefix_cache=off)
        assert isinstance(found, Generation)
        assert any(one.startswith("cache: 8 of") for one in found.doubts) == doubted


@pytest.mark.parametrize(
    "body",
    [
        event(f"it is {KEY}") + END + usage(8),
        event("it is sk-canary-0") + event("123456789") + END + usage(9),
        event("4", fingerprint=KEY, system_fingerprint=KEY) + END + usage(1),
        event("4", finish=KEY),
        "data: {" + "y" * 30 + KEY + "x" * 99 + "\n\n",
        '{"error": {"message": "' + "x" * 285 + f' {KEY}"}}}}',
        f"<p>{KEY}",
    ],
)
def test_a_key_that_an_answer_repeats(body: str, asked: Asked) -> None:
    """It is in no text, no fact and no message, nor is a part of it where a message is cut."""
    found = asked(GOOD, body, headers=HEADERS)
    said = repr([found, asked.models[-1].loaded])
    assert "canary" not in said


def test_a_key_in_a_message() -> None:
    """Whole, or its beginning or end; a short one, which texts may have by chance, is in texts."""
    assert (
        without_key(f"a {KEY} b {KEY[:12]}… c …{KEY[-9:]}", HEADERS) == "a [key] b [key]… c …[key]"
    )
    plain = {"Authorization": "Bearer EMPTY", "Content-Type": "application/json"}
    assert concealed("EMPTY", plain) == "EMPTY"
    assert without_key("EMPTY application/json", plain) == "[key] application/json"


def test_a_count_by_the_tokenizer_is_no_limit() -> None:
    """A text may have other tokens than those that were generated; twice as many it has not."""
    request = Generate("hi", 20)
    for tokens, finish, fine in ((25, "stop", True), (14, "length", True), (60, "length", False)):
        arrivals = [Arrival(1, tokens)]
        counted = Generation("a", 1, finish, 0, arrivals, 1, counted_by="tokenizer")
        assert (not_as_asked(counted, request, None, Stream()) is None) == fine
        exact = Generation("a", 1, finish, 0, arrivals, 1, counted_by="usage")
        assert not_as_asked(exact, request, None, Stream()) is not None


def test_nothing_paid_is_asked_again() -> None:
    """Although this process was paused: the record says so."""

    class Paused(Pauses):
        def during(self, start_ns: int, end_ns: int) -> bool:
            return True

    for once, attempts in ((True, 1), (False, 3)):
        model = Queue()
        found = undisturbed(model, "a", Generate("hi", 3), Paused(), once)
        assert found[1:] == (attempts, True)
        assert model.asked["hi"] == attempts


def test_a_wait_ends_with_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may want to be asked again in an hour."""
    monkeypatch.setattr(presence.Runner, "has_exited", lambda _: True)
    with pytest.raises(UserError, match="it: Snakemake has ended"):
        presence.wait(3600, "it")
    presence.wait(0, "it")
