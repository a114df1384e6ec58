"""The sessions of a measurement: a process that timed requests, and the facts of its loading."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from frontier.results.key import Amount, Count
from frontier.results.part import Ceilings, Experts, LoadAverage, Part


class Pass(Part):
    """All requests of a sample, asked at once: the result without the records."""

    requests: Count
    """Those that were answered."""
    failed: Count = 0
    retried: Count = 0
    """Those that were sent again after a wait, which is in the time of the pass."""
    tokens: Count
    """Generated in all answers."""
    seconds: Amount
    """The time from the moment at which all were due to the last token's text; of a server, from
    the first that was sent: connections are open before."""
    changed: Count = 0
    """Answers with another text than in the first pass."""
    paused: bool = False
    """Whether this process was paused meanwhile."""
    foreign_cores: Amount = 0.0
    """The average number of cores that other processes used."""
    foreign_gpu_processes: Count | None = None
    cpu_joules: Amount | None = None
    """The energy of the processors with their memory meanwhile; None if it was not counted."""
    gpu_joules: Amount | None = None


class WarmUp(Part):
    """The result of a warm-up."""

    requests: Count
    settled: bool
    """Whether latency settled."""
    last_change: Amount | None
    """The relative change between the last two rounds; None after a single round."""
    seconds: Amount


class Peaks(Part):
    """The peak memory in bytes; None if the device shares the host's."""

    device_peak_bytes: Count | None
    host_peak_bytes: Count | None


class GpuUse(Part):
    """The use of the GPUs while requests were timed, as the driver reports it: the median clock of
    the multiprocessors and its range, and the mean power, all GPUs together."""

    readings: Count
    busy: Amount
    """The share of the time during which any kernel ran, which does not show how much of a GPU it
    used; mean over readings and GPUs."""
    clock_mhz: Amount
    lowest_clock_mhz: Amount
    highest_clock_mhz: Amount
    watts: Amount


class Metered(Part):
    """The counters of energy that a session had. The parts of a machine are `cpu`, the processors
    with their memory, and `gpu`; each is in `counts` or in `missing`."""

    counts: dict[str, str] = Field(default_factory=dict)
    """The counters of each part, in words."""
    missing: dict[str, str] = Field(default_factory=dict)
    """The reasons why the energy of a part is not known."""
    rest_watts: dict[str, Amount] = Field(default_factory=dict)
    at_rest: str | None = None
    """The moment at which the power of each part at rest was measured."""
    own_share: Amount | None = None
    """The processor time of reading counters in between, over that of timing."""
    gpu: GpuUse | None = None


class Served(Part):
    """The facts about the server that answered; frontier/engines has their meanings."""

    name: str
    base_url: str | None = None
    version: str | None = None
    start_s: Amount | None = None
    kept: bool = False
    models: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    prefix_cache: bool | None = None
    greedy: bool = True
    template: Literal["checkpoint", "server", "none"] = "none"
    client: dict[str, JsonValue] = Field(default_factory=dict)


class Loaded(Part):
    """The facts that loading gave."""

    start_s: float | None = None
    """The time from the start of the process until loading began."""
    threads: Count | None = None
    ceilings: Ceilings | None = None
    """None in a measurement of an earlier release."""
    load_s: Amount | None = None
    """None if the process was paused meanwhile, or an earlier cell had started the server."""
    weights_bytes: Count | None = None
    quantized_layers: Count | None = None
    zeros: Amount | None = None
    """The share of zeros among the layers' weights; None if no pruning was to set any."""
    kv_bytes_per_token: Count | None = None
    kv_windows: tuple[tuple[Count, Count], ...] = ()
    """The most tokens that layers hold, with these layers' share of the bytes per token."""
    kv_waiting: tuple[Count, Count] | None = None
    """The most tokens that wait until they are quantized, and the bytes that each has more."""
    kernel: str | None = None
    simulated: bool = False
    read_share: Amount | None = None
    """The share of the parameters that a token needs; None: no technique leaves any out."""
    random_weights: bool = False
    parameters: Count | None = None
    """The number of parameters, as the checkpoint's lock says."""
    experts: Experts | None = None
    room: Count | None = None
    """The tokens for which room was reserved, if answers and times depend on it."""
    warmup: WarmUp | None = None
    batching: str | None = None
    """The way in which the engine computes several requests together; None if it never does, or if
    a server decides it."""
    server: Served | None = None
    """None for an engine in the measuring process."""

    def cache_bytes(self, tokens: float, new: float = 0) -> float | None:
        """The key-value cache of a text of so many tokens; None if that of one is unknown.

        Layers with a sliding window hold no more than its tokens. Of the `new` tokens, which were
        generated, the last ones wait in full precision in a cache that quantizes.
        """
        if self.kv_bytes_per_token is None:
            return None
        outside = sum(max(0, tokens - most) * each for most, each in self.kv_windows)
        most, more = self.kv_waiting or (0, 0)
        return self.kv_bytes_per_token * tokens - outside + min(new, most) * more


class Conditions(Part):
    """The conditions on the machine while a session timed requests, as far as they can be read."""

    intervals: Count
    throttled: Count | None = None
    """Those during which the hardware was slowed, by heat or by power; None if nothing says so."""
    throttled_by: tuple[str, ...] = ()
    swapped: Count | None = None
    """Those during which the host moved more than SWAPPING bytes a second to or from its swap."""
    swapped_bytes: Count | None = None
    clock_mhz: tuple[Amount, Amount] | None = None
    """The median clock in the first third of the readings and in the last one."""
    power: dict[str, str] = Field(default_factory=dict)
    """The settings that decide how fast the hardware may run, at the beginning."""
    changed: dict[str, str] = Field(default_factory=dict)
    unknown: dict[str, str] = Field(default_factory=dict)
    """The reasons why something could not be read."""


class Again(Part):
    """The reason why a session asked requests again, and whether their answers were the same."""

    reason: str
    requests: Count
    changed: Count | None = None
    """None if the session was interrupted."""


class Run(Loaded):
    """A session's facts from loading to its end."""

    load_average: LoadAverage | None = None
    conditions: Conditions | None = None
    """None if the session was interrupted, or at an endpoint, whose hardware is unknown."""
    again: Again | None = None
    """None for a session that asked what was missing."""
    memory: Peaks | None = None
    metered: Metered | None = None
    passes: tuple[Pass, ...] = ()
    """The complete passes of a scenario that asks all requests at once."""


class Adoption(Part):
    """A note on the adoption of a measurement by earlier code or packages."""

    earlier: str = Field(alias="from", default="")
    """The digest of the earlier measurement's identity."""
    when: str = ""
    because: str
    differs: tuple[str, ...] = ()


class Session(Part):
    """A process that timed requests. A measurement has several if it was interrupted or reuses
    another sample's requests."""

    session: Count
    """Its number in the measurement."""
    started: str
    request: str | None = None
    """The identity of its requests; None for a specification by hand."""
    weights_sha256: str | None = None
    hardware: dict[str, JsonValue]
    packages: dict[str, str]
    surroundings: dict[str, JsonValue] = Field(default_factory=dict)
    """The code's commit, the processor's governor and the container (machine/surroundings.py)."""
    loaded: Run = Run()
    adopted: tuple[Adoption, ...] = ()
    """The notes by which its packages count as the current ones."""


class SessionLoad(Part):
    """The use of processors and GPUs by others while a session timed requests."""

    session: Count
    requests: Count
    foreign_cores: Amount
    foreign_gpu_processes: Count | None = None


class Contention(Part):
    """The use of processors and GPUs by others while requests were timed."""

    load_average: LoadAverage | None = None
    foreign_cores: Amount
    """Average over the time of all requests."""
    sessions: tuple[SessionLoad, ...] = ()
    """One for each session that timed some of the requests."""
    foreign_gpu_processes: Count | None
    """The largest number seen at once; None without a GPU, or if its driver does not list them."""


class Asking(Part):
    """A process that timed some of the requests."""

    session: Count
    started: str | None = None
    requests: Count
