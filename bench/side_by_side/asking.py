"""The requests of this workflow's measurement, in the form that other tools need."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from frontier.engines.common.prompting import Prompting
from frontier.errors import UserError
from frontier.results import measurement
from frontier.results.records import read
from frontier.specs.measure import MeasureSpec
from frontier.values import read_lines
from side_by_side.asked import Asked, Request


def asked(folder: Path, sample: Path, checkpoint: Path) -> tuple[Asked, bool, list[str]]:
    """The requests; whether their ids begin with a special token; those that are tokenized else.

    The last are the ids of requests whose text another tool would tokenize into other ids. Raises
    UserError for a task that other tools cannot be asked.
    """
    measured = measurement.read(folder / "measurement.json")
    spec = MeasureSpec.model_validate_json(json.dumps(measured.spec))
    if not spec.task.max_new_tokens or spec.task.follow_ups or spec.task.samples:
        raise UserError("only tasks with one generated answer to each question are compared")
    model = spec.model
    prompting = Prompting(
        checkpoint,
        model.prompt,
        trust_remote_code=model.trust_remote_code,
        template_arguments=model.template_arguments,
        template_date=model.template_date,
        system=spec.task.system or model.system,
    )
    rows = read_lines(sample)
    references = {row["id"]: row["reference"] for row in rows}
    digests = {one.id: one.prompt_sha256 for one in read(folder / "requests.jsonl")}
    requests, other = [], []
    begins = bool(prompting.beginning)
    for name, question in spec.task.questions(rows).items():
        prompt = question.whole
        text, ids = prompting.render(prompt), prompting.encode(prompt, spec.task.max_new_tokens)
        if hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest() != digests[name]:
            raise UserError(f"request {name}: asked with fewer examples; choose a smaller task")
        requests.append(Request(name, text, ids, references[name]))
        if prompting.tokenizer(text, add_special_tokens=begins)["input_ids"] != ids:
            other.append(name)
    stop = list(spec.task.stop)
    stopping = [
        token
        for token in sorted(prompting.tokenizer.get_vocab().values())
        if token not in prompting.eos
        and any(one in prompting.tokenizer.decode([token]) for one in stop)
    ]
    ends, dtype = sorted(prompting.eos), measured.dtype or "float32"
    found = Asked(requests, spec.task.max_new_tokens, stop, ends, stopping, dtype)
    return found, begins, other


def main() -> None:
    """Writes them as JSON; apart, since it imports what a small process should not."""
    folder, sample, checkpoint, output = map(Path, sys.argv[1:])
    found, begins, other = asked(folder, sample, checkpoint)
    found.write(output)
    output.with_suffix(".tokens.json").write_text(json.dumps({"begins": begins, "other": other}))


if __name__ == "__main__":
    main()
