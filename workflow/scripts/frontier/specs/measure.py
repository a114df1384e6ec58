"""The specification of measure.py: the catalogue's keys that decide a cell's answers and times.

These are the keys marked in the catalogue (checked by tests/unit/test_specs.py); a plug-in's keys
are those of its class.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    JsonValue,
    ValidationInfo,
    field_validator,
)

from frontier import templates
from frontier.blocks import Accelerator, Dtype, TokenPrices
from frontier.catalogue.devices import Warmup
from frontier.engines import AnyEngine
from frontier.errors import UserError, did_you_mean
from frontier.host.budget import LEDGER, Budget, Limit
from frontier.prompts import Form, Question, ShotStyle, choices_of, question, sample_ids, turn_ids
from frontier.requests import Sampling
from frontier.results.key import Key, MeasureIdentity
from frontier.specs import Spec
from frontier.specs.ways import AnyQuantizer, AnyTechnique
from frontier.text import shown


class MeasuredModel(Spec):
    """A model's keys (config/models.yaml); a checkpoint's only if it is loaded here."""

    served: str | None = None
    """Its name at the device's endpoint, which runs elsewhere."""
    dtype: Dtype | None = None
    prompt: str
    system: str | None = None
    trust_remote_code: bool = False
    template_arguments: dict[str, JsonValue] = Field(default_factory=dict)
    template_date: date = templates.TODAY
    published: str | None = None


class MeasuredDevice(Spec):
    """A device's keys (config/devices.yaml)."""

    accelerator: Accelerator
    gpu: str | None = None
    gpus: int
    threads: int | Literal["auto"]
    dtype: Dtype | None = None
    warmup: Warmup
    prefix_cache: bool = False


class MeasuredShots(Spec):
    """The keys of worked examples that decide a prompt, given the sample's (config/tasks.yaml)."""

    count: int
    as_: Annotated[ShotStyle, Field(alias="as")]
    separator: str


class MeasuredSamples(Spec):
    """The keys of random answers (config/tasks.yaml)."""

    count: int
    temperature: float
    top_p: float
    seed: int
    strata: dict[str, float] | None = None

    def check(self, strata: set[str]) -> None:
        """Raises UserError for a temperature of a stratum that no row has, if others have none."""
        for name in self.strata or ():
            others = strata - {*(self.strata or ())}
            if name not in strata and others:
                hint = did_you_mean(name, others)
                raise UserError(f"samples.strata: no row is of the stratum {shown(name)}{hint}")

    def of(self, question: Question) -> Sampling | None:
        """The choice of tokens for a question, the same wherever it is asked; None: the likeliest.

        A stratum may have a temperature of its own.
        """
        temperature = (self.strata or {}).get(question.stratum, self.temperature)
        if temperature == 0:
            return None
        text = f"{self.seed}\n{question.input}".encode(errors="surrogatepass")
        seed = int.from_bytes(hashlib.sha256(text).digest()[:4], "big") >> 1
        return Sampling(temperature, self.top_p, seed)


class MeasuredTask(Spec):
    """A task's keys (config/tasks.yaml)."""

    prompt: str
    follow_ups: tuple[str, ...] | None = None
    choices: tuple[str, ...] | Literal["row"] | None = None
    max_new_tokens: Annotated[int, Field(validate_default=True)] = 0
    stop: tuple[str, ...] = ()
    preamble: str | None = None
    system: str | None = None
    shots: MeasuredShots | None = None
    answer_begins: str | None = None
    samples: MeasuredSamples | None = None

    @field_validator("max_new_tokens")
    @classmethod
    def _generates_or_chooses(cls, tokens: int, others: ValidationInfo) -> int:
        if not tokens and not others.data.get("choices"):
            raise ValueError("Field required")
        return tokens

    def question(self, row: Mapping[str, Any]) -> Question:
        """The question of a sample's row, with all of its shots.

        Raises UserError for a row whose right answer is not one of the choices.
        """
        form = Form(begins=self.answer_begins or "", preamble=self.preamble or "")
        if self.shots:
            form = replace(form, style=self.shots.as_, separator=self.shots.separator)
        if self.choices is None:
            return question(self.prompt, row, form)
        choices = choices_of(self.choices, row)
        if row["reference"] not in choices:
            hint = did_you_mean(row["reference"], choices)
            raise UserError(
                f"request {row['id']}: reference {shown(row['reference'])} is not one of the "
                f"choices{hint}"
            )
        return question(self.prompt, row, form, choices)

    def questions(self, rows: Iterable[Mapping[str, Any]]) -> dict[str, Question]:
        """The questions of a sample by the ids of their requests, each as often as it is asked.

        The turns of a conversation follow one another.
        """
        rows = list(rows)
        if self.samples:
            self.samples.check({str(row.get("stratum", "")) for row in rows})
        count = self.samples.count if self.samples else 1
        return {
            name: replace(found, sample=number, later=later[:turn], follows=tuple(names[:turn]))
            for row in rows
            for found in [self.question(row)]
            for later in [
                tuple(templates.fill(one, row["fields"]) for one in self.follow_ups or ())
            ]
            for number, sample in enumerate(sample_ids(row["id"], count))
            for names in [turn_ids(sample, 1 + len(later))]
            for turn, name in enumerate(names)
        }


class Costs(Spec):
    """The prices of a paid endpoint, and the most money that its requests may cost.

    They decide when measuring stops, but no answer and no time, so no identity has them.
    """

    tokens: TokenPrices | None = None
    per_hour: float | None = None
    max_cost: float | None = None
    """The limit for this cell."""
    study_max_cost: float | None = None
    """The limit for all cells of the study."""
    others: tuple[str, ...] = ()
    """The folders of the study's other paid cells."""

    def limits(self, device: str) -> Iterator[Limit]:
        """The limits that the catalogue sets."""
        if self.max_cost is not None:
            yield Limit(f"max_cost of device {device!r}", self.max_cost)
        if self.study_max_cost is not None:
            yield Limit("max_cost of the study", self.study_max_cost, tuple(map(Path, self.others)))


class MeasureSpec(Spec):
    """A cell to be measured."""

    cell: Key
    memory_bytes: int | None = None
    """The device's memory, if known while planning."""
    environment: str | None = None
    """workflow/envs/ENVIRONMENT.txt in which it runs; None: the core's own."""
    max_background_cores: float
    max_drift: float | None = None
    max_slowed: float = 1.0
    attempts: int = 1
    model: MeasuredModel
    quantization: AnyQuantizer
    techniques: tuple[AnyTechnique, ...] = ()
    device: MeasuredDevice
    engine: AnyEngine
    engine_id: str
    dtype: str
    """The precision of the parts that are not quantized; empty if an endpoint decides it."""
    task: MeasuredTask
    scenario_keys: dict[str, JsonValue] = Field(default_factory=dict)
    """The keys of the task that are the scenario's."""
    references: tuple[str, ...] = ()
    """The code's references outside the project, whose packages' versions sessions record."""
    costs: Costs | None = None
    """None if its requests cost nothing."""
    identity: MeasureIdentity | None = None

    def budget(self, folder: Path) -> Budget:
        """The money that the measurement in `folder` may cost; nothing limits what is free."""
        if self.costs is None:
            return Budget()
        paid, limits = self.costs, tuple(self.costs.limits(self.cell.device))
        name, ledger = self.cell.place.name, folder / LEDGER
        return Budget(name, ledger, paid.tokens, paid.per_hour, limits)

    @property
    def digest(self) -> str:
        """Its identity; "" for a specification by hand."""
        return self.identity.digest if self.identity else ""

    @property
    def request(self) -> str | None:
        """The identity of its requests; None for a specification by hand."""
        return self.identity.request if self.identity else None
