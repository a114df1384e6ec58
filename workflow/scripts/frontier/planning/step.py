"""Steps: a job's specification, and the digest of all that its result depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from pydantic import BaseModel, JsonValue

from frontier import identity
from frontier.fetching import environments
from frontier.identity.code import code
from frontier.identity.commands import shells

Given = BaseModel | Mapping[str, JsonValue]
"""A program's specification: one of frontier/specs, or keys that the program checks."""


def _written(given: Given) -> dict[str, JsonValue]:
    """The set keys as JSON."""
    if isinstance(given, BaseModel):
        return given.model_dump(mode="json", exclude_unset=True)
    return dict(given)


@dataclass(frozen=True)
class Step:
    """A planned job: `spec` is passed to its program, `identity` names its result.

    `depends_on` is recorded with the result: the digest, everything that enters it, and the same of
    the inputs that are results of jobs themselves, all the way down.
    """

    given: Given
    identity: str
    depends_on: dict[str, JsonValue]

    @property
    def spec(self) -> dict[str, JsonValue]:
        """The program's specification as JSON."""
        return _written(self.given)

    @property
    def spec_with_identity(self) -> str:
        """The program's --spec, with the identity's parts, which the result records."""
        return identity.canonical({**self.spec, "identity": self.depends_on})


Known = Step | JsonValue
"""An input: the step that makes it, or something else by which its content is known."""


@dataclass(frozen=True)
class Measuring(Step):
    """A planned measurement, whose requests have an identity of their own."""

    @property
    def request(self) -> str:
        """The digest of all that one request's answer and time depend on, except its prompt.

        It is the measurement's identity without the sample and the task's template, which only
        determine the prompts.
        """
        spec = _block(self.depends_on["spec"])
        task = _without(_block(spec["task"]), "prompt")
        inputs = _without(_block(self.depends_on["inputs"]), "sample")
        return _digest({**self.depends_on, "spec": {**spec, "task": task}, "inputs": inputs})

    @property
    def spec_with_identity(self) -> str:
        """The program's --spec, with the request's identity as well."""
        depends_on = self.depends_on | {"request": self.request}
        return identity.canonical({**self.spec, "identity": depends_on})


def _block(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _without(block: dict[str, JsonValue], key: str) -> dict[str, JsonValue]:
    return {name: one for name, one in block.items() if name != key}


def step(
    rule: str,
    given: Given,
    inputs: Mapping[str, Known],
    *plugins: str,
    identity_spec: JsonValue = None,
    environment: str | None = None,
    fetched: Mapping[str, Step] | None = None,
) -> Step:
    """The step for a rule. `plugins` are the modules that its program selects by name.

    `inputs`: its inputs by name: a step, or another identification of the content.
    `identity_spec`: the part of the specification that enters the identity, if not all of it.
    `environment`: where it runs; its pins then replace the versions of the core's packages.
    `fetched`: the steps that provide the inputs identified by content or by a pinned place.
    """
    found = code(rule, *plugins)
    if environment:
        inputs = {**inputs, "environment": environment_step(environment)}
    steps = {name: one for name, one in inputs.items() if isinstance(one, Step)}
    known: dict[str, JsonValue] = {
        name: one.identity if isinstance(one, Step) else one for name, one in inputs.items()
    }
    depends_on: dict[str, JsonValue] = {
        "spec": _written(given) if identity_spec is None else identity_spec,
        "inputs": known,
        "command": shells()[rule],
        "definitions": found.digest,
        "code": dict(found.modules),
        "packages": {} if environment else dict(found.packages),
    }
    digest = _digest(depends_on)
    upstream: dict[str, JsonValue] = {name: one.depends_on for name, one in steps.items()}
    come: dict[str, JsonValue] = {name: one.identity for name, one in (fetched or {}).items()}
    more: dict[str, JsonValue] = {"upstream": upstream, "fetched": come}
    return Step(given, digest, {"rule": rule, "digest": digest, **depends_on, **more})


def _digest(depends_on: dict[str, JsonValue]) -> str:
    """The digest of what a result depends on.

    The origin of its inputs is not part of it, nor is "code", the definitions listed by module:
    they may move from one module to another.
    """
    parts = ("spec", "inputs", "command", "definitions", "packages")
    return identity.digest({part: depends_on[part] for part in parts})


@cache
def environment_step(name: str) -> Step:
    """The step that builds an environment, which depends only on its pins and Python's version."""
    spec, digest = {"name": name, **environments.requirements(name)}, environments.identity(name)
    return Step(spec, digest, {"rule": "environment", "digest": digest, "spec": spec})
