"""From a prompt to token ids and back to an answer: the same for every engine.

Each engine uses the checkpoint's own tokenizer, through Hugging Face's, so that all of them see
the same ids, and a chat template means the same everywhere. It needs no torch, and reads what
transformers 4 and 5 have saved with either of them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import transformers

from frontier.engines import Generation, UnsupportedError
from frontier.errors import UserError, one_line

UNTRUSTED = (
    "the checkpoint's own code must run to load it; read it, and if you trust it, give the model "
    "trust_remote_code: true in config/models.yaml"
)
STOP_WINDOW = 16  # tokens; a stop text is looked for in this much of the end


class Prompting:
    """A checkpoint's tokenizer, its prompt style and what ends its texts."""

    def __init__(self, checkpoint: Path, style: str, *, trust_remote_code: bool = False) -> None:
        """Read tokenizer and configuration.

        Raises UserError where they are unreadable, or the chat template asked for is missing.
        """
        try:
            self.tokenizer = _tokenizer(checkpoint, trust_remote_code)
            self.config: Any = transformers.AutoConfig.from_pretrained(
                checkpoint, trust_remote_code=trust_remote_code
            )
            self.eos = _end_tokens(checkpoint, self.tokenizer.eos_token_id)
        except (OSError, ValueError, KeyError, ImportError) as error:
            if "trust_remote_code" in str(error):
                raise UserError(f"{checkpoint}: {UNTRUSTED}") from error
            raise UserError(f"{checkpoint}: unreadable checkpoint: {_short(error)}") from error
        if style == "chat" and self.tokenizer.chat_template is None:
            raise UserError("prompt: chat, but the model's tokenizer has no chat template")
        self.style = style
        self.positions: int | None = getattr(
            self.config.get_text_config(), "max_position_embeddings", None
        )

    def encode(self, prompt: str, new_tokens: int) -> list[int]:
        """The prompt's ids; special tokens once, from the template or the tokenizer.

        Raises UnsupportedError where the model has no positions for them and `new_tokens` more:
        learned positions end, and beyond its length any model answers for what it never saw.
        """
        if self.style == "chat":
            prompt = self.tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}], add_generation_prompt=True, tokenize=False
            )
        elif self.style != "plain":
            prompt = self.style.replace("{prompt}", prompt)
        ids: list[int] = self.tokenizer(prompt, add_special_tokens=self.style != "chat")[
            "input_ids"
        ]
        tokens = len(ids) + new_tokens
        if self.positions is not None and tokens > self.positions:
            raise UnsupportedError(
                f"a request of {tokens} tokens, new ones included, is longer than the model's "
                f"{self.positions} positions"
            )
        return ids

    def stopped(self, tokens: Sequence[int], stop: Sequence[str]) -> bool:
        """Whether a stop text stands at the end of what has been generated."""
        if not stop:
            return False
        tail = self._text(tokens[-STOP_WINDOW:])
        return any(text in tail for text in stop)

    def answer(
        self,
        prompt_tokens: int,
        tokens: Sequence[int],
        token_ns: list[int],
        start_ns: int,
        stop: Sequence[str],
    ) -> Generation:
        """The generation made of `tokens`; reads the clock when the text is complete."""
        text = self._text(tokens)
        end = time.perf_counter_ns()
        cuts = [at for at in (text.find(mark) for mark in stop) if at >= 0]
        ended = tokens[-1] in self.eos or self.stopped(tokens, stop)
        return Generation(
            text=text[: min(cuts)] if cuts else text,
            prompt_tokens=prompt_tokens,
            finish_reason="stop" if ended else "length",
            start_ns=start_ns,
            token_ns=token_ns,
            end_ns=end - start_ns,
        )

    def _text(self, tokens: Sequence[int]) -> str:
        """What the model wrote; transformers 4 would take spaces out where 5 does not."""
        text: str = self.tokenizer.decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text


def kv_bytes_per_token(config: Any, width: int) -> int:
    """Bytes that the key-value cache grows by for each token: layers · kv_heads · head_dim · 2.

    `config` is a `Prompting`'s and `width` the bytes of one cached number.
    """
    config = config.get_text_config()
    heads = config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    kv_heads = getattr(config, "num_key_value_heads", None) or heads
    if config.model_type == "falcon":
        # Falcon's new decoder (40B) has fewer key-value heads, but transformers caches them
        # broadcast to all of its heads.
        shared = config.multi_query and not config.new_decoder_architecture
        kv_heads = 1 if shared else heads
    return int(config.num_hidden_layers * kv_heads * head_dim * 2 * width)


def _tokenizer(checkpoint: Path, trust_remote_code: bool) -> Any:
    """The checkpoint's tokenizer.

    transformers 5 saves most of them under a name, and with a list of special tokens, that
    transformers 4 cannot read; tokenizer.json holds all that is needed.
    """
    path = checkpoint / "tokenizer_config.json"
    saved = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    own = trust_remote_code and "auto_map" in saved
    if saved.get("tokenizer_class") == "TokenizersBackend" and not own:
        return transformers.PreTrainedTokenizerFast.from_pretrained(
            checkpoint, extra_special_tokens={}
        )
    return transformers.AutoTokenizer.from_pretrained(
        checkpoint, trust_remote_code=trust_remote_code
    )


def _end_tokens(checkpoint: Path, otherwise: int | None) -> tuple[int, ...]:
    """The ids that end a text: as the generation config says, else the config, else `otherwise`."""
    for name in ("generation_config.json", "config.json"):
        path = checkpoint / name
        saved = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        found = saved.get("eos_token_id")
        if found is not None:
            return tuple(found) if isinstance(found, list) else (found,)
    return () if otherwise is None else (otherwise,)


def _short(error: BaseException) -> str:
    return one_line(error)[:300]
