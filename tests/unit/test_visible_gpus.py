"""CUDA_VISIBLE_DEVICES, against what torch makes of it and, where torch says nothing, the driver."""

from __future__ import annotations

import os
from unittest import mock

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from frontier.machine.visible_gpus import names_slices, visible

UUIDS = ["GPU-1a2b-77", "GPU-1a2c-00", "GPU-9f00-12"]


def torchs(value: str, uuids: list[str]) -> list[int]:
    """The GPUs that torch counts, in its order."""
    with mock.patch.dict(os.environ, {"CUDA_VISIBLE_DEVICES": value}):
        found = torch.cuda._parse_visible_devices()
        with (
            mock.patch("torch.cuda._raw_device_count_nvml", return_value=len(uuids)),
            mock.patch("torch.cuda._raw_device_uuid_nvml", return_value=uuids),
        ):
            count = max(0, torch.cuda._device_count_nvml())
    if found and isinstance(found[0], str):
        found = torch.cuda._transform_uuid_to_ordinals(found, uuids)
    return found[:count]


NUMBERS = st.sampled_from(
    ["0", "1", "2", "3", "-1", " 1", "2 ", "+1", "-0", "01", "1x", "x", "", " "]
)
STARTS = st.sampled_from(
    [
        "GPU-",
        "GPU-1",
        "GPU-1a2",
        "GPU-1a2b",
        *UUIDS,
        " GPU-9",
        "gpu-9f00",
        "GPU-0",
        "0",
        "",
        "MIG-1",
    ]
)


@given(
    st.lists(NUMBERS, max_size=5)
    | st.lists(STARTS, max_size=5)
    | st.lists(NUMBERS | STARTS, max_size=5)
)
@example(["GPU-1a2b", "GPU-0", "GPU-1a2b"])
@example(["0", "7", "7"])
def test_as_torch_reads_it(parts: list[str]) -> None:
    """Any list of such parts, on a host with three GPUs and on one that has none."""
    value = ",".join(parts)
    for uuids in (UUIDS, []):
        assert visible(value, uuids) == torchs(value, uuids), value


@pytest.mark.parametrize(
    ("value", "places"),
    [
        (None, [0, 1, 2]), ("0, 1", [0, 1]), (" 1", [1]), ("0,-1,1", [0]), ("0,0", []), ("2,0", [2, 0]),
        ("GPU-1a2b", [0]), ("GPU-9,GPU-1a2c", [2, 1]), ("GPU-1a2", []), ("GPU-1a2b,GPU-1a2b-77", []),
        ("", []), ("NoDevFiles", []), ("0,9,1", [0]), ("MIG-GPU-1a2b-77/1/0", []), ("+", []),
    ],
)  # fmt: skip
def test_what_is_visible(value: str | None, places: list[int]) -> None:
    """Spaces, the end by -1, one named twice, the beginning of a UUID, numbers beyond the last."""
    assert visible(value, UUIDS) == places


def test_slices() -> None:
    """They are recognized, and not counted as whole GPUs."""
    assert names_slices("MIG-4c1f")
    assert not any(map(names_slices, (None, "", "0", "GPU-1a2b")))
