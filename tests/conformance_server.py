"""A server that speaks the dialects of real ones: every quirk is a switch, a preset per server.

As a program it is the server, in a process of its own, with the tokenizer of a checkpoint; what it
says follows from the prompt's tokens. It holds no model: what can be learned from it is whether a
client reads each dialect rightly. The quirks are documented or observed behaviour of the servers.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import hashlib
import itertools
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import tokenizers

import conformance_presets
from conformance_presets import Quirks
from played_server import Connection, Schedule

REPLIES = (
    " positive\n and more", " negative", " 12", " a b c d e f g h i j k l m n o p q r s t u v",
    " 你好, 世界\n", " yes é and 🙂 no",
)  # fmt: skip
"""The texts that it says, by a digest of the prompt's tokens; each ends with the end token."""
SAMPLED = " something else, drawn by chance, and never twice the same"
"""The text where nothing in the request said that the likeliest is wanted."""
LATER_MS, TOKEN_MS = 3.0, 1.0
BROKEN = "\ufffd"


@dataclass
class Part:
    """A part of an answer, as far as a chunk has one."""

    text: str
    ids: list[int]
    finish: str | None = None
    tokens: int = 0
    """The number of them so far."""


class Speaker:
    """The server's side: from a request's fields to the bytes of a response."""

    def __init__(self, quirks: Quirks, checkpoint: Path, name: str) -> None:
        self.quirks, self.name = quirks, name
        self.tokenizer = tokenizers.Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
        config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
        end = config.get("eos_token_id")
        self.end = end[0] if isinstance(end, list) else end
        self.begin = config.get("bos_token_id")
        self.asked: Counter[str] = Counter()
        self.seen: list[dict[str, Any]] = []

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Schedule:
        """The response to a request."""
        quirks = self.quirks
        route = path.partition("?")[0]
        if route in ("/health", "/", "/v2/health/ready"):
            return plain(200, "ok")
        if route == "/version":
            return as_json({"version": "1.2.3-conformance"})
        if route == "/seen":  # not a server's: what it was asked, for tests
            return as_json(self.seen)
        if method == "POST" and headers.get("content-type") != "application/json":
            return error(quirks, 500, "Input should be a valid dictionary")
        if quirks.key and headers.get(quirks.key_header) not in (
            quirks.key,
            f"Bearer {quirks.key}",
        ):
            return error(
                quirks, 401, f"Incorrect API key provided: {headers.get(quirks.key_header)}"
            )
        if route.endswith("/models"):
            return (
                as_json({"data": [{"id": one} for one in quirks.lists]})
                if quirks.lists is not None
                else plain(404, "")
            )
        if method != "POST":
            return error(quirks, 404, "no such page")
        try:
            fields = json.loads(body.decode())
        except ValueError as fault:
            return error(quirks, quirks.malformed, f"malformed JSON: {fault}")
        self.seen.append({"path": path, "fields": fields, "headers": sorted(headers)})
        if route.endswith("/responses"):
            return self.responses(fields)
        if route == "/generate" and quirks.native:
            return self.native(fields)
        chat = route.endswith("/chat/completions")
        if not chat and not route.endswith("/completions"):
            return error(quirks, 404, f"no such page: {route}")
        return self.answer(fields, chat)

    def answer(self, fields: dict[str, Any], chat: bool) -> Schedule:
        """The response to a request for a text."""
        quirks = self.quirks
        if refused := self.refused(fields, chat):
            return refused
        ids = self.prompt_ids(fields, chat)
        most = fields.get(quirks.length, fields.get("max_tokens", 16))
        text = self.tokenizer.decode(ids)
        for fault in quirks.faults:
            if fault.inside in text and (fault.times < 0 or self.asked[fault.name] < fault.times):
                self.asked[fault.name] += 1
                if fault.kind == "crash":
                    crash(Path(fault.message))
                    continue
                if fault.status:
                    return replace(
                        error(quirks, fault.status, fault.message or "fault"), headers=fault.headers
                    )
                return self.spoiled(fault.kind, fields, ids, most, chat)
        if quirks.context is not None and len(ids) + most > quirks.context:
            if quirks.too_long == "empty":
                return Schedule(steps=(), framing="chunked")
            if quirks.too_long == "cut":
                ids = ids[-max(1, quirks.context - most) :]
            elif quirks.too_long != "runs on":
                n = len(ids) + most
                message = f"This model's maximum context length is {quirks.context} tokens, not {n}"
                return error(quirks, int(quirks.too_long), message)
        if not fields.get("stream"):
            return self.whole(fields, ids)
        return self.stream(fields, ids, most, chat)

    def responses(self, fields: dict[str, Any]) -> Schedule:
        """A streaming answer in OpenAI's later protocol: typed events, no [DONE]."""
        instructions, text = fields.get("instructions"), fields["input"]
        if isinstance(text, list):
            text = "\n".join(f"{one['role']}: {one['content']}" for one in text)
        text = f"{instructions}\n{text}" if instructions else text
        ids = self.tokenizer.encode(text, add_special_tokens=False).ids
        parts = self.chunks({"temperature": 0}, ids, fields["max_output_tokens"])
        usage = {
            "input_tokens": len(ids), "output_tokens": parts[-1].tokens + 2,
            "input_tokens_details": {"cached_tokens": 0},
        }  # fmt: skip
        ended = parts[-1].finish == "length"
        response: dict[str, Any] = {"model": f"{self.name}-2026-01-01", "usage": usage}
        if ended:
            response["incomplete_details"] = {"reason": "max_output_tokens"}
        events = [
            {"type": "response.created", "response": {"model": response["model"]}},
            {"type": "response.reasoning_summary_text.delta", "delta": "Hm"},
            *(
                {"type": "response.output_text.delta", "delta": part.text}
                for part in parts
                if part.text
            ),
            {"type": f"response.{'incomplete' if ended else 'completed'}", "response": response},
        ]
        timed = [(TOKEN_MS, event) for event in events]
        return Schedule(steps=list(self.written(timed)))

    def refused(self, fields: dict[str, Any], chat: bool) -> Schedule | None:
        """The response to a request that it does not take."""
        quirks = self.quirks
        if quirks.unknown_model and fields.get("model") not in (self.name, *(quirks.lists or ())):
            return error(
                quirks, quirks.unknown_model, f"The model `{fields.get('model')}` does not exist"
            )
        if (chat and not quirks.chat) or (not chat and not quirks.completions):
            return error(quirks, 404, "no such page")
        for name in quirks.refuses:
            if name in fields:
                return error(
                    quirks,
                    400,
                    f"Unsupported parameter: '{name}' is not supported with this model.",
                    code="unsupported_parameter",
                )
        if quirks.unknown_field:
            for name in fields:
                if name not in quirks.takes and name not in conformance_presets.COMMON:
                    return error(quirks, quirks.unknown_field, f"Unexpected keyword: {name}")
        if isinstance(fields.get("prompt"), list) and not quirks.takes_ids:
            return error(quirks, quirks.malformed, "prompt: Input should be a valid string")
        if fields.get("max_tokens") == 0:
            return error(quirks, 500, "max_tokens must be positive")
        blank = [text for text in fields.get("stop", ()) if not text.strip()]
        if blank and not quirks.blank_stops:
            return error(
                quirks, 400, "stop_sequences: each stop sequence must contain non-whitespace"
            )
        if len(fields.get("stop", ())) > quirks.most_stops:
            return error(quirks, 422, f"at most {quirks.most_stops} stop sequences")
        return None

    def prompt_ids(self, fields: dict[str, Any], chat: bool) -> list[int]:
        """The prompt's tokens: those given, or of the text, with the beginning if it adds one."""
        given = fields.get("prompt")
        if chat:
            given = "".join(f"{one['role']}: {one['content']}\n" for one in fields["messages"])
            if fields.get("continue_final_message"):
                given = given.removesuffix("\n")
        if isinstance(given, list):
            return given
        adds = self.quirks.adds_begin and fields.get("add_special_tokens", True)
        begin = [self.begin] if adds and self.begin is not None else []
        return begin + self.tokenizer.encode(str(given), add_special_tokens=False).ids

    def said(self, fields: dict[str, Any], ids: list[int]) -> str:
        """Its answer to a prompt."""
        quirks = self.quirks
        greedy = fields.get("temperature", quirks.temperature) == 0 and not quirks.samples
        if not greedy:
            return SAMPLED
        if quirks.reply is not None:
            return quirks.reply
        digest = hashlib.sha256(json.dumps(ids).encode()).digest()
        return REPLIES[digest[0] % len(REPLIES)]

    def parts(self, fields: dict[str, Any], ids: list[int], most: int) -> Iterator[Part]:
        """The answer token by token, until it ends."""
        quirks, stops = self.quirks, fields.get("stop", ())
        stops = [stops] if isinstance(stops, str) else stops
        encoded = self.tokenizer.encode(self.said(fields, ids), add_special_tokens=False).ids
        shown, waiting = "", []
        for count, token in enumerate(encoded, 1):
            whole = self.tokenizer.decode(encoded[:count])
            waiting.append(token)
            new = "" if whole.endswith(BROKEN) else whole[len(shown) :]
            found = [at for stop in stops if (at := whole.find(stop)) >= 0]
            if found and new:
                cut = new if quirks.stop_text == "kept" else whole[len(shown) : min(found)]
                yield Part(cut, waiting, "stop", count)
                return
            if new or quirks.half == "empty":
                yield Part(new, waiting, "length" if count == most else None, count)
                shown, waiting = shown + new, []
            if count == most:
                if waiting:
                    yield Part("", waiting, "length", count)
                return
        end = [self.end] if self.end is not None else []
        yield Part("", end, "stop", len(encoded) + (len(end) if quirks.end_counted else 0))

    def chunks(self, fields: dict[str, Any], ids: list[int], most: int) -> list[Part]:
        """The parts of an answer, several tokens a chunk if it batches them."""
        grouped: list[Part] = []
        for number, part in enumerate(self.parts(fields, ids, most)):
            if grouped and number % self.quirks.tokens_per_chunk and not grouped[-1].finish:
                last = grouped[-1]
                grouped[-1] = Part(
                    last.text + part.text, last.ids + part.ids, part.finish, part.tokens
                )
            else:
                grouped.append(part)
        return grouped

    def stream(self, fields: dict[str, Any], ids: list[int], most: int, chat: bool) -> Schedule:
        """The events of a streaming answer, each at its time."""
        events = list(self.events(fields, ids, most, chat))
        return Schedule(steps=list(self.written(events)))

    def events(
        self, fields: dict[str, Any], ids: list[int], most: int, chat: bool
    ) -> Iterator[tuple[float, Any]]:
        """Delays and events; an event that is text is written as it is."""
        quirks = self.quirks
        options = fields.get("stream_options") or {}
        asked = bool(options.get("include_usage", quirks.usage_by_default and bool(options)))
        each = asked and quirks.usage == "each" and options.get("continuous_usage_stats")
        parts = self.chunks(fields, ids, most)
        total = {
            "prompt_tokens": len(ids), "completion_tokens": parts[-1].tokens,
            "total_tokens": len(ids) + parts[-1].tokens,
        }  # fmt: skip
        if quirks.reports_cached:
            total["prompt_tokens_details"] = {"cached_tokens": quirks.reports_cached}
        with_ids = fields.get("return_token_ids") and "return_token_ids" in quirks.takes
        delay = LATER_MS
        if quirks.filters_first:
            yield delay, self.event([], {"prompt_filter_results": [{"prompt_index": 0}]})
        if quirks.empty_first:
            yield (
                delay,
                self.event(
                    [
                        {
                            "index": 0,
                            "text" if not chat else "delta": "" if not chat else {},
                            "finish_reason": None,
                        }
                    ]
                ),
            )
        if chat and quirks.role in ("before", "early"):
            yield (
                0.0,
                self.event(
                    [
                        {
                            "index": 0,
                            "delta": {"role": "assistant", "content": quirks.role_content},
                            "finish_reason": None,
                        }
                    ]
                ),
            )
        for number, part in enumerate(parts):
            finish = quirks.finish_words.get(part.finish or "", part.finish)
            separate = finish and quirks.finish_alone and part.text
            texts = (
                [(part, None), (Part("", [], part.finish, part.tokens), finish)]
                if separate
                else [(part, finish)]
            )
            for place, (one, ended) in enumerate(texts):
                choice: dict[str, Any] = {
                    "index": 0,
                    "finish_reason": quirks.no_finish if ended is None else ended,
                }
                if chat:
                    choice["delta"] = self.delta(one, number == 0 and place == 0)
                else:
                    choice["text"] = one.text
                if with_ids:
                    choice["token_ids"] = one.ids
                more = {}
                if each:
                    more["usage"] = {"prompt_tokens": len(ids), "completion_tokens": one.tokens}
                if (
                    ended
                    and quirks.usage_place == "last"
                    and (
                        asked
                        or quirks.usage == "always"
                        or (quirks.usage_in_completions and not chat)
                    )
                ):
                    more["usage"] = total
                yield (delay if number == 0 else TOKEN_MS), self.event([choice], more)
                delay = TOKEN_MS
            if quirks.annotates:
                yield (
                    0.0,
                    self.event([{"index": 0, "content_filter_results": {}, "finish_reason": None}]),
                )
        if quirks.usage_place == "own" and (asked or quirks.usage == "always"):
            yield 0.0, self.event([], {"usage": total})
        if quirks.done:
            yield 0.0, "[DONE]"

    def delta(self, part: Part, first: bool) -> dict[str, Any]:
        """A chat's delta."""
        quirks = self.quirks
        role = (
            {"role": "assistant"}
            if quirks.role == "every" or (quirks.role == "first" and first)
            else {}
        )
        return {**role, "content": part.text} if part.text or not part.finish else role

    def event(self, choices: list[Any], more: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """An event's JSON."""
        quirks = self.quirks
        reported = quirks.reported.replace("{name}", self.name)
        own = {"id": "c-1", "object": "text_completion", "created": 1, "model": reported}
        prints = {"system_fingerprint": quirks.fingerprint} if quirks.fingerprint else {}
        return {**own, **prints, "choices": choices, **(more or {})}

    def written(self, events: list[tuple[float, Any]]) -> Iterator[tuple[float, str]]:
        """Delays and bytes of server-sent events, in the server's form."""
        quirks = self.quirks
        line = "\r\n" if quirks.crlf else "\n"
        if quirks.pings:
            yield 0.0, f": ping{line}{line}"
        together, wait = "", 0.0
        for number, (delay, event) in enumerate(events, 1):
            data = (
                event if isinstance(event, str) else json.dumps(event, ensure_ascii=quirks.escapes)
            )
            kind = f"event: message{line}" if quirks.names_events else ""
            together += (
                f"{kind}data:{' ' * quirks.space}{data}{' ' * quirks.space_behind}{line}{line}"
            )
            wait += delay
            if number % quirks.events_per_write == 0 or number == len(events):
                yield from split(together, wait, quirks.cut_letters)
                together, wait = "", 0.0

    def spoiled(
        self, kind: str, fields: dict[str, Any], ids: list[int], most: int, chat: bool
    ) -> Schedule:
        """A stream that is not an answer, or not the one that was asked for."""
        if kind == "longer":
            return self.stream(fields, ids, most + 50, chat)
        if kind == "hang":
            return Schedule(steps=[(0, ": nothing\n\n")], end="hang")
        good = self.stream(fields, ids, most, chat)
        steps = list(good.steps)
        middle = max(1, len(steps) // 2)
        spoil = {
            "cut": (), "error": ((1, 'data: {"error": {"message": "CUDA error: device-side assert", "code": 500}}\n\n'),),
            "json": ((1, 'data: {"choices": [{"text": "x"\n\n'),), "utf8": ((1, 'data: {"choices": [{"text": "\xff\xfe"}]}\n\n'),),
            "abort": ((1, f"data: {json.dumps(self.event([{'index': 0, 'text': '', 'delta': {}, 'finish_reason': 'abort'}]))}\n\ndata: [DONE]\n\n"),),
            "interrupted": ((1, "data: [DONE]\n\n"),), "list": ((1, "data: [1, 2]\n\n"),), "early": ((0, ""),),
        }[kind]  # fmt: skip
        if kind == "early":
            return Schedule(steps=(), end="close", framing="raw")
        return replace(
            good, steps=[*steps[:middle], *spoil], end="close" if kind == "cut" else "complete"
        )

    def whole(self, fields: dict[str, Any], ids: list[int]) -> Schedule:
        """An answer that is not a stream: the likelihoods that it gives, if any."""
        quirks = self.quirks
        each = likelihoods(ids)
        choice: dict[str, Any] = {"index": 0, "text": "", "finish_reason": "length"}
        if fields.get("prompt_logprobs") is not None and "prompt_logprobs" in quirks.takes:
            choice["prompt_logprobs"] = [
                one
                if one is None
                else {str(token): {"logprob": one, "rank": 1}, "1": {"logprob": -0.1}}
                for token, one in zip(ids, each, strict=True)
            ]
        elif fields.get("echo") and "echo" in quirks.takes:
            listed = [*each, -0.5][: len(each) + fields.get("max_tokens", 1)]
            if quirks.echoes == "without-beginning":
                # Each is the token's after the listed ones; aligned only if the first is left out.
                listed = listed[1:] if ids[0] == self.begin else [None, *(-7.7 for _ in ids[1:])]
            choice["logprobs"] = {"token_logprobs": listed}
        elif fields.get("logprobs") and "logprobs" in quirks.takes:
            most = fields.get("top_logprobs", fields["logprobs"])
            if most > 20:
                return error(quirks, 400, "logprobs: at most 20")
            choice["logprobs"] = {"content": [{"top_logprobs": self.likeliest()[:most]}]}
        return as_json(
            self.event([choice], {"usage": {"prompt_tokens": len(ids), "completion_tokens": 1}})
        )

    def likeliest(self) -> list[dict[str, Any]]:
        """The list of the likeliest tokens, which are single characters here."""
        found = []
        for text in self.quirks.likely:
            (token,) = self.tokenizer.encode(text, add_special_tokens=False).ids
            one = {"token": text, "bytes": [*text.encode()], "logprob": self.likely(token)}
            found.append(({"id": token} if self.quirks.lists_ids else {}) | one)
        return found

    def likely(self, token: int) -> float:
        """The logarithm of the likelihood of a first token."""
        return self.quirks.likeliest - (token % 7) / 4

    def native(self, fields: dict[str, Any]) -> Schedule:
        """The likelihoods of a prompt by SGLang's own interface, or TGI's."""
        quirks = self.quirks
        if quirks.native == "sglang":
            ids = fields["input_ids"]
            if fields.get("return_logprob"):
                start = fields.get("logprob_start_len", len(ids))
                triples = [
                    [one, token, None] for one, token in zip(likelihoods(ids), ids, strict=True)
                ]
                more = {"input_token_logprobs": triples[start:]}
            else:
                more = {}
            return as_json({"text": "", "meta_info": {"prompt_tokens": len(ids), **more}})
        ids, wanted = self.prompt_ids({"prompt": fields["inputs"]}, False), fields["parameters"]
        if wanted.get("decoder_input_details") and not quirks.prefill:
            message = "`decoder_input_details` needs --enable-prefill-logprobs"
            return error(quirks, 422, message)
        entries = [
            {"id": token, "text": "", "logprob": one}
            for one, token in zip(likelihoods(ids), ids, strict=True)
        ]
        shown = {"prefill": entries if wanted.get("decoder_input_details") else []}
        return as_json({"generated_text": "", "details": shown if wanted.get("details") else None})


def likelihoods(ids: list[int]) -> list[float | None]:
    """The logarithm of each token's likelihood after those before it; the first one has none."""
    return [None, *(-(token % 7) / 4 for token in ids[1:])]


def split(text: str, delay: float, letters: bool) -> Iterator[tuple[float, str]]:
    """The text in one write, or in two, cut inside a character if it has a long one."""
    data = text.encode()
    at = next((place + 1 for place, byte in enumerate(data) if byte >= 0xC0), 0) if letters else 0
    if at:
        yield delay, data[:at].decode("latin-1")
        data, delay = data[at:], 0.2
    yield delay, data.decode("latin-1")


def crash(once: Path) -> None:
    """Ends this process, once; `once` is the file that says that it did."""
    if not once.exists():
        once.touch()
        print("Fatal: the conformance server was asked to crash", flush=True)
        os._exit(139)


def as_json(value: Any, status: int = 200) -> Schedule:
    """A response of JSON."""
    return plain(status, json.dumps(value), "application/json")


def plain(status: int, text: str, kind: str = "text/plain") -> Schedule:
    """A response of text."""
    data = text.encode().decode("latin-1")
    return Schedule(
        steps=[(0, data)], framing="length", status=status, headers={"Content-Type": kind}
    )


def error(quirks: Quirks, status: int, message: str, code: str | None = None) -> Schedule:
    """An error in the server's form."""
    forms: dict[str, Any] = {
        "openai": {"error": {"message": message, "type": "invalid_request_error", "code": code}},
        "text": {"error": message, "error_type": "validation"},
        "detail": {"detail": [{"loc": ["body", "prompt"], "msg": message}]},
        "message": {"object": "error", "message": message, "code": status},
    }
    return (
        as_json(forms[quirks.errors], status)
        if quirks.errors in forms
        else plain(status, message if quirks.errors == "plain" else "")
    )


class Speaking(Connection):
    """A connection of the server."""

    main: Speaker
    others: ClassVar[dict[str, Speaker]] = {}
    """Further ones, under the paths /~KEY."""

    def data_received(self, data: bytes) -> None:
        """Answers a request once it is complete."""
        now = time.perf_counter_ns()
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        size = int(headers.get("content-length", 0))
        if len(body) < size:
            return
        self._received = body[size:]
        method, path, _ = first.split(" ")
        self._play(self.response(method, path, headers, body[:size]), now)

    def response(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Schedule:
        """The response of the speaker at a path; one more at /~configure."""
        if path == "/~configure":
            asked = json.loads(body)
            quirks = conformance_presets.PRESETS[asked["preset"]].but(asked["quirks"])
            self.others[asked["key"]] = replace_quirks(self.main, quirks)
            return plain(200, "")
        if path.startswith("/~"):
            key, _, rest = path[2:].partition("/")
            return self.others[key].respond(method, f"/{rest}", headers, body)
        return self.main.respond(method, path, headers, body)


def replace_quirks(speaker: Speaker, quirks: Quirks) -> Speaker:
    """Another speaker of the same model."""
    other = copy.copy(speaker)
    other.quirks, other.asked, other.seen = quirks, Counter(), []
    return other


DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ConformanceServer:
    """The server, in a process of its own, for a block."""

    def __init__(self, checkpoint: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--preset", "endpoint", "--model", str(checkpoint)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.root = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        self._keys = itertools.count()

    def speaks(self, preset: str, **quirks: Any) -> str:
        """The address of a server of that preset with other switches."""
        url = f"{self.root}/~k{next(self._keys)}"
        self.changes(url, preset, **quirks)
        return url

    def changes(self, url: str, preset: str, **quirks: Any) -> None:
        """Gives a server other switches, as an endpoint changes behind its name."""
        key = url.rpartition("~")[2]
        asked = json.dumps({"key": key, "preset": preset, "quirks": quirks}).encode()
        with DIRECTLY.open(f"{self.root}/~configure", asked) as done:
            done.read()

    def seen(self, url: str) -> list[dict[str, Any]]:
        """The requests for a text that a server has got."""
        with DIRECTLY.open(f"{url}/seen") as found:
            requests: list[dict[str, Any]] = json.loads(found.read())
        return requests

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        """Ends it."""
        self._process.kill()
        self._process.communicate()


async def serve(host: str, port: int, speaker: Speaker) -> None:
    """Serves until it is ended."""
    Speaking.main = speaker
    server = await asyncio.get_running_loop().create_server(Speaking, host, port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Reads the arguments and serves; ignores those that another server would understand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", required=True, choices=sorted(conformance_presets.PRESETS))
    parser.add_argument("--model", required=True, type=Path, help="a checkpoint's folder")
    parser.add_argument("--name", default="model")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--quirks", default="{}", help="switches, as JSON")
    parser.add_argument("--key-from", help="the variable that has the key")
    given, _others = parser.parse_known_args()
    quirks = conformance_presets.PRESETS[given.preset].but(json.loads(given.quirks))
    if given.key_from:
        quirks = replace(quirks, key=os.environ[given.key_from])
    asyncio.run(serve(given.host, given.port, Speaker(quirks, given.model, given.name)))


if __name__ == "__main__":
    main()
