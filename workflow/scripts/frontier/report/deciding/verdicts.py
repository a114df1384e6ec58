"""Verdicts on the comparisons as text: significant changes, and reasons for slower variants.

A reason is given only as far as the figures support it. Rows of comparisons.parquet and of the
study (see frontier.results.columns).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from frontier import words
from frontier.report.deciding.findings import Group
from frontier.report.naming import Naming, techniques
from frontier.results.columns import BETTER, NO_DIFFERENCE, SLOWER, WORSE, StudyRow
from frontier.text import visible

SPELLED_OUT = 8  # significant changes described in full; more would bury the first
SAME_BYTES = 0.98  # a larger share of the native bytes is no saving worth mentioning
MORE_TOKENS = 1.05  # smaller differences of the mean length are not mentioned


@dataclass(frozen=True)
class Verdicts:
    """The verdicts on the quantized variants of one group.

    `changed` has a statement and its figures for each significant change of the score.
    """

    changed: list[tuple[str, str]]
    rest: list[str]
    slower: str
    reasons: list[str]


def verdicts(group: Group, naming: Naming, tests: int) -> Verdicts:
    """The sentences on one group; `tests` is the number of tests in Holm's correction."""
    significant = [row for row in group.comparisons if row["verdict"] in (WORSE, BETTER)]
    significant.sort(key=lambda row: row["difference"])
    changed = [_change(row, naming, tests) for row in significant[:SPELLED_OUT]]
    if more := significant[SPELLED_OUT:]:
        named = [f"{_name(row, naming)} ({words.signed(row['difference'])})" for row in more]
        changed.append(("Significant as well,", f"in points: {words.join(named)}."))
    slower = [row for row in group.comparisons if row["latency_verdict"] == SLOWER]
    named = [f"{_name(row, naming)} ({words.ratio(row['latency_ratio'])})" for row in slower]
    by_variant = {row["variant"]: row for row in group.rows}
    return Verdicts(
        changed,
        _rest(group.comparisons, naming),
        f"Slower than {compared_with(slower)}: {words.join(named)}." if slower else "",
        [
            f"{_name(row, naming)} {reason(row, by_variant)}"
            for row in slower
            if row["parent_variant"] in by_variant
        ],
    )


def _name(row: StudyRow, naming: Naming) -> str:
    return naming.variant(row["variant"])


def _change(row: StudyRow, naming: Naming, tests: int) -> tuple[str, str]:
    """INT4 loses 10.5 points (−15.2 to −6.1; 27 answers lost, 6 gained; p = .0003 after …)."""
    verb = "loses" if row["verdict"] == WORSE else "gains"
    figures = [words.signed_interval(row["difference_low"], row["difference_high"])]
    if row["lost"] is None:
        figures.append(f"{row['changed']} of {row['requests']} answers differ")
    else:
        figures.append(f"{words.count(row['lost'], 'answer')} lost, {row['gained']} gained")
    over = f"after Holm over {words.count(tests, 'comparison')}"
    figures.append(f"{words.p_value(row['p_holm'])} {over}")
    inside = "; ".join(filter(None, figures))
    return f"{_name(row, naming)} {verb} {abs(row['difference']):.1f} points", f"({inside})."


def compared_with(rows: Iterable[StudyRow]) -> str:
    """The parents of compared variants, in words."""
    return words.join([*dict.fromkeys(map(_parent, rows))])


def _rest(comparisons: Sequence[StudyRow], naming: Naming) -> list[str]:
    """Sentences on variants without a significant difference, and on those without a test."""
    sentences = []
    alike = [row for row in comparisons if row["verdict"] == NO_DIFFERENCE]
    if same := [row for row in alike if row["changed"] == 0]:
        named = words.join([_name(row, naming) for row in same])
        parents = compared_with(same)
        sentences.append(f"The same answer to every request as {parents}: {named}.")
    if unclear := [row for row in alike if row["changed"] > 0]:
        named = words.join([_name(row, naming) for row in unclear])
        sentences.append(f"No significant difference: {named}.")
        ends = [row["difference_low"] for row in unclear if row["difference_low"] is not None]
        reach = f"losses of up to {-min([0, *ends]):.1f} points are not ruled out"
        sentences.append(f"That is not equality: by their intervals, {reach}.")
    if untested := [row for row in comparisons if row["verdict"] is None]:
        named = words.join([_name(row, naming) for row in untested])
        sentences.append(f"Not tested, without scores on the same requests: {named}.")
    return sentences


def reason(change: StudyRow, by_variant: Mapping[str, StudyRow]) -> str:
    """The reason why a variant is slower: "takes 1.9 times as long …", as far as figures show it.

    `by_variant` are the study's rows of the same task, scenario and device.
    """
    native, here = by_variant[change["parent_variant"]], by_variant[change["variant"]]
    ends = words.interval((change["latency_ratio_low"], change["latency_ratio_high"]))
    sentences = [
        f"takes {words.significant(change['latency_ratio'])} times as long as "
        f"{_parent(change)} for a request" + (f" ({ends})." if ends else ".")
    ]
    token = _clearly_longer(native, here, "tpot")
    if token:
        times = f"{words.seconds(here['tpot_p50_s'])} against {words.seconds(native['tpot_p50_s'])}"
        sentences.append(
            f"A further token takes {words.significant(token)} times as long ({times})"
            + _bytes(token, change, native, here)
        )
    first = _clearly_longer(native, here, "ttft")
    if first and not token:
        sentences.append(f"Its first token takes {words.significant(first)} times as long.")
    lengths = [_tokens(row) for row in (here, native)]
    if lengths[0] and lengths[1] and lengths[0] > MORE_TOKENS * lengths[1]:
        sentences.append(
            f"It writes more: {lengths[0]:.1f} tokens a request on average, {_parent(change)} "
            f"{lengths[1]:.1f}."
        )
    if len(sentences) == 1:
        sentences.append("The figures do not show why.")
    return " ".join(sentences)


def _parent(change: StudyRow) -> str:
    """The parent of one compared variant, in words."""
    return "without its last technique" if techniques(change) else "native"


def _clearly_longer(native: StudyRow, here: StudyRow, figure: str) -> float | None:
    """The ratio of two medians if their intervals do not overlap; None otherwise."""
    low, high = here[f"{figure}_p50_low_s"], native[f"{figure}_p50_high_s"]
    if None in (low, high) or low <= high:
        return None
    return float(here[f"{figure}_p50_s"] / native[f"{figure}_p50_s"])


def _tokens(row: StudyRow) -> float | None:
    """Mean generated tokens per request, from the two rates."""
    tokens, requests = row["output_tokens_per_s"], row["requests_per_s"]
    return float(tokens / requests) if tokens and requests else None


def _bytes(token: float, change: StudyRow, native: StudyRow, here: StudyRow) -> str:
    """The end of a sentence on tokens that take `token` times as long: the bytes of weights."""
    share = change["bytes_ratio"]
    if share is None:
        return "."
    if share > SAME_BYTES:
        many = words.significant(share)
        more = f"{many} times the bytes" if share > 1 / SAME_BYTES else "about as many bytes"
        explained = ", which is enough to explain it" if 1 < token <= share else ""
        return f", and its weights are {more}{explained}."
    fewer = words.significant(1 / share)
    mbu = ""
    for column in ("mbu_measured", "mbu"):  # the nominal one, where both are known
        known = here.get(column), native.get(column)
        if None not in known:
            ours, theirs = map(words.percent, known)
            mbu = f" (memory bandwidth used: {ours} against {theirs})"
    kernel = f" (kernel: {visible(here['kernel'], 120)})" if here["kernel"] else ""
    return (
        f", though it reads {fewer} times fewer bytes of weights: reading them "
        f"is not the bottleneck{mbu}. What remains is unpacking, computing, and "
        f"the launch of kernels{kernel}."
    )
