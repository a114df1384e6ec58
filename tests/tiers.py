"""The tiers of the tests: which of them run together, and how long they may take on two cores.

main     what needs nothing but .venv: units, changes, bad input, outcomes (make test, half an hour)
engines  what needs an engine's environment, or minutes (make test-engines, 15 minutes)
servers  the servers whose environments take gigabytes, or whose starts take minutes (make test-servers, 3 minutes)
slurm    a cluster of one node (make test-slurm, 6 minutes, most of it waiting)

Every test is of one of these, by the name of its file or by a fixture that it uses. `fast` is a
part of main: the quickest units (make fast, a minute).
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

TIERS = ("main", "engines", "servers", "slurm")
FAST = "fast"

ENGINES = {
    "test_all_changes", "test_contracts", "test_demo", "test_engine_contract", "test_environments", "test_gpu_check", "test_gguf_models", "test_gptqmodel",
    "test_llmcompressor", "test_onnxruntime", "test_onnxruntime_genai", "test_openvino", "test_proposed_models", "test_published", "test_routes",
}  # fmt: skip
SERVERS = {"test_heavy_servers"}
SLURM = {"test_slurm"}
TIER_OF = {
    **dict.fromkeys(ENGINES, "engines"),
    **dict.fromkeys(SERVERS, "servers"),
    **dict.fromkeys(SLURM, "slurm"),
}
ENVIRONMENT = "environment"
"""The fixture that builds an engine's environment; tests of the site of Slurm have another one."""
SLOW = {
    "test_algebra", "test_answer", "test_compare_results", "test_architectures", "test_benchmarks", "test_bundles", "test_checkpoints", "test_client", "test_clock", "test_code",
    "test_counted",
    "test_containers", "test_coverage", "test_datasets", "test_dialects", "test_ending", "test_foreign", "test_forked",
    "test_freshness", "test_growing", "test_grown_judge", "test_habits", "test_kept_servers",
    "test_killed_servers", "test_leases", "test_limits", "test_moves", "test_mutations",
    "test_new", "test_new_model", "test_new_task",
    "test_own_code", "test_page", "test_pauses", "test_programs", "test_rated", "test_report", "test_reuse", "test_sandbox", "test_scale", "test_side_by_side",
    "test_report_load", "test_score", "test_server_load", "test_serving", "test_shared_cache", "test_sources", "test_special_tokens",
    "test_transformers_engine", "test_whole_weights",
}  # fmt: skip
"""Files of units that take more than three seconds."""


def of_file(path: Path) -> str:
    """The tier of a test file, but for those of its tests that use an engine's environment."""
    return TIER_OF.get(path.stem, "main")


def of_test(path: Path, fixtures: Collection[str]) -> str:
    """The tier of a test."""
    tier = of_file(path)
    return "engines" if tier == "main" and ENVIRONMENT in fixtures else tier


def is_fast(path: Path) -> bool:
    """Whether make fast takes the tests of a file, as far as they are of the main tier."""
    return path.parent.name == "unit" and of_file(path) == "main" and path.stem not in SLOW


def may_hold(path: Path, tier: str) -> bool:
    """Whether a file has to be read for the tests of a tier."""
    if tier == FAST:
        return is_fast(path)
    mixed = tier == "engines" and ENVIRONMENT in path.read_text(encoding="utf-8")
    return of_file(path) == tier or mixed


def holds(path: Path, fixtures: Collection[str], tier: str) -> bool:
    """Whether a test is run with a tier."""
    if tier == FAST:
        return is_fast(path) and of_test(path, fixtures) == "main"
    return of_test(path, fixtures) == tier
