"""The specification of judge_requests.py: the requests to a judge about a cell's answers."""

from __future__ import annotations

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
    """The parts of a judge's prompts."""

    template: AsksFor
    prompt: str
    """The task's prompt, which is the question unless a field is."""
    question: str | None = None
    """The field with the question."""
    baseline: str | None = None
    """The field with the other answer."""
