"""Every server's block against a server of its dialect: texts, counts, ends, prompts, errors.

The conformance server has no model: its answers follow from the prompt, so that what has to be read
is known here, independently of how it was sent.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

import chains
import shipped
from conformance_presets import PRESETS
from conformance_server import REPLIES, SAMPLED, ConformanceServer
from frontier.client.client import Client
from frontier.dialects import Dialect
from frontier.dialects.common import events
from frontier.engines import (
    Choice,
    Choose,
    Due,
    Failed,
    Generate,
    Generation,
    Loaded,
    ServerFacts,
    Settings,
)  # fmt: skip
from frontier.engines.common import reading
from frontier.engines.common.prompting import Prompting
from frontier.engines.common.sending import Sending
from frontier.engines.loaded.server import ServerModel
from frontier.engines.loaded.serving import limits
from frontier.engines.server import Server
from frontier.errors import OutOfMemoryError, UnsupportedError, UserError
from frontier.gates import Timing
from frontier.gates.cache_hits import CacheHits
from frontier.host import presence
from frontier.measuring import sessions
from frontier.measuring.contention import Watch
from frontier.measuring.pauses import Pauses
from frontier.prompts import Chat, Shot
from frontier.results.journal import Journal
from frontier.results.session import Contention
from frontier.scenarios import Bench
from frontier.scenarios.common import asked
from frontier.scenarios.single_stream import SingleStream
from frontier.specs.measure import MeasuredTask
from measurements import WARM_UP, a_session
from quantizing import quantizer

BLOCKS = {name: one for name, one in shipped.engines().items() if isinstance(one, Server)}
SPOKEN = {
    "vllm-cpu": "vllm",
    "vllm-rocm": "vllm",
    "vllm-xpu": "vllm",
    "vllm-chat": "vllm",
    "llama-server-cpu": "llama-server",
    "openvino-model-server": "ovms",
    "huggingface": "tgi",
    "anthropic-sampling": "anthropic",
}
"""Blocks that speak another one's dialect."""
TEMPLATE = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
CONTEXT = 200
PROMPTS = [f"What is {number} + {number}?" for number in range(12)]
SETTINGS = Settings("cpu", "float32", 1, "plain", quantizer("native"))
CHAT = Settings("cpu", "float32", 1, "chat", quantizer("native"))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer of bytes, whose characters are often cut, with a beginning and an end."""
    built = chains.tokenizer()
    built.chat_template = TEMPLATE
    return chains.checkpoint(tmp_path_factory.mktemp("model") / "chain", built)


@pytest.fixture(scope="module")
def server(checkpoint: Path) -> Iterator[ConformanceServer]:
    """One process for all dialects."""
    with ConformanceServer(checkpoint) as running:
        yield running


class Spoken:
    """Clients of conformance servers, closed at the end."""

    def __init__(self, server: ConformanceServer, checkpoint: Path) -> None:
        self.server, self.checkpoint, self.models = server, checkpoint, list[ServerModel]()

    def model(self, block: Server, url: str, headers: dict[str, str] | None = None) -> ServerModel:
        """The block's model at a server's address."""
        chat = block.dialect.api != "completions"
        settings = CHAT if chat else SETTINGS
        prompting = None if block.base_url else Prompting.of(self.checkpoint, settings)
        sending = Sending(
            block.dialect, settings, "model", prompting, CONTEXT if prompting else None
        )
        facts = ServerFacts("it", base_url=block.base_url)
        loaded = Loaded(None, quantized_layers=None, kv_bytes_per_token=None, server=facts)
        client = Client(f"{url}/v1", limits(block))
        found = ServerModel(block.only("measure"), settings, client, headers or {}, sending, loaded)
        self.models.append(found)
        return found

    def __call__(self, name: str, **quirks: Any) -> ServerModel:
        """A block's model, at a server of its dialect with other switches."""
        return self.model(BLOCKS[name], self.url(name, **quirks))

    def url(self, name: str, **quirks: Any) -> str:
        """The address of a server of a block's dialect."""
        return self.server.speaks(SPOKEN.get(name, name), **quirks)


@pytest.fixture
def spoken(server: ConformanceServer, checkpoint: Path) -> Iterator[Spoken]:
    """Makes clients."""
    found = Spoken(server, checkpoint)
    yield found
    for model in found.models:
        model.close()


def reply(checkpoint: Path, ids: list[int]) -> str:
    """The server's answer to these tokens."""
    digest = hashlib.sha256(json.dumps(ids).encode()).digest()
    return REPLIES[digest[0] % len(REPLIES)]


def cut(text: str, stop: str) -> str:
    """The text before a stop text."""
    return text.partition(stop)[0]


def steady(answer: Generation) -> tuple[str, ...]:
    """The doubts but for those about the client's times, which other jobs may cause."""
    return tuple(one for one in answer.doubts if not one.startswith("client: "))


@pytest.mark.parametrize("name", BLOCKS)
def test_each_block_reads_its_dialect(name: str, spoken: Spoken, checkpoint: Path) -> None:
    """The text before the stop text, all tokens, the end, and the prompt's tokens."""
    model = spoken(name)
    block = BLOCKS[name]
    built = chains.tokenizer()
    greedy = block.greedy or "temperature" in block.dialect.leave_out
    for prompt in PROMPTS:
        if block.dialect.api == "completions":
            ids = built(prompt)["input_ids"]
        else:
            text = prompt if block.dialect.api == "responses" else f"user: {prompt}\n"
            begin = [] if block.dialect.api == "responses" else [built.bos_token_id]
            ids = [*begin, *built(text, add_special_tokens=False)["input_ids"]]
        said = reply(checkpoint, ids) if greedy and name != "anthropic-sampling" else SAMPLED
        answer = model.generate(Generate(prompt, 60, ("\n",)))
        assert answer.text == cut(said, "\n")
        assert answer.finish_reason == "stop"
        assert sum(one.tokens for one in answer.arrivals) == answer.tokens > 0
        assert all(one.tokens > 0 for one in answer.arrivals)
        times = [0, *(one.ns for one in answer.arrivals), answer.end_ns]
        assert times == sorted(times)
        if block.dialect.usage != "never" or model.sending.prompting:
            assert answer.prompt_tokens == len(ids)
        assert steady(answer) == ()


DOCUMENTED = """
vllm                before each   left-out ids seed token_ids done
tgi                 every  asked  kept     -   seed -         done
sglang              first  each   left-out ids seed token_ids done
tensorrt-llm        first  each   left-out ids seed -         done
lightllm            every  never  left-out ids -    -         done
deepspeed-mii       early  never  left-out -   -    -         done
mlc                 every  asked  left-out -   seed -         done
ollama              every  asked  left-out -   seed -         done
llama-server        before always left-out ids seed -         done
llama-cpp-python    before never  left-out -   seed -         done
transformers-serve  early  always kept     -   seed -         -
tabbyapi            every  asked  left-out -   -    -         done
lmdeploy            every  asked  left-out -   seed token_ids done
ovms                before asked  kept     -   seed -         done
openai              before asked  left-out -   seed -         done
azure               before asked  left-out -   seed -         done
anthropic           before asked  left-out -   seed -         done
"""
"""The streams and fields of each server: role, usage, stop text, ids as prompt, seed, ids of chunks,
and the mark of the end (of completions, where there are both protocols)."""
DIALECTS = {line.split()[0]: line.split()[1:] for line in DOCUMENTED.strip().splitlines()}


@pytest.mark.parametrize("name", DIALECTS)
def test_a_preset_is_what_is_documented(name: str) -> None:
    """The server of these tests has each property."""
    preset = PRESETS[name]
    role, usage, stop_text, ids, seed, token_ids, done = DIALECTS[name]
    assert (preset.role, preset.usage, preset.stop_text) == (role, usage, stop_text)
    assert preset.takes_ids == (ids == "ids") or not preset.completions
    assert ("seed" in preset.takes, preset.done) == (seed == "seed", done == "done")
    assert ("return_token_ids" in preset.takes) == (token_ids == "token_ids")


@pytest.mark.parametrize("name", sorted(BLOCKS.keys() - {"endpoint", "openai-responses"}))
def test_a_block_asks_for_nothing_else(name: str) -> None:
    """It relies on no field that its server refuses or ignores, and cuts what its server keeps."""
    dialect, spoken = BLOCKS[name].dialect, SPOKEN.get(name, name).replace("-reasoning", "")
    _, usage, stop_text, ids, seed, token_ids, _ = DIALECTS[spoken]
    assert dialect.usage == usage
    assert dialect.stop_text == stop_text
    assert not dialect.prompt_ids or ids == "ids"
    assert "seed" not in dialect.add or seed == "seed"
    assert not dialect.token_ids or token_ids == "token_ids"


FORMS: list[dict[str, Any]] = [
    {"crlf": True}, {"space": 0}, {"space_behind": 1}, {"escapes": True}, {"pings": True},
    {"names_events": True}, {"events_per_write": 7}, {"cut_letters": True}, {"half": "held"},
    {"done": False}, {"finish_alone": True}, {"no_finish": ""}, {"usage_place": "last"},
    {"crlf": True, "pings": True, "cut_letters": True, "events_per_write": 3, "space": 0},
]  # fmt: skip


@pytest.mark.parametrize("name", ["vllm", "llama-server", "openai"])
@pytest.mark.parametrize("quirks", FORMS, ids=str)
def test_the_form_of_events_makes_no_difference(
    name: str, quirks: dict[str, Any], spoken: Spoken
) -> None:
    """Counts may be anywhere, events come together: the same text and as many tokens."""
    plain, other = spoken(name), spoken(name, **quirks)
    for prompt in PROMPTS[:6]:
        request = Generate(prompt, 60, ("\n",))
        expected, found = plain.generate(request), other.generate(request)
        for key in ("text", "tokens", "finish_reason", "prompt_tokens", "thinking"):
            assert getattr(found, key) == getattr(expected, key)
        assert steady(found) == ()


@pytest.mark.parametrize("role", ["early", "before", "first", "every", "never"])
def test_a_role_is_no_token(role: str, spoken: Spoken) -> None:
    """Wherever the chat's role is, there are as many arrivals."""
    counts = {
        tuple(
            one.tokens for one in spoken("vllm-chat", role=role).generate(Generate(p, 60)).arrivals
        )
        == tuple(one.tokens for one in spoken("vllm-chat").generate(Generate(p, 60)).arrivals)
        for p in PROMPTS[:3]
    }
    assert counts == {True}


@pytest.mark.parametrize("name", ["vllm", "sglang", "llama-server"])
def test_several_tokens_a_chunk(name: str, spoken: Spoken) -> None:
    """Ids, counts so far or the tokenizer give the chunks' own numbers, and the same text."""
    one, three = spoken(name), spoken(name, tokens_per_chunk=3)
    for prompt in PROMPTS[:6]:
        request = Generate(prompt, 60)
        expected, found = one.generate(request), three.generate(request)
        assert (found.text, found.tokens) == (expected.text, expected.tokens)
        assert len(found.arrivals) < max(3, expected.tokens / 2)
        if name == "vllm":
            assert {arrival.tokens for arrival in found.arrivals[:-1]} <= {3}


@pytest.mark.parametrize("name", ["vllm", "llama-server"])
def test_white_space_that_ends_an_answer_before_it_begins(name: str, spoken: Spoken) -> None:
    """Other engines continue there, no server does: it is said; the end of a text is none."""
    request = Generate("a", 60, ("\n",))
    found = spoken(name, reply="\n yes").generate(request)
    assert (found.text, found.finish_reason) == ("", "stop")
    assert steady(found) == ("stop: white space ended the answer before it began",)
    assert steady(spoken("vllm", reply="").generate(request)) == ()


def test_greedy_is_said_in_every_request(spoken: Spoken, server: ConformanceServer) -> None:
    """A server's own sampling is never in effect; a block that cannot say it is not greedy."""
    url = spoken.url("vllm", temperature=0.7)
    assert spoken.model(BLOCKS["vllm"], url).generate(Generate("a", 60)).text != SAMPLED
    (asked,) = server.seen(url)
    assert asked["fields"]["temperature"] == 0
    greedy = {name for name, block in BLOCKS.items() if block.greedy}
    silent = {"deepspeed-mii", "openai-reasoning", "openai-responses", "anthropic-sampling"}
    assert greedy == BLOCKS.keys() - silent


def test_a_request_has_what_the_block_says(spoken: Spoken, server: ConformanceServer) -> None:
    """Further fields, those left out, the name of the limit, stop texts that the server takes."""
    url = spoken.url("openai-reasoning")
    spoken.model(BLOCKS["openai-reasoning"], url).generate(Generate("a", 60, ("\n",)))
    (asked,) = server.seen(url)
    assert asked["fields"].keys() == {
        "model", "messages", "max_completion_tokens", "stream", "stream_options",
    }  # fmt: skip
    assert asked["fields"]["stream_options"] == {
        "include_usage": True,
        "include_obfuscation": False,
    }
    url = spoken.url("anthropic")
    answer = spoken.model(BLOCKS["anthropic"], url).generate(Generate("a", 60, ("\n", " e")))
    (asked,) = server.seen(url)
    assert asked["fields"]["stop"] == [" e"]
    assert "\n" not in answer.text
    assert " e" not in answer.text


MESSAGES = [
    {"role": "user", "content": "1"}, {"role": "assistant", "content": "one"},
    {"role": "user", "content": "2"}, {"role": "assistant", "content": "two"},
    {"role": "user", "content": "3"},
]  # fmt: skip
TURNS = Chat("3", (Shot("1", "one"), Shot("2", "two")))


@pytest.mark.parametrize("name", ["vllm-chat", "openai", "openai-responses"])
def test_shots_as_turns_are_messages(name: str, spoken: Spoken, server: ConformanceServer) -> None:
    """A server that renders chats itself gets them all, and money is set aside for all."""
    url = spoken.url(name)
    model = spoken.model(BLOCKS[name], url)
    answer = model.generate(Generate(TURNS, 60))
    assert answer.text in REPLIES or answer.text.strip()
    (asked,) = server.seen(url)
    assert asked["fields"]["input" if name == "openai-responses" else "messages"] == MESSAGES
    assert model.sending.sent(Generate(TURNS, 9)).texts == ("1", "one", "2", "two", "3")
    assert model.render(TURNS) != model.render("3")


@pytest.mark.parametrize("name", ["vllm-chat", "openai"])
def test_turns_are_messages_with_the_server_s_own_answers(
    name: str, spoken: Spoken, server: ConformanceServer, tmp_path: Path
) -> None:
    """Each is a request behind the answers of before, with a system message of its own."""
    task = MeasuredTask.model_validate(
        {"prompt": "{a}", "follow_ups": ["{b}"], "max_new_tokens": 60}
    )
    row = {"id": "r", "fields": {"a": "1", "b": "2"}, "system": "So"}
    url = spoken.url(name)
    model = spoken.model(BLOCKS[name], url)
    questions = task.questions([row])
    journal = Journal(tmp_path / "journal.jsonl", sessions.here(None, None, ()))
    with Pauses() as pauses:
        requests = asked.requests_for(questions, task, model)
        SingleStream().measure(
            Bench(
                model, requests, journal, Watch("cpu"), pauses, "cell", paid=True,
                questions=questions, task=task,
            )
        )  # fmt: skip
    said = [record.text for record in journal.records]
    assert [record.id for record in journal.records] == ["r@1", "r@2"]
    assert all(said)
    messages = [one["fields"]["messages"] for one in server.seen(url)]
    contents = [[one["content"] for one in each] for each in messages]
    assert contents == [["So", "1"], ["So", "1", said[0], "2"]]
    assert [one["role"] for one in messages[-1]] == ["system", "user", "assistant", "user"]


@pytest.mark.parametrize("way", ["continue_final_message", "last_message"])
def test_an_answer_that_has_begun(way: Any, spoken: Spoken, server: ConformanceServer) -> None:
    """Its beginning is the last message, marked if the block says how.

    This server continues only a marked one, which the number of the prompt's tokens shows.
    """
    url = spoken.url("vllm-chat")
    dialect = BLOCKS["vllm-chat"].dialect.model_copy(update={"prefill": way})
    model = spoken.model(BLOCKS["vllm-chat"].model_copy(update={"dialect": dialect}), url)
    answer = model.generate(Generate(Chat("3", begins="So"), 60))
    fields = server.seen(url)[0]["fields"]
    assert fields["messages"] == [MESSAGES[4], {"role": "assistant", "content": "So"}]
    marked = {"continue_final_message": True, "add_generation_prompt": False}
    found = {name: fields[name] for name in marked if name in fields}
    assert found == (marked if way == "continue_final_message" else {})
    doubts = [one for one in answer.doubts if one.startswith("prompt: ")]
    assert bool(doubts) == (way == "last_message")


def test_a_begun_answer_as_text(spoken: Spoken, server: ConformanceServer) -> None:
    """Completions get it at the end of the prompt, by a checkpoint's tokenizer or without one."""
    without = BLOCKS["vllm"].model_copy(update={"base_url": "http://127.0.0.1:1/v1"})
    for name, block in (("lightllm", BLOCKS["lightllm"]), ("vllm", without)):
        url = spoken.url(name)
        model = spoken.model(block, url)
        model.generate(Generate(Chat("3 is", begins="So"), 9))
        sent = server.seen(url)[-1]["fields"]["prompt"]
        text = sent if isinstance(sent, str) else chains.tokenizer().decode(sent)
        assert text.removeprefix("<s>") == "3 is So"


def test_a_server_s_context_has_no_room_for_all_shots(spoken: Spoken) -> None:
    """It is known before anything is sent, where there is a tokenizer."""
    model = spoken("vllm-chat")
    assert model.fits(Generate(TURNS, 9))
    assert not model.fits(Generate(Chat("3", (Shot("1" * 150, "one"),)), 50))
    assert spoken("openai").fits(Generate("3" * 10_000, 50))


def test_the_beginning_of_a_text_is_there_once(spoken: Spoken, server: ConformanceServer) -> None:
    """The server adds it, or one that adds none gets it as text; ids need neither."""
    for adds, sent in ((True, "abc"), (False, "<s>abc")):
        url = spoken.url("lmdeploy", adds_begin=adds)
        dialect = BLOCKS["lmdeploy"].dialect.model_copy(update={"adds_special": adds})
        block = BLOCKS["lmdeploy"].model_copy(update={"dialect": dialect})
        assert spoken.model(block, url).generate(Generate("abc", 9)).prompt_tokens == 4
        assert server.seen(url)[0]["fields"]["prompt"] == sent
    twice = spoken("tgi", adds_begin=True)
    twice.sending.prompting.beginning = []
    (doubt,) = steady(twice.generate(Generate("abc", 9)))
    assert doubt == "prompt: 4 tokens by the server, 3 by its tokenizer"


FAULT = {"inside": "#"}
REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"status": 400, "message": "bad field"}, UserError, "HTTP 400: bad field"),
    ({"status": 401, "message": "no key"}, UserError, "HTTP 401: no key"),
    ({"status": 403, "message": "not yours"}, UserError, "HTTP 403: not yours"),
    ({"status": 404, "message": "no model"}, UserError, "HTTP 404: no model"),
    ({"status": 413, "message": "too large"}, UnsupportedError, "HTTP 413: too large"),
    ({"status": 422, "message": "seed: extra"}, UserError, "HTTP 422: seed: extra"),
    ({"status": 429, "message": "insufficient_quota"}, UserError, "HTTP 429: insufficient_quota"),
    ({"status": 500, "message": "CUDA out of memory"}, OutOfMemoryError, "out of memory"),
    ({"status": 400, "message": "maximum context length is 9"}, UnsupportedError, "context length"),
    ({"status": 301, "message": "moved"}, UserError, "neither an answer nor an error"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "kind", "words"), REFUSED, ids=str)
def test_what_nothing_can_be_asked_after(
    fault: dict[str, Any],
    kind: type[Exception],
    words: str,
    spoken: Spoken,
    server: ConformanceServer,
) -> None:
    """One line names the server and what it said to the first request; nothing is sent again."""
    url = spoken.url("vllm", faults=[FAULT | fault])
    model = spoken.model(BLOCKS["vllm"], url)
    with pytest.raises(kind, match=words) as refused:
        model.generate(Generate("a # b", 9))
    assert str(refused.value).startswith("it: ")
    assert "\n" not in str(refused.value)
    assert len(server.seen(url)) == 1


@pytest.mark.parametrize("form", ["openai", "text", "detail", "message", "plain", "empty"])
def test_every_form_of_an_error_is_read(form: str, spoken: Spoken) -> None:
    """Objects, lists, plain text, nothing."""
    model = spoken("vllm", faults=[FAULT | {"status": 400, "message": "bad <field>"}], errors=form)
    with pytest.raises(UserError) as refused:
        model.generate(Generate("#", 9))
    expected = {
        "empty": "it: HTTP 400",
        "detail": "it: HTTP 400: body.prompt: bad <field>",
        "plain": "it: HTTP 400: bad",
    }
    assert str(refused.value) == expected.get(form, "it: HTTP 400: bad <field>")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_asked_again(status: int, spoken: Spoken) -> None:
    """The server says when; the answer is that of the last attempt, with its times alone."""
    headers = {"Retry-After": "0"} if status != 429 else {"retry-after-ms": "1"}
    model = spoken("vllm", faults=[FAULT | {"status": status, "times": 2, "headers": headers}])
    found = model.generate(Generate("#", 9))
    assert found.retries == 2
    first = model.generate(Generate("#", 9))
    assert (first.retries, first.text) == (0, found.text)


def test_without_a_word_when_a_server_is_asked_again_later(
    spoken: Spoken, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The waits are 1, 2 and 4 seconds, which are in no latency."""
    waits: list[float] = []
    monkeypatch.setattr(presence, "wait", lambda seconds, _: waits.append(seconds))
    model = spoken("vllm", faults=[FAULT | {"status": 429, "times": 3}])
    assert model.generate(Generate("#", 9)).retries == 3
    assert [one for one in waits if one] == [1, 2, 4]


def test_a_server_that_stumbles_over_each_answer(
    spoken: Spoken, server: ConformanceServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that fails with 500 each time is asked as often as permitted, the others once."""
    monkeypatch.setattr("frontier.host.presence.time.sleep", lambda _: None)
    said = "output does not match the expected Content-only format"
    url = spoken.url("llama-server", faults=[FAULT | {"status": 500, "message": said}])
    model = spoken.model(BLOCKS["llama-server"], url)
    found = dict(model.answer([Due(text, Generate(text, 9), 0) for text in ("x", "#")]))
    assert isinstance(found["x"], Generation)
    assert isinstance(found["#"], Failed)
    assert (found["#"].retries, found["#"].reason) == (3, f"HTTP 500: {said}")
    assert len(server.seen(url)) == 5


BROKEN = [
    ("cut", "was cut"), ("error", "an error within the stream: CUDA error"), ("json", "malformed JSON"),
    ("utf8", "not UTF-8"), ("abort", "aborted the answer"), ("interrupted", "without a reason"),
    ("list", "not an event"), ("longer", "more than the 9 asked for"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "words"), BROKEN)
def test_what_breaks_in_the_middle_has_no_answer(kind: str, words: str, spoken: Spoken) -> None:
    """It is not asked again, and says why; the others are answered."""
    model = spoken("vllm", faults=[FAULT | {"kind": kind}])
    requests = [
        Due(name, Generate(text, 9), 0) for name, text in (("a", "x"), ("b", "#"), ("c", "y"))
    ]
    found = dict(model.answer(requests))
    assert isinstance(found["b"], Failed)
    assert words in found["b"].reason
    assert found["b"].retries == 0
    assert isinstance(found["a"], Generation)
    assert isinstance(found["c"], Generation)


def test_a_connection_that_closes_before_an_answer_is_tried_again(
    spoken: Spoken, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is refused is tried again too."""
    monkeypatch.setattr(presence, "wait", lambda *_: None)
    model = spoken("vllm", faults=[FAULT | {"kind": "early", "times": 2}])
    assert model.generate(Generate("#", 9)).retries == 2


def test_a_server_that_hangs(spoken: Spoken) -> None:
    """Has failed when nothing came for as long as the block says."""
    block = BLOCKS["vllm"].model_copy(update={"timeout_s": 5.0})
    url = spoken.url("vllm", faults=[FAULT | {"kind": "hang"}])
    model = spoken.model(block, url)
    requests = [Due("a", Generate("x", 9), 0), Due("b", Generate("#", 9), 0)]
    found = dict(model.answer(requests))
    assert isinstance(found["b"], Failed), found
    assert "5 s" in found["b"].reason


@pytest.mark.parametrize(
    ("too_long", "kind", "words"),
    [
        ("400", UnsupportedError, "maximum context length is 20"),
        ("422", UnsupportedError, "maximum context length is 20"),
        ("cut", UnsupportedError, "the server read 11 of the prompt's 31 tokens"),
        ("empty", UserError, "an empty answer"),
    ],
)
def test_a_context_that_is_too_short(
    too_long: str, kind: type[Exception], words: str, spoken: Spoken
) -> None:
    """Whichever way the server says so, or says nothing."""
    model = spoken("vllm", context=20, too_long=too_long)
    with pytest.raises(kind, match=words):
        model.generate(Generate("a" * 30, 9))


def test_a_context_that_is_known_is_asked_for_no_more(
    spoken: Spoken, server: ConformanceServer
) -> None:
    """A server that would just continue is asked for nothing beyond it."""
    url = spoken.url("transformers-serve")
    with pytest.raises(UnsupportedError, match="longer than the server's context of 200"):
        spoken.model(BLOCKS["transformers-serve"], url).generate(Generate("a" * 195, 9))
    assert server.seen(url) == []


def test_an_answer_that_the_context_cuts_short(spoken: Spoken) -> None:
    """A limit that was not asked for is not an answer's end."""
    model = spoken("vllm", finish_words={"stop": "length"})
    with pytest.raises(UserError, match=r"cut off after \d+ of 60 tokens"):
        model.generate(Generate("a", 60))


def test_another_model_answers(spoken: Spoken) -> None:
    """An endpoint that serves something else under the name; a dated version is the model."""
    assert spoken("openai").generate(Generate("a", 9)).text
    with pytest.raises(UserError, match="asked for 'model', answered by 'other-7b'"):
        spoken("openai", reported="other-7b").generate(Generate("a", 9))
    with pytest.raises(UserError, match="asked for 'model', answered by 'other-7b'"):
        spoken("openai", reported="other-7b").choose(Choose("a", ("A", "B")))


def test_after_several_in_a_row_nothing_more_is_asked(spoken: Spoken) -> None:
    """One request at a time: two have failed, the third ends the measurement."""
    model = spoken("vllm", faults=[FAULT | {"kind": "cut"}])
    asked = Generate("#", 9)
    for _ in range(2):
        [(_, found)] = model.answer([Due("a", asked, 0)])
        assert isinstance(found, Failed)
    assert model.generate(Generate("x", 9)).text
    for _ in range(2):
        [*model.answer([Due("a", asked, 0)])]
    with pytest.raises(UserError, match=r"3 requests in a row had no answer.*what was measured is"):
        [*model.answer([Due("a", asked, 0)])]


def test_a_bad_request_after_good_ones_has_failed(spoken: Spoken) -> None:
    """It is about that request: others were answered."""
    model = spoken("vllm", faults=[FAULT | {"status": 400, "message": "this one"}])
    assert model.generate(Generate("x", 9))
    [(_, found)] = model.answer([Due("a", Generate("#", 9), 0)])
    assert isinstance(found, Failed)
    with pytest.raises(UserError, match="none of 2 requests was answered"):
        dict(model.answer([Due(name, Generate("#", 9), 0) for name in "ab"]))


def test_several_at_once_each_at_its_time(spoken: Spoken) -> None:
    """Every request once, sent when it was due, whatever others wait for."""
    model = spoken(
        "vllm", faults=[FAULT | {"status": 503, "times": 4, "headers": {"Retry-After": "0"}}]
    )
    model.generate(Generate("x", 9))
    start = time.perf_counter_ns() + 50_000_000
    asked = [
        Due(f"r{n}", Generate(f"{n} {'#' * (n % 5 == 0)}", 30), start + n * 2_000_000)
        for n in range(40)
    ]
    found = dict(model.answer(asked))
    assert found.keys() == {one.id for one in asked}
    assert all(isinstance(one, Generation) for one in found.values())
    assert sum(one.retries for one in found.values()) == 4
    assert all(found[one.id].start_ns >= one.due_ns for one in asked)
    alone = {one.id: model.generate(one.request).text for one in asked}
    assert alone == {name: one.text for name, one in found.items()}


CHOOSING = {name for name, block in BLOCKS.items() if "choose" in block.asks}
BY_TOP = {name for name in CHOOSING if BLOCKS[name].dialect.logprobs == "top_logprobs"}


def logprobs_of(*texts: str) -> list[float]:
    """The likelihoods that the server gives to the tokens of these texts, after a prompt."""
    built = chains.tokenizer()
    each = [built(text, add_special_tokens=False)["input_ids"] for text in texts]
    return [sum(-(token % 7) / 4 for token in one) for one in each]


def test_which_servers_give_likelihoods() -> None:
    """The documented ones; the others are only asked for texts."""
    assert {
        "vllm",
        "vllm-cpu",
        "vllm-rocm",
        "vllm-xpu",
        "tgi",
        "sglang",
        "llama-cpp-python",
    } == CHOOSING - BY_TOP
    assert {"llama-server", "llama-server-cpu", "openai", "azure"} == BY_TOP


@pytest.mark.parametrize("name", sorted(CHOOSING - BY_TOP))
def test_likelihoods(name: str, spoken: Spoken) -> None:
    """The sum of the continuation's tokens alone, whatever else the answer lists."""
    found = spoken(name).choose(Choose("What is it?", (" yes", " no", "é")))
    assert found.logprobs == pytest.approx(logprobs_of(" yes", " no", "é"))
    assert (found.tokens, found.prompt_tokens) == ([4, 3, 2], 12)


@pytest.mark.parametrize("name", sorted(BLOCKS.keys() - CHOOSING))
def test_a_server_without_likelihoods(name: str, spoken: Spoken) -> None:
    """It is asked for none."""
    with pytest.raises(UnsupportedError, match="does not give"):
        spoken(name).choose(Choose("What is it?", (" yes",)))


@pytest.mark.parametrize(
    ("name", "quirks", "kind", "words"),
    [
        ("vllm", {"takes": []}, UnsupportedError, "no likelihoods of a prompt"),
        ("llama-cpp-python", {"takes": []}, UnsupportedError, "no likelihoods of a prompt"),
        ("llama-cpp-python", {"adds_begin": False}, UnsupportedError, "read other tokens"),
        ("tgi", {"prefill": False}, UserError, "HTTP 422.*--enable-prefill-logprobs"),
        ("tgi", {"adds_begin": False}, UnsupportedError, "read other tokens"),
        ("tgi", {"native": None}, UserError, "HTTP 404"),
        ("sglang", {"native": None}, UserError, "HTTP 404"),
        ("llama-server", {"takes": []}, UnsupportedError, "no list of the likeliest"),
        ("openai", {"likeliest": 0.0}, UnsupportedError, "their sum is greater than 1"),
        ("llama-server", {"likely": "ABC"}, UnsupportedError, "label 'D' is not one of the 3"),
        ("openai", {"likely": "ABC"}, UnsupportedError, "label 'D' is not one of the 3"),
        ("llama-server", {"likeliest": -9999.0}, UnsupportedError, "not the logarithm"),
    ],
    ids=str,
)  # fmt: skip
def test_a_likelihood_is_known_or_refused(
    name: str, quirks: dict[str, Any], kind: type[Exception], words: str, spoken: Spoken
) -> None:
    """An answer without them, or with those of other tokens, is used for none."""
    with pytest.raises(kind, match=words) as refused:
        spoken(name, **quirks).choose(Choose("What is it?", ("A", "D")))
    assert "\n" not in str(refused.value)


def test_a_choice_without_an_answer_has_failed(spoken: Spoken) -> None:
    """It is asked again as a text is, all of it; then it is a failure, and several in a row end the
    measurement."""
    passing = FAULT | {"status": 503, "times": 2, "headers": {"Retry-After": "0"}}
    model = spoken("vllm", faults=[passing, FAULT | {"inside": "!", "kind": "cut"}])
    found = model.choose(Choose("#", (" yes", " no")))
    assert isinstance(found, Choice)
    assert (found.logprobs, found.retries) == (pytest.approx(logprobs_of(" yes", " no")), 2)
    for _ in range(2):
        failed = model.choose(Choose("!", (" yes", " no")))
        assert isinstance(failed, Failed)
        assert failed.reason
        assert failed.end_ns > 0
    assert isinstance(model.choose(Choose("x", (" yes",))), Choice)
    for _ in range(2):
        model.choose(Choose("!", (" yes",)))
    with pytest.raises(UserError, match=r"3 requests in a row had no answer"):
        model.choose(Choose("!", (" yes",)))
    gone = spoken("vllm", faults=[FAULT | {"status": 503, "headers": {"Retry-After": "0"}}])
    found = gone.choose(Choose("#", (" yes",)))
    assert isinstance(found, Failed)
    assert "503" in found.reason
    assert found.retries == gone.block.retries


@pytest.mark.parametrize("name", sorted(BY_TOP))
def test_a_label_that_is_not_listed_is_one_failure(name: str, spoken: Spoken) -> None:
    """A model that never names the labels is not supported."""
    model = spoken(name, likely="ABC")
    assert isinstance(model.choose(Choose("Is it?", ("A", "B"))), Choice)
    found = model.choose(Choose("Is it?", ("A", "D")))
    assert isinstance(found, Failed)
    assert found.reason.startswith("label 'D' is not one of the 3 likeliest tokens")


@pytest.mark.parametrize("name", sorted(BY_TOP))
def test_labels_of_one_token(name: str, spoken: Spoken, server: ConformanceServer) -> None:
    """One request for all of them; any others are refused before one is sent."""
    url = spoken.url(name)
    model = spoken.model(BLOCKS[name], url)
    found = model.choose(Choose("Is it A or B?", ("A", "B")))
    expected = [-4 - (chains.tokenizer()(one)["input_ids"][-1] % 7) / 4 for one in "AB"]
    assert (found.logprobs, found.tokens) == (pytest.approx(expected), [1, 1])
    (asked,) = server.seen(url)
    assert asked["fields"]["max_tokens"] == 1
    assert asked["fields"]["temperature"] == 0
    assert asked["fields"]["stream"] is False
    with pytest.raises(UnsupportedError, match="single tokens only"):
        model.choose(Choose("Is it A or B?", ("A", "A")))
    if model.sending.by_checkpoint:
        with pytest.raises(UnsupportedError, match="single tokens only"):
            model.choose(Choose("Is it A or B?", (" A", "B")))
    assert len(server.seen(url)) == 1


def test_hits_of_a_prefix_cache_are_read(spoken: Spoken) -> None:
    """Those that the usage has; otherwise they are unknown."""
    assert spoken("vllm", reports_cached=3).generate(Generate("abc", 9)).cached_tokens == 3
    assert spoken("vllm").generate(Generate("abc", 9)).cached_tokens is None


def test_hits_of_a_cache_that_is_off_fail_the_gate(spoken: Spoken, tmp_path: Path) -> None:
    """The server's own counts, read from its answers, withhold the times."""
    model = spoken("vllm", reports_cached=3)
    requests = {f"r{number}": Generate(f"abc {number}", 9) for number in range(3)}
    loaded = {"warmup": WARM_UP, "server": {"name": "vllm", "prefix_cache": False}}
    journal = Journal(tmp_path / "journal.jsonl", a_session(loaded=loaded))
    with Pauses() as pauses:
        SingleStream().measure(Bench(model, requests, journal, Watch("cpu"), pauses, "cell"))
    load = Contention(foreign_cores=0, foreign_gpu_processes=None)
    timing = Timing(journal.records, journal.sessions, load, 64)
    assert str(CacheHits().reason(timing)).startswith("cache: 3 of 3 requests had a part of")
    assert CacheHits().again(timing) == []


def test_what_answers_say_of_the_server_is_known(spoken: Spoken) -> None:
    """The model's name, its fingerprint, and the client's own load."""
    model = spoken("openai")
    for prompt in PROMPTS[:3]:
        model.generate(Generate(prompt, 9))
    facts = model.loaded.server
    assert facts
    assert (facts.models, facts.fingerprints) == (("model-2024-08-06",), ("fp_44709d6fcb",))
    assert facts.client["passed_s"] > 0
    assert facts.client["scheduling"]


CANARY = "sk-canary-0123456789abcdef"


@pytest.mark.parametrize("status", [400, 401, 429])
def test_a_key_is_in_no_message(status: int, spoken: Spoken) -> None:
    """Though the endpoint repeats it."""
    said = {
        "status": status,
        "message": f"Incorrect API key provided: {CANARY} (insufficient_quota)",
    }
    url = spoken.url("openai", key=CANARY, faults=[FAULT | said])
    model = spoken.model(BLOCKS["openai"], url, {"Authorization": f"Bearer {CANARY}"})
    assert model.generate(Generate("a", 9)).text
    with pytest.raises(UserError) as refused:
        model.generate(Generate("#", 9)) if status != 400 else [
            *model.answer([Due(n, Generate("#", 9), 0) for n in "ab"])
        ]
    assert CANARY not in str(refused.value)
    wrong = spoken.model(BLOCKS["openai"], url, {"Authorization": "Bearer wrong-key-1"})
    with pytest.raises(UserError, match=r"HTTP 401.*OPENAI_API_KEY") as refused:
        wrong.generate(Generate("a", 9))
    assert "wrong-key-1" not in str(refused.value)


@pytest.mark.parametrize(
    ("timings", "known", "drafts"),
    [
        ({"draft_n": 12, "draft_n_accepted": 9}, None, (12, 9)),
        ({"draft_n": 12}, None, (12, 0)),
        ({"predicted_n": 16}, "timings", (0, 0)),
        ({"predicted_n": 16}, None, (None, None)),
        (None, "timings", (None, None)),
    ],
)
def test_llama_cpps_drafts(
    timings: dict[str, int] | None, known: Literal["timings"] | None, drafts: tuple[int, int]
) -> None:
    """Its last event's timings have them, unless nothing was drafted; of others nothing is known."""
    usage = {"completion_tokens": 16, "prompt_tokens": 4, "total_tokens": 20}
    counts = events.shared({"usage": usage, **({"timings": timings} if timings else {})})["counts"]
    found = reading.with_drafts(Generation("", 4, "stop", 0, [], 1), counts, Dialect(drafts=known))
    assert (found.drafted_tokens, found.accepted_tokens) == drafts
