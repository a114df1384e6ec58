"""A device's entry in the catalogue: hardware, its engine, and the settings of a measurement."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from frontier.blocks import (
    Accelerator,
    Derived,
    Dtype,
    Entry,
    Label,
    Measure,
    Name,
    Operate,
    Plan,
    Positive,
    Rows,
    Score,
    Show,
)

HARDWARE = (
    "gpu", "gpus", "gpu_model", "threads", "dtype", "unsupported_dtypes", "memory_gb",
    "bandwidth_gb_s", "tflop_s",
)  # fmt: skip
"""Keys that an endpoint, which runs elsewhere, does not have."""
ENDPOINT = ("serves", "max_cost")
"""Keys that only an endpoint has."""


class Warmup(Entry):
    """Untimed requests before the timed ones, until latency has settled."""

    minimum: Annotated[Rows, Measure] = 5
    """Requests per round; the same ones each time."""
    maximum: Annotated[Rows, Measure] = 100
    """Requests after which warming up stops; the measurement is then invalid."""
    tolerance: Annotated[float, Field(gt=0, le=100), Measure] = 0.1
    """Settled: the median change of a request from one round to the next is below this share."""

    @model_validator(mode="after")
    def _can_settle(self) -> Warmup:
        if self.maximum < 2 * self.minimum:
            raise ValueError(
                f"maximum {self.maximum} must be at least twice minimum {self.minimum}: "
                "latency has settled when a round is as fast as the one before"
            )
        return self


class Device(Derived):
    """A place where a variant runs: hardware and the engine on it."""

    engine: Annotated[str, Plan] = "transformers"
    """Id of engines.yaml. What its block says decides, not its name."""
    accelerator: Annotated[Accelerator, Measure]
    """The hardware that computes; `remote`: an endpoint that runs elsewhere."""
    serves: Annotated[dict[str, Label], Plan] = Field(default_factory=dict)
    """Names by which its endpoint serves models, by their ids in models.yaml; a model with
    `served` has one of its own. The name of a model decides its measurements."""
    prefix_cache: Annotated[bool, Measure] = False
    """Let a server answer from the cached prefix of earlier prompts; off where it can be."""
    gpu: Annotated[Label | None, Measure] = None
    """Part of the GPU's name as the driver reports it; the host must have such a GPU."""
    gpus: Annotated[int, Field(ge=0, le=1024), Measure] = 0
    """GPUs that a job reserves; with accelerator cpu nothing is computed on them."""
    gpu_model: Annotated[Name | None, Plan] = None
    """Name of such GPUs in a Slurm cluster, as in `--gpus=a6000:1`."""
    threads: Annotated[Annotated[int, Field(gt=0, le=4096)] | Literal["auto"], Measure] = "auto"
    """CPU threads of the engine; auto: the cores that the job may use."""
    dtype: Annotated[Dtype | None, Measure] = None
    """Overrides the native precision where the hardware lacks it (V100: no bfloat16)."""
    unsupported_dtypes: Annotated[tuple[Dtype, ...], Plan] = ()
    """Precisions that it cannot compute in: a quantization that needs one is unsupported."""
    warmup: Annotated[Warmup, Measure] = Warmup()
    """Untimed requests before the timed ones."""
    max_background_cores: Annotated[float, Field(gt=0, le=4096), Score] = 0.5
    """Cores that other processes may use, on average and in 95 % of the requests; else invalid."""
    max_drift: Annotated[float, Field(gt=0, le=1000), Score] = 0.2
    """Change of the latency from the first third of the requests to the last, as a share, that is
    not beyond doubt exceeded (frontier/stats/drift.py); else invalid."""
    max_slowed: Annotated[float, Field(ge=0, le=1), Score] = 0.05
    """The share of the time in which heat, a limit of power or swapping may slow the machine; else
    invalid. At 1, the clock may fall too."""
    percentile: Annotated[Annotated[float, Field(ge=0.01, le=99.99)] | None, Score] = None
    """A percentile of latency that must be known with its interval; else invalid."""
    attempts: Annotated[int, Field(ge=1, le=10), Operate] = 2
    """The number of times that requests, whole passes and rates are measured, at most, whose times
    failed a check; 1 at an endpoint, and where a server may have their prompts in its cache."""
    memory_gb: Annotated[Positive | Literal["auto"], Plan] = "auto"
    """Memory for weights and cache in GB (10^9 bytes), all its GPUs together; auto: the host's."""
    bandwidth_gb_s: Annotated[Positive | None, Score] = None
    """Peak memory bandwidth in GB/s, all its GPUs together; for MBU."""
    tflop_s: Annotated[dict[Dtype, Positive], Score] = Field(default_factory=dict)
    """Peak rates of multiplying dense matrices in 10^12 operations per second, by precision, all
    its GPUs together; for MFU."""
    price_per_hour: Annotated[Positive | None, Score] = None
    """The price for the cost per thousand requests, in the currency of your choice."""
    max_cost: Annotated[Positive | None, Plan] = None
    """Most money for one cell: its measurement stops before a request that could pass it."""
    label: Annotated[Label | None, Show] = None
    """Its name in the report."""

    @model_validator(mode="after")
    def _gpus_where_gpus_are(self) -> Device:
        if self.accelerator not in ("cpu", "remote") and self.gpus == 0:
            raise ValueError(f"gpus: must be at least 1 for accelerator {self.accelerator}")
        return self

    @model_validator(mode="after")
    def _keys_of_a_place(self) -> Device:
        remote = self.accelerator == "remote"
        for name in HARDWARE if remote else ENDPOINT:
            if self.says(name):
                where = "an endpoint's hardware is unknown" if remote else "only of an endpoint"
                raise ValueError(f"{name}: {where} (found accelerator: {self.accelerator})")
        return self
