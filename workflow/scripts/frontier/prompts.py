"""Prompts: a question, the worked examples (shots) before it, and a forced beginning of the answer.

As text, examples and question are one prompt; as turns, they are a conversation, which a chat
template renders. Both are the same whatever engine is asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from frontier import templates

ShotStyle = Literal["text", "turns"]


@dataclass(frozen=True)
class Shot:
    """A worked example: the task's prompt for another row, and its right answer."""

    question: str
    answer: str


@dataclass(frozen=True)
class Chat:
    """A conversation that ends with the question, or with a beginning of its answer."""

    prompt: str
    """The question: the last message of the user."""
    shots: tuple[Shot, ...] = ()
    """Earlier messages of the user, each with the assistant's answer."""
    begins: str = ""
    """The beginning of the answer, which the model continues."""
    system: str | None = None
    """The system message of this conversation, instead of the task's or the model's."""

    @property
    def turns(self) -> list[tuple[str, str]]:
        """The messages up to the question, each with its role."""
        roles = ("user", "assistant")
        texts = [text for shot in self.shots for text in (shot.question, shot.answer)]
        texts.append(self.prompt)
        return [(roles[at % 2], text) for at, text in enumerate(texts)]

    @property
    def text(self) -> str:
        """The question and the beginning of its answer as one text."""
        return joined(self.prompt, self.begins) if self.begins else self.prompt

    def __len__(self) -> int:
        """The number of characters."""
        return sum(len(text) for _, text in self.turns) + len(self.begins)

    def __bool__(self) -> bool:
        """Always true, however short."""
        return True


UNKNOWN = "..."
"""The text in place of an answer that is not known yet."""
Prompt = str | Chat
"""A text, or a conversation with more than a question."""


def sample_ids(row_id: str, count: int) -> list[str]:
    """The ids of the requests for so many answers to a row's question."""
    return [row_id] if count == 1 else [f"{row_id}#{number}" for number in range(1, count + 1)]


def turn_ids(name: str, turns: int) -> list[str]:
    """The ids of the requests for the turns of a conversation, whose only one has its name."""
    return [name] if turns == 1 else [f"{name}@{turn}" for turn in range(1, turns + 1)]


def as_chat(prompt: Prompt) -> Chat:
    """The prompt as a conversation."""
    return prompt if isinstance(prompt, Chat) else Chat(prompt)


def written(prompt: Prompt) -> str:
    """The prompt as a text that no other prompt has, for digests."""
    if isinstance(prompt, str):
        return prompt
    system = [] if prompt.system is None else [("system", prompt.system)]
    return json.dumps([*system, *prompt.turns, ("assistant", prompt.begins)], ensure_ascii=False)


def joined(question: str, answer: str) -> str:
    """The question followed by its answer, with a space between them unless there is a gap."""
    gap = "" if not question or question[-1].isspace() else " "
    return f"{question}{gap}{answer}"


@dataclass(frozen=True)
class Question:
    """A row's question with all of its shots, the first drawn first."""

    prompt: str
    shots: tuple[Shot, ...] = ()
    style: ShotStyle = "text"
    separator: str = "\n\n"
    """Between examples, as text."""
    begins: str = ""
    sample: int = 0
    """The number of this sample of its answers, from 0."""
    preamble: str = ""
    """The text before the first example, once."""
    choices: tuple[str, ...] = ()
    """The answers whose likelihoods are asked for; none where an answer is generated."""
    system: str | None = None
    """The system message of this question alone."""
    stratum: str = ""
    """The row's group."""
    later: tuple[str, ...] = ()
    """The user's further messages, up to that of this turn."""
    follows: tuple[str, ...] = ()
    """The ids of the requests for the turns before this one."""
    answers: tuple[str, ...] = ()
    """The model's own answers in those turns; none until they are known."""

    def with_shots(self, count: int) -> Prompt:
        """The prompt with the first `count` of its shots, of which the first is the nearest.

        So it is the prompt of a task with a `count` of so many. A later turn is a conversation with
        the model's own answers to the turns before.
        """
        opening = self._opening(count)
        if self.system is not None:
            opening = replace(as_chat(opening), system=self.system)
        if not self.later:
            return opening
        first = as_chat(opening)
        answers = self.answers or (UNKNOWN,) * len(self.follows)
        said = zip((first.prompt, *self.later), answers, strict=False)
        before = (Shot(question, self.begins + answer) for question, answer in said)
        return replace(first, prompt=self.later[-1], shots=(*first.shots, *before))

    def _opening(self, count: int) -> Prompt:
        """The prompt of the first turn."""
        used = tuple(reversed(self.shots[:count]))
        if self.style == "turns":
            if not used:
                prompt = self.preamble + self.prompt
                return Chat(prompt, begins=self.begins) if self.begins else prompt
            first = replace(used[0], question=self.preamble + used[0].question)
            return Chat(self.prompt, (first, *used[1:]), self.begins)
        examples = [joined(shot.question, shot.answer) for shot in used]
        text = self.preamble + self.separator.join([*examples, self.prompt])
        return Chat(text, begins=self.begins) if self.begins else text

    @property
    def texts(self) -> list[str]:
        """All of its texts, the question first."""
        shots = (text for shot in self.shots for text in (shot.question, shot.answer))
        others = (
            self.preamble,
            self.begins,
            self.system,
            *self.choices,
            *self.later,
            *self.answers,
        )
        return [self.prompt, *filter(None, others), *shots]

    @property
    def whole(self) -> Prompt:
        """The prompt with all of its shots."""
        return self.with_shots(len(self.shots))

    @property
    def input(self) -> str:
        """All that is asked, with all shots, as a text by which another measurement finds it."""
        text = written(self.whole)
        if self.choices:
            text = json.dumps([text, *self.choices], ensure_ascii=False)
        return f"{text}\n#{self.sample}" if self.sample else text


@dataclass(frozen=True)
class Form:
    """The keys of a task that form its prompts, besides the template."""

    style: ShotStyle = "text"
    separator: str = "\n\n"
    begins: str = ""
    preamble: str = ""
    """A template of the question's fields."""


def question(
    template: str, row: Mapping[str, Any], form: Form = Form(), choices: Sequence[str] = ()
) -> Question:
    """The question of a sample's row, by the task's prompt template and its keys of prompts.

    A shot's answer has the forced beginning too.
    """
    shots: Sequence[Mapping[str, Any]] = row.get("shots", ())
    examples = (
        Shot(
            templates.fill(template, shot["fields"]),
            joined(form.begins, shot["reference"]) if form.begins else shot["reference"],
        )
        for shot in shots
    )
    return Question(
        templates.fill(template, row["fields"]),
        tuple(examples),
        form.style,
        form.separator,
        form.begins,
        preamble=templates.fill(form.preamble, row["fields"]),
        choices=tuple(choices),
        system=row.get("system"),
        stratum=row.get("stratum", ""),
    )


def choices_of(named: Sequence[str] | str, row: Mapping[str, Any]) -> tuple[str, ...]:
    """The answers among which a row's question is a choice, the right ones first if they are its
    own (`row`), else the task's labels in their order.
    """
    if not isinstance(named, str):
        return tuple(named)
    return (row["reference"], *row.get("also_accepted", ()), *row.get("wrong", ()))


def following(rendered: str, choices: Sequence[str]) -> tuple[str, ...]:
    """The choices as they follow a rendered prompt: behind a space, unless there is a gap."""
    gap = "" if rendered[-1:].isspace() else " "
    return tuple(gap + text for text in choices)
