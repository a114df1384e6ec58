"""Two machines, one report: what one measured is packed, added on the other, and shown next to its own."""

from __future__ import annotations

import gzip
import io
import shutil
import sys
import tarfile
from pathlib import Path

import polars as pl
import pytest

import tiny
from workspace import Workspace

SHOW = {"aggregate", "compare", "render"}
TOKEN = "hf_averysecrettokenofsomebodys"
SENDER = {"HF_TOKEN": TOKEN, "LOGNAME": "jdoe42", "USER": "jdoe42", "HOSTNAME": "node-17"}
# Python's own hook: every process of the sender's believes to be on a machine of that name.
ELSEWHERE = """
import os, socket
real = os.uname()
os.uname = lambda: os.uname_result((real.sysname, "node-17", real.release, real.version, real.machine))
socket.gethostname = lambda: "node-17"
"""


def results(place: Workspace) -> dict[str, bytes]:
    """Every file of a cell, by its name below results/."""
    folder = place.path("results")
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.glob("*/*/**/*"))
        if path.is_file() and path.suffix in (".json", ".jsonl", ".parquet")
    }


def own(place: Workspace) -> dict[str, bytes]:
    """The results measured here."""
    return {name: content for name, content in results(place).items() if "@" not in name}


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The sender: another model under the same name, a quantization, and a local checkpoint."""
    place = tiny.workspace(tmp_path_factory.mktemp("there"))
    place.set("config", "study/models", ["tiny-llama"])
    place.set("models", "models/tiny-llama/grow/seed", 1)
    hook = place.root.parent / "elsewhere"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(ELSEWHERE, encoding="utf-8")
    sender = SENDER | {"PYTHONPATH": str(hook)}
    done = place.snakemake(**sender)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Host: node-17" in done.stdout + done.stderr
    grown = next(place.root.glob("resources/models/tiny-llama/*/lock.json")).parent
    local = shutil.copytree(grown, place.root.parent / "jdoe42" / "model")
    (local / "lock.json").unlink()
    place.set("models", "models/local", {"path": str(local)})
    done = place.snakemake("results/local/cpu/sums.json", **sender)
    assert done.returncode == 0, done.stdout + done.stderr
    done = place.run(sys.executable, "workflow/scripts/pack_results.py", "server.tar.gz", **sender)
    assert done.returncode == 0, done.stderr
    assert "server.tar.gz: 5 cells" in done.stdout
    return place


@pytest.fixture(scope="module")
def built(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the receiver: one model of the tiny study, as it is."""
    folder = tmp_path_factory.mktemp("here")
    place = tiny.copied(finished, folder)
    for variant in ("tiny-llama-int8", "tiny-gpt2", "tiny-gpt2-int8"):
        shutil.rmtree(place.path(f"results/{variant}"))
    place.set("config", "study/models", ["tiny-llama"])
    place.set("config", "study/quantizations", ["native"])
    place.build()
    return folder


@pytest.fixture
def here(built: Path, tmp_path: Path) -> Workspace:
    """A copy of that study, to add to."""
    return tiny.copied(built, tmp_path)


def add(here: Workspace, there: Workspace, *source: str) -> str:
    """Adds the sender's bundle, or its results/; returns the output."""
    done = here.program("add_results", *(source or (str(there.path("server.tar.gz")),)))
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(place: Workspace, *words: str) -> None:
    """Snakemake fails, and one line says why."""
    for flags in ((), ("--dry-run",)):
        done = place.snakemake(*flags)
        log = done.stdout + done.stderr
        assert done.returncode != 0, log
        (line,) = [line for line in log.splitlines() if line.startswith("error: ")]
        assert all(word in line for word in words), line
        assert "Traceback" not in log


def test_one_report_over_both(here: Workspace, there: Workspace) -> None:
    """Only the report is rebuilt; cells measured here stay; the report has the conflicts."""
    before = own(here)
    printed = add(here, there)
    assert "added 5 cells as DEVICE@server" in printed
    assert printed.count("conflict: ") == 2
    words = "measured from another specification, code or input"
    assert (
        f"conflict: tiny-llama/cpu/sums was also measured here; other weights; {words}" in printed
    )
    assert here.jobs() == SHOW
    here.build()
    assert own(here) == before
    study = pl.read_parquet(here.path("results/study.parquet"))
    assert sorted(study["device"].to_list()) == ["cpu"] * 2 + ["cpu@server"] * 5
    comparisons = pl.read_parquet(here.path("results/comparisons.parquet"))
    assert set(comparisons["device"]) == {"cpu@server"}
    html = here.path("results/report.html").read_text(encoding="utf-8")
    assert "5 from server." in html
    assert html.count(words) == 2
    assert "Measured elsewhere, added as server." in html
    assert "Tiny llama INT8" in html  # a quantization of the catalogue that is not in this study

    assert here.jobs() == set()
    first = results(here)
    for source in ((), (str(there.path("results")), "--name", "server")):
        add(here, there, *source)
        assert results(here) == first
        assert here.jobs() == set()


def test_altered_after_it_was_added(here: Workspace, there: Workspace) -> None:
    """One byte, or a file that is not there: refused, telling what to do; that mends it."""
    add(here, there)
    here.build()
    for name in ("sums.json", "sums.parquet"):
        path = here.path(f"results/tiny-llama/cpu@server/{name}")
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        refused(here, name, "altered", "add server again")
        path.unlink()
        refused(here, name, "missing", "add server again")
        add(here, there)
        assert here.jobs() == set()
    requests = next(here.root.glob("results/tiny-llama/cpu@server/sums/*/requests.jsonl"))
    requests.write_bytes(requests.read_bytes()[:-2])
    here.path("results/report.html").unlink()
    done = here.snakemake()
    assert done.returncode != 0
    assert "requests.jsonl: altered since it was added" in done.stdout + done.stderr


def test_removed(here: Workspace, there: Workspace) -> None:
    """The report is as it was before anything was added."""
    html = here.path("results/report.html").read_bytes()
    before = results(here)
    add(here, there)
    here.build()
    add(here, there, "--remove", "server")
    assert results(here) == before
    assert here.jobs() == SHOW
    here.build()
    assert here.path("results/report.html").read_bytes() == html


def test_an_altered_bundle(here: Workspace, there: Workspace) -> None:
    """Nothing of it is added."""
    content = bytearray(gzip.decompress(there.path("server.tar.gz").read_bytes()))
    content[content.index(b'"outcome": "measured"') + 13] ^= 1
    here.path("altered.tar.gz").write_bytes(gzip.compress(content))
    done = here.program("add_results", "altered.tar.gz")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "was altered: its sha256 differs" in done.stderr
    assert here.jobs() == set()


def test_nothing_of_the_sender_travels(there: Workspace) -> None:
    """No folder, user name, host name or key is in the bytes, packed or unpacked."""
    packed = there.path("server.tar.gz").read_bytes()
    texts = [packed, gzip.decompress(packed)]
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            file = archive.extractfile(member)
            assert file is not None
            if member.name.endswith(".parquet"):
                table = pl.read_parquet(io.BytesIO(file.read()))
                texts.append(table.write_ndjson().encode())
    for text in (str(there.root.parent), f"{Path.home()}/", "jdoe42", TOKEN, "node-17"):
        assert not any(text.encode() in one for one in texts), text
