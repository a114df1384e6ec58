"""Requests as a server gets them: rendered and tokenized by the checkpoint, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from frontier import templates
from frontier.dialects import Ask, Dialect, Protocol, protocol
from frontier.dialects.common.counting import SHARE, SLACK
from frontier.dialects.common.fields import fields, sent_stops
from frontier.dialects.common.likelihoods import Continued
from frontier.dialects.common.streams import Stream
from frontier.engines import Generate, Generation, Settings
from frontier.engines.common.prompting import Prompting
from frontier.errors import UnsupportedError
from frontier.prompts import Chat, Prompt, as_chat
from frontier.requests import Request


@dataclass(frozen=True)
class Sent:
    """A request as it is sent."""

    texts: tuple[str, ...]
    """Its messages, or its prompt."""
    fields: dict[str, Any]
    prompt_tokens: int | None
    """The number by the checkpoint's tokenizer; None without one."""

    @property
    def body(self) -> bytes:
        """Its fields as JSON."""
        return as_json(self.fields)


class Sending:
    """The requests to one model of one server."""

    def __init__(
        self,
        dialect: Dialect,
        settings: Settings,
        model: str,
        prompting: Prompting | None = None,
        context: int | None = None,
        added: Mapping[str, Any] | None = None,
    ) -> None:
        """`model`: its name in requests; `context`: the most tokens of prompt and answer, if known;
        `added`: further fields of each request."""
        self.dialect = dialect.model_copy(update={"add": {**dialect.add, **(added or {})}})
        self.protocol: Protocol = protocol(dialect)
        self.model, self.prompting, self.context = model, prompting, context
        self._style, self._system = settings.prompt, settings.system

    @property
    def by_checkpoint(self) -> bool:
        """True if the checkpoint's own template and tokenizer make the prompt."""
        return self.prompting is not None and self.dialect.api == "completions"

    def render(self, prompt: Prompt) -> str:
        """The prompt in the chat template of the checkpoint, or as the server's own gets it."""
        if self.prompting and self.by_checkpoint:
            return self.prompting.render(prompt)
        return "\n\n".join(self._texts(self._chat(prompt)))

    def _chat(self, prompt: Prompt) -> Chat:
        """The messages for the server's own template, or the text that it continues."""
        chat = as_chat(prompt)
        if self._style not in ("plain", "chat"):
            chat = replace(chat, prompt=templates.fill(self._style, {"prompt": chat.prompt}))
        if self.dialect.api != "completions":
            return chat
        if chat.shots:
            raise UnsupportedError("completions: there is no chat template for shots as turns")
        if chat.system is not None:
            raise UnsupportedError("completions: there is no chat template for a system message")
        return Chat(chat.text)

    def _texts(self, chat: Chat) -> tuple[str, ...]:
        """The texts of all messages in order."""
        system = self._system if chat.system is None else chat.system
        before = [] if system is None else [system]
        ends = [chat.begins] if chat.begins else []
        return (*before, *(text for _, text in chat.turns), *ends)

    def fits(self, request: Request) -> bool:
        """Whether the model and the server have room for a request, as far as is known."""
        try:
            if isinstance(request, Generate):
                self._ids(request)
            elif self.by_checkpoint:
                for text in request.choices:
                    self.continued(request.prompt, text)
            else:
                self._ids(Generate(request.prompt, 1))
        except UnsupportedError:
            return False
        return True

    def _ids(self, request: Generate) -> list[int] | None:
        """The prompt's ids, if there is a tokenizer. Raises UnsupportedError if too long."""
        if not self.prompting:
            return None
        ids = self.prompting.encode(request.prompt, request.max_new_tokens)
        self._check_length(len(ids) + request.max_new_tokens)
        return ids

    def sent(self, request: Generate) -> Sent:
        """The request in the server's terms. Raises UnsupportedError if it is too long."""
        ids = self._ids(request)
        limits = request.max_new_tokens, request.stop
        if self.by_checkpoint:
            texts: tuple[str, ...] = (self.render(request.prompt),)
            prompt = tuple(ids or ()) if self.dialect.prompt_ids else self._text(texts[0])
            ask = Ask(self.model, prompt, *limits, sampling=request.sampling)
        else:
            chat = self._chat(request.prompt)
            texts = self._texts(chat)
            ask = Ask(
                self.model,
                chat.prompt,
                *limits,
                system=self._system if chat.system is None else chat.system,
                shots=chat.shots,
                begins=chat.begins,
                sampling=request.sampling,
            )
        own = len(ids) if ids is not None else None
        return Sent(texts, fields(self.protocol, ask, self.dialect), own)

    def _check_length(self, tokens: int) -> None:
        if self.context is not None and tokens > self.context:
            raise UnsupportedError(
                f"a request of {tokens} tokens, new ones included, is longer than the server's "
                f"context of {self.context}"
            )

    def _text(self, rendered: str) -> str:
        """The rendered prompt, with special tokens as text unless the server puts them there."""
        assert self.prompting
        if not self.prompting.beginning:
            return rendered
        begin: str = self.prompting.tokenizer.decode(self.prompting.beginning)
        bare = rendered.removeprefix(begin)
        return bare if self.dialect.adds_special else begin + bare

    def continued(self, prompt: Prompt, text: str, *, as_text: bool = False) -> Continued:
        """A prompt and a text after it, as the server takes them. Raises UnsupportedError if they
        are too long, or there is no tokenizer."""
        if not self.prompting or not self.by_checkpoint:
            raise UnsupportedError("the likelihood of a text needs the checkpoint's tokenizer")
        before, after, merged = self.prompting.continued(prompt, text)
        self._check_length(len(before) + len(after) + 1)
        ids = (*before, *after)
        whole: str | tuple[int, ...] = ids
        if as_text or not self.dialect.prompt_ids:
            whole = self._text(self.prompting.render(prompt) + text)
        begun = len(self.prompting.beginning)
        return Continued(self.model, whole, ids, len(after), begun, merged)

    def doubts(
        self, stream: Stream, read: Generation, request: Generate, own: int | None
    ) -> Iterator[str]:
        """The reasons why an answer may not be that of another engine to the same request.

        `own`: the prompt's tokens by the checkpoint's tokenizer. Elsewhere white space at the very
        beginning ends no answer; where a server says which token was last, an end-of-text is none.
        """
        most = request.max_new_tokens
        by_tokenizer = read.counted_by == "tokenizer" and read.finish_reason == "length"
        if by_tokenizer and abs(read.tokens - most) > max(SLACK, SHARE * most):
            yield f"counts: {read.tokens} tokens by its tokenizer, of an answer cut off at {most}"
        if own is not None and read.prompt_tokens != own:
            yield f"prompt: {read.prompt_tokens} tokens by the server, {own} by its tokenizer"
        blank = any(not text.strip() for text in sent_stops(request.stop, self.dialect))
        if blank and read.finish_reason == "stop" and not read.text.strip() and not read.thinking:
            ids = next((one.piece.ids for one in reversed(stream.pieces) if one.piece.ids), ())
            if not (ids and self.prompting and ids[-1] in self.prompting.eos):
                yield "stop: white space ended the answer before it began"

    def count(self, text: str) -> int:
        """The number of tokens of a text by the checkpoint's tokenizer."""
        assert self.prompting
        return len(self.prompting.tokenizer(text, add_special_tokens=False)["input_ids"])


def as_json(value: Any) -> bytes:
    """The bytes of a JSON value, without escapes that a server may not understand."""
    return json.dumps(value, ensure_ascii=False).encode(errors="replace")
