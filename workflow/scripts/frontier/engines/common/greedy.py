"""Generation from an exported graph, token by token.

transformers' `generate`, through optimum, adds about a tenth of a millisecond to each token and
copies the logits of the whole prompt. It is used only for graphs with unusual inputs.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Sequence

from frontier.engines import Generate, Generation
from frontier.engines.common.choosing import Choose, chooser
from frontier.engines.common.generating import HfGenerateModel, out_of_memory

Forward = Callable[[Sequence[int]], int]
"""Maps the next input ids, the prompt at first, to the id of the token after them."""


class Greedy(HfGenerateModel):
    """An engine around a graph; `model` is optimum's, whose `generate` is the fallback."""

    @abstractmethod
    def begun(self, tokens: int, choose: Choose) -> Forward | None:
        """Starts a request of `tokens` tokens in total, with an empty key-value cache.

        `choose` chooses each token from its logits.

        None if the graph does not have the usual inputs.
        """

    def generate(self, request: Generate) -> Generation:
        """The completion of a prompt. Raises OutOfMemoryError, UnsupportedError (too long)."""
        self.synchronize()
        start = time.perf_counter_ns()
        ids = self.prompting.encode(request.prompt, request.max_new_tokens)
        tokens: list[int] = []
        token_ns: list[int] = []
        step = self.begun(len(ids) + request.max_new_tokens, chooser(request.sampling))
        if step is None:
            return super().generate(request)
        further = ids
        with self._first(), out_of_memory(self.allocation_errors):
            while len(tokens) < request.max_new_tokens:
                token = step(further)
                token_ns.append(time.perf_counter_ns() - start)
                tokens.append(token)
                if token in self.prompting.eos or self.prompting.stopped(tokens, request.stop):
                    break
                further = [token]
        return self.prompting.answer(len(ids), tokens, token_ns, start, request.stop)
