"""A job: what its program is given, and the digest of all that its result depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from frontier import identity
from frontier.fetching import environments
from frontier.identity.code import code
from frontier.identity.commands import shells


@dataclass(frozen=True)
class Step:
    """A job to be: `spec` is handed to its program, `identity` names its result.

    `depends_on` is recorded with the result: the digest, everything that enters it, and the same of
    the inputs that are results of jobs themselves, all the way down.
    """

    spec: dict[str, Any]
    identity: str
    depends_on: dict[str, Any]

    @property
    def spec_with_identity(self) -> str:
        """The program's --spec, with what the identity is made of for the result to keep."""
        return identity.canonical({**self.spec, "identity": self.depends_on})


@dataclass(frozen=True)
class Measuring(Step):
    """A measurement to be, of which each request has an identity of its own."""

    @property
    def request(self) -> str:
        """Digest of all that one request's answer and time depend on, but for its prompt.

        That is what the measurement is made of, without the sample and the task's template: they
        say what is asked, and are in the prompts.
        """
        spec, inputs = self.depends_on["spec"], self.depends_on["inputs"]
        task = {key: value for key, value in spec["task"].items() if key != "prompt"}
        inputs = {key: value for key, value in inputs.items() if key != "sample"}
        return _digest(self.depends_on | {"spec": spec | {"task": task}, "inputs": inputs})

    @property
    def spec_with_identity(self) -> str:
        """As any step's, with the identity of a request."""
        depends_on = self.depends_on | {"request": self.request}
        return identity.canonical({**self.spec, "identity": depends_on})


def step(
    rule: str,
    spec: dict[str, Any],
    inputs: Mapping[str, Any],
    *plugins: str,
    identity_spec: Any = None,
    environment: str | None = None,
    fetched: Mapping[str, Step] | None = None,
) -> Step:
    """A rule's job. `plugins` are the modules that its program picks by name.

    `inputs`: what it reads, by name: a step, or anything else by which the content is known.
    `identity_spec`: what of the specification the identity is made of, where that is not all.
    `environment`: where it runs, whose pins then stand for the versions of the core's packages.
    `fetched`: by which steps the inputs come that are known by their content or their pinned place.
    """
    found = code(rule, *plugins)
    if environment:
        inputs = {**inputs, "environment": environment_step(environment)}
    steps = {name: one for name, one in inputs.items() if isinstance(one, Step)}
    depends_on = {
        "spec": spec if identity_spec is None else identity_spec,
        "inputs": {**inputs, **{name: one.identity for name, one in steps.items()}},
        "command": shells()[rule],
        "definitions": found.digest,
        "code": found.modules,
        "packages": {} if environment else found.packages,
    }
    digest = _digest(depends_on)
    upstream = {name: one.depends_on for name, one in steps.items()}
    come = {name: one.identity for name, one in (fetched or {}).items()}
    more = {"upstream": upstream, "fetched": come}
    return Step(spec, digest, {"rule": rule, "digest": digest, **depends_on, **more})


def _digest(depends_on: dict[str, Any]) -> str:
    """The digest of what a result depends on.

    Where its inputs come from is no part of it; nor is "code", which says by module what the
    definitions are: those may move from one module to another.
    """
    parts = ("spec", "inputs", "command", "definitions", "packages")
    return identity.digest({part: depends_on[part] for part in parts})


@cache
def environment_step(name: str) -> Step:
    """An environment of its own, for whose building the pins and Python's version are all."""
    spec, digest = {"name": name, **environments.requirements(name)}, environments.identity(name)
    return Step(spec, digest, {"rule": "environment", "digest": digest, "spec": spec})
