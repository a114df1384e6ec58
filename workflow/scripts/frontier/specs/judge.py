"""The specification of judge_requests.py: the requests to a judge about a cell's answers."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from frontier.judging import sets
from frontier.judging.sets import Kind, TemplateSet
from frontier.judging.templates import Form, Template
from frontier.specs import Spec


class AsksFor(Spec):
    """A judge's template."""

    form: Form
    text: str
    system: str | None = None

    def template(self) -> Template:
        """The template itself."""
        return Template(self.form, self.text, self.system)


class JudgeSpec(Spec):
    """The content of the requests to a judge."""

    form: Form
    templates: dict[Kind, AsksFor] = Field(default_factory=dict)
    """The templates; empty if they are in a file of the dataset."""
    file: str | None = None
    """The name of that file."""
    names: dict[Kind, str] = Field(default_factory=dict)
    """The names of its templates."""
    system: str | None = None
    """Text of the system message, instead of the templates'."""
    chat: bool = True
    """Whether the judge gets a system message; one without a chat has it before the request."""
    prompts: tuple[str, ...]
    """The task's prompts by turn, which are the questions unless a field is."""
    samples: int = 1
    """The answers to each question."""
    question: str | None = None
    """The field with the question."""
    references: tuple[str, ...] = ()
    """The fields with the right answers by turn, "" in rows without."""
    baseline: str | None = None
    """The field with the other answer."""
    choices: bool = False
    """Whether the likelihoods of verdicts are asked for, and not a text."""
    check_sha256: str | None = None
    """The digest of the file of pairs whose better answer is known."""

    def template_set(self, dataset: Path | None) -> TemplateSet:
        """The templates, those of a file from the dataset's folder. Raises UserError as `named`."""
        if self.file is None or dataset is None:
            found = {kind: one.template() for kind, one in self.templates.items()}
        else:
            found = sets.named(dataset / self.file, self.names, self.form)
        if self.system is not None:
            found = {kind: Template(one.form, one.text, self.system) for kind, one in found.items()}
        return TemplateSet(**found)
