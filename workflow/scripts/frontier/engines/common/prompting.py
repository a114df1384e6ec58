"""Conversion of prompts to token ids and of tokens to answers, shared by all engines.

Each engine uses the checkpoint's own tokenizer, through Hugging Face's, so that all of them get the
same ids and chat templates. It needs no torch, and reads files saved by transformers 4 and 5 with
either of them.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import transformers

from frontier import templates
from frontier.arrivals import by_steps
from frontier.checkpoints import special_tokens, vocabulary
from frontier.checkpoints.chat import ChatTemplate, default_template
from frontier.engines import Generation, Settings
from frontier.engines.common import token_bytes
from frontier.engines.common.stopping import Endings, Written
from frontier.errors import Reason, UnsupportedError, UserError, one_line
from frontier.prompts import Prompt, Shot, as_chat

UNTRUSTED: Reason = (
    "the checkpoint's own code must run to load it; read it, and if you trust it, give the model "
    "trust_remote_code: true in config/models.yaml"
)
UNREADABLE = (AttributeError, ImportError, LookupError, OSError, TypeError, ValueError)


class Pair(NamedTuple):
    """The ids of a prompt and of a text after it."""

    before: list[int]
    after: list[int]
    merged: bool
    """Whether the text's first token has the end of the prompt too."""


def positions(config: Any) -> int | None:
    """The longest text of a model, in tokens; None if nothing limits it."""
    most: int | None = getattr(config.get_text_config(), "max_position_embeddings", None)
    return most


class Prompting:
    """A checkpoint's tokenizer, prompt style and end tokens."""

    def __init__(
        self,
        checkpoint: Path,
        style: str,
        *,
        trust_remote_code: bool = False,
        template_arguments: Mapping[str, Any] | None = None,
        template_date: date = templates.TODAY,
        system: str | None = None,
    ) -> None:
        """Reads tokenizer and configuration.

        Raises UserError if they are unreadable, or the requested chat template cannot be used.
        """
        try:
            self.tokenizer = vocabulary.read(checkpoint, trust_remote_code)
            self.config: Any = transformers.AutoConfig.from_pretrained(
                checkpoint, trust_remote_code=trust_remote_code
            )
            self.eos = special_tokens.ends(checkpoint, self.tokenizer)
        except Exception as error:
            # tokenizers raises a plain Exception for an unreadable file.
            if not isinstance(error, UNREADABLE) and type(error) is not Exception:
                raise
            if "trust_remote_code" in str(error):
                raise UserError(f"{checkpoint}: {UNTRUSTED}") from error
            raise UserError(f"{checkpoint}: unreadable checkpoint: {_short(error)}") from error
        self.style = style
        self.chat: ChatTemplate | None = None
        if style == "chat":
            source = default_template(self.tokenizer.chat_template)
            named = special_tokens.named(self.tokenizer)
            given = template_arguments or {}
            self.chat = ChatTemplate(source, named, given, template_date, system)
        self.special = special_tokens.left_out(self.tokenizer)
        written = token_bytes.reader(self.tokenizer)
        self._token_bytes = written and (
            lambda token: None if token in self.special else written(token)
        )
        self._endings: dict[tuple[str, ...], Endings] = {}
        self.beginning, self.closing = special_tokens.frame(self.tokenizer)
        self.positions = positions(self.config)
        _check_vocabulary(self.tokenizer, self.config, checkpoint)

    @classmethod
    def of(cls, checkpoint: Path, settings: Settings) -> Prompting:
        """The prompting of a cell's checkpoint. Raises UserError as the class does."""
        return cls(
            checkpoint,
            settings.prompt,
            trust_remote_code=settings.trust_remote_code,
            template_arguments=settings.template_arguments,
            template_date=settings.template_date,
            system=settings.system,
        )

    def render(self, prompt: Prompt) -> str:
        """The prompt in the chat template. Raises UserError if the template fails."""
        chat = as_chat(prompt)
        if chat.shots and not self.chat:
            raise UserError("earlier turns need a model with prompt: chat")
        if chat.system is not None and not self.chat:
            raise UserError("a system message needs a model with prompt: chat")
        if self.style == "plain":
            return chat.text
        begin, end = self.tokenizer.bos_token or "", self.tokenizer.eos_token or ""

        def bare(text: str) -> str:  # they apply to the whole text
            return text.removeprefix(begin).removesuffix(end)

        shots = tuple(Shot(bare(shot.question), shot.answer) for shot in chat.shots)
        chat = replace(chat, prompt=bare(chat.prompt), shots=shots)
        if self.chat:
            text = self.chat.render(chat)
        else:
            filled = templates.fill(self.style, {"prompt": chat.prompt})
            text = replace(chat, prompt=filled).text
        # A template's line break before the beginning of the text is not part of it.
        stripped = text.lstrip()
        return stripped if begin and stripped.startswith(begin) else text

    def encode(self, prompt: Prompt, new_tokens: int) -> list[int]:
        """The prompt's ids: special tokens once at the beginning, and none that end a text.

        They may come from the tokenizer, the chat template, or the user's template and prompt.
        Raises UnsupportedError if the model lacks positions for them and `new_tokens` more: learned
        positions end, and no model was trained beyond its length.
        """
        ids = self._ids(self.render(prompt))
        if not ids:
            asked = as_chat(prompt).prompt[:80]
            raise UserError(f"prompt {asked!r} has no tokens, so there is nothing to continue")
        self._check_length(len(ids) + new_tokens)
        return ids

    def continued(self, prompt: Prompt, text: str) -> Pair:
        """The ids of a prompt and those of a text after it, tokenized together.

        Spaces at the prompt's end belong to the text, as tokenizers join them to the next word. A
        token with the prompt's end and the text's beginning belongs to the text. The last id is
        never read by the model, so it needs no position. Raises UserError if one of them has no
        token, UnsupportedError if they are too long.
        """
        rendered = self.render(prompt)
        bare = rendered.rstrip(" ")
        before, whole = self._ids(bare), self._ids(rendered + text)
        same = zip(before, whole, strict=False)
        common = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], same))
        if not common or len(whole) == common:
            asked = as_chat(prompt).prompt[:80]
            raise UserError(f"{text[:80]!r} adds no token to prompt {asked!r}")
        self._check_length(len(whole) - 1)
        return Pair(whole[:common], whole[common:], common < len(before))

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        begins = {*self.beginning, self.tokenizer.bos_token_id}
        written = list(itertools.takewhile(begins.__contains__, ids))
        body = ids[len(written) :]
        while body and body[-1] in self.closing:
            body.pop()
        return (self.beginning or written[:1]) + body

    def _check_length(self, tokens: int) -> None:
        if self.positions is not None and tokens > self.positions:
            raise UnsupportedError(
                f"a request of {tokens} tokens, new ones included, is longer than the model's "
                f"{self.positions} positions"
            )

    def stopped(self, tokens: Sequence[int], stop: Sequence[str]) -> bool:
        """True if a stop text, including special tokens, has been generated.

        Called after each token, so it only considers stop texts that the last one completes.
        """
        if not stop:
            return False
        endings = self._endings.get(key := tuple(stop))
        if endings is None:
            endings = self._endings[key] = Endings(stop, self._token_bytes)
        if not endings.possible(tokens):
            return False
        if not self._written(tokens[-endings.window :]).mentions(stop):
            return False
        return self._written(tokens).cut(stop) is not None

    def answer(
        self,
        prompt_tokens: int,
        tokens: Sequence[int],
        token_ns: list[int],
        start_ns: int,
        stop: Sequence[str],
    ) -> Generation:
        """The generation of `tokens` at their times; reads the clock once its text is complete."""
        ended = bool(tokens) and tokens[-1] in self.eos
        written = self._written(tokens[:-1] if ended else tokens)
        text = written.answer(stop)
        ended = ended or written.cut(stop) is not None
        end = time.perf_counter_ns()
        return Generation(
            text=text,
            prompt_tokens=prompt_tokens,
            finish_reason="stop" if ended else "length",
            start_ns=start_ns,
            arrivals=by_steps(token_ns),
            end_ns=end - start_ns,
        )

    def _written(self, tokens: Sequence[int]) -> Written:
        return Written.read(tokens, self.special, self._text)

    def _text(self, tokens: Sequence[int]) -> str:
        """The text without special tokens; transformers 4 would remove spaces, 5 does not."""
        text: str = self.tokenizer.decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text


def _check_vocabulary(tokenizer: Any, config: Any, checkpoint: Path) -> None:
    """Raises UserError if the tokenizer has ids without a row in the embedding."""
    rows = getattr(config.get_text_config(), "vocab_size", None)
    if not isinstance(rows, int):
        return
    token, most = max(tokenizer.get_vocab().items(), key=lambda item: item[1])
    if most >= rows:
        raise UserError(
            f"{checkpoint}: the tokenizer is larger than the model's embedding: {token!r} is token "
            f"{most}, and vocab_size is {rows}"
        )


def _short(error: BaseException) -> Reason:
    return one_line(error)[:300]
