"""Prompts and answers as processed here, as JSON: to compare environments with one another."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from frontier.engines.common.prompting import Prompting
from frontier.errors import UserError

STOPS = ((), ("\n",), ("<|im_end|>",), ("<|im_end|>\n",), ("\nQ:", " "))


def read(folder: Path, style: str, prompts: list[str]) -> dict[str, Any]:
    """A checkpoint's tokenization of prompts, and of their ids as an answer."""
    try:
        prompting = Prompting(folder, style)
    except UserError as error:
        return {"refused": str(error).replace(str(folder), "")}
    found: dict[str, Any] = {"eos": prompting.eos, "special": prompting.special}
    for prompt in prompts:
        ids = prompting.encode(prompt, 1)
        answers = [prompting.answer(1, ids, [], 0, stop) for stop in STOPS]
        found[prompt] = {
            "rendered": prompting.render(prompt),
            "ids": ids,
            "answers": [[answer.text, answer.finish_reason] for answer in answers],
            "stopped": [
                [prompting.stopped(ids[:count], stop) for count in range(1, len(ids))]
                for stop in STOPS
            ],
        }
    return found


def main() -> None:
    """Reads [[folder, style], …] and prompts from the arguments; prints what was found."""
    work, prompts = map(json.loads, sys.argv[1:3])
    print(json.dumps([read(Path(folder), style, prompts) for folder, style in work]))


if __name__ == "__main__":
    main()
