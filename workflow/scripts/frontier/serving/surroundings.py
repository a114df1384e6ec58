"""Environment variables of a server: offline, without telemetry, with few secrets and threads."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from frontier.machine import hardware

QUIET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "TRTLLM_NO_USAGE_STATS": "1",
    "OLLAMA_NO_CLOUD": "1",
    "PYTHONUNBUFFERED": "1",  # otherwise the last lines of a crash may be missing
}
"""Variables of every server: nothing is fetched, and nobody is informed."""
NO_PROXY = ("127.0.0.1", "localhost")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
SECRET = re.compile(
    r"(^|_)(TOKEN|KEY|APIKEY|KEY_ID|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$", re.IGNORECASE
)
"""Names of variables that a server has no need of, and might print."""


def threads_beside(cores: int) -> int:
    """The number of processor threads of a server, which leave the client a core if possible."""
    return max(1, cores - 1)


def environment(
    own: Mapping[str, str], threads: int | None = None, start: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The variables of a server: this process's without secrets, then ours, then the block's `own`.

    The programs of this interpreter's environment come first. `threads` defaults to all cores
    except one.
    """
    threads = threads_beside(hardware.cores()) if threads is None else threads
    here = {name: value for name, value in start.items() if not SECRET.search(name)}
    path = [str(Path(sys.executable).parent), *filter(None, [here.get("PATH", os.defpath)])]
    proxies = ",".join(filter(None, [here.get("NO_PROXY") or here.get("no_proxy"), *NO_PROXY]))
    ours = {
        "PATH": os.pathsep.join(path),
        "NO_PROXY": proxies,
        "no_proxy": proxies,
        **{name: str(threads) for name in THREADS},
    }
    return {**here, **QUIET, **ours, **own}
