"""Servers that are started here: ready, watched and gone, with every fault that they have."""

from __future__ import annotations

import contextlib
import http.server
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontier.errors import OutOfMemoryError, UserError
from frontier.machine import hardware, limits
from frontier.measuring import contention
from frontier.serving import ports, servers
from frontier.serving.commands import PLACEHOLDERS, Argument, Command
from frontier.serving.plans import Plan
from frontier.serving.server import Server
from frontier.serving.supervisor import LOOK_S
from frontier.serving.surroundings import environment
from started import CANARY, Little, ask, get, starter
from waiting import PATIENCE_S, text_of, wait_until


def test_a_server_answers_and_is_gone(little: Little) -> None:
    """Its address, its processes, its start, its memory; then neither it nor its folder is left."""
    before = time.perf_counter()
    with servers.start(little.plan("--workers", "1", "--say={folder}"), ask) as server:
        assert server.start_s is not None
        assert 0 < server.start_s < time.perf_counter() - before
        assert {one.pid for one in little.running()} < server.pids()
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert server.peak_bytes() > 2e6
        folder = Path(server.log_tail().split()[0])
        assert folder.is_dir()
        server.check()
        pids = server.pids()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert not folder.exists()
    assert little.log.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "faults",
    [
        ("--workers", "2"),
        ("--detached", "2"),
        ("--detached", "1", "--bare"),
        ("--stubborn", "--workers", "1", "--detached", "1", "--bare"),
    ],
    ids=" ".join,
)
def test_every_process_ends(little: Little, faults: tuple[str, ...]) -> None:
    """One that ignores SIGTERM ends too, or left its session, its parent and its variables."""
    server = servers.start(little.plan(*faults), ask)
    assert len(little.running()) == 1 + sum(int(one) for one in faults if one.isdigit())
    server.stop(grace_s=0.5)
    assert little.running() == []
    server.stop()  # once more does no harm


def test_a_stopped_server_ends(little: Little) -> None:
    """A process that SIGSTOP has stopped does not get SIGTERM."""
    server = servers.start(little.plan(), ask)
    for one in little.running():
        one.suspend()
    server.stop(grace_s=0.2)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_its_starter_ends(little: Little, number: signal.Signals) -> None:
    """However a job ends, no process of its server is left."""
    with starter(little, "--workers", "1", "--detached", "2", "--bare", "--stubborn") as process:
        assert process.stdout.readline() == "ready\n"
        assert len(little.running()) == 4
        process.send_signal(number)
        assert process.wait(PATIENCE_S) != 0
    little.is_gone()


def test_its_starter_ends_while_it_starts(little: Little) -> None:
    """A server that is not well yet is ended as well."""
    with starter(little, "--well-after", "1000") as process:
        wait_until(little.running, "its server starts", process)
        process.kill()
    little.is_gone()


def test_its_starter_has_a_copy(little: Little) -> None:
    """A copy of the starter that holds its pipes open does not keep the server running."""
    with starter(little, then="os.fork() or [os.close(1), time.sleep(30), os._exit(0)]") as process:
        assert process.stdout.readline() == "ready\n"
        process.kill()
    little.is_gone()


def test_the_time_is_over(little: Little) -> None:
    """The job's own limit of time ends the server with the job, also while it starts."""
    with starter(little, "--well-after", "1000", seconds=3) as process:
        assert process.stdout.read() == ""
        assert process.wait(PATIENCE_S) == 1
    little.is_gone()


def test_its_supervisor_is_killed(little: Little) -> None:
    """The server ends with it, and what it started by the one that is left."""
    server = servers.start(little.plan("--workers", "1", "--detached", "1"), ask)
    server.pids()
    psutil.Process(server._supervised.supervisor).kill()
    with pytest.raises(UserError, match=r"^little: the server lost its supervisor while it was"):
        server.check(PATIENCE_S)
    server.stop()
    assert little.running() == []


def test_its_starter_and_its_supervisor_are_killed(little: Little) -> None:
    """Every Python process may be killed: its group ends, workers with other names too."""
    with starter(little, "--workers", "2") as process:
        assert process.stdout.readline() == "ready\n"
        (supervisor,) = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGSTOP)  # or it would see that its supervisor has gone
        supervisor.kill()
        process.kill()
    little.is_gone()


def test_the_starter_is_no_longer_waited_for(
    little: Little, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that takes minutes to start is not waited for once Snakemake has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    monkeypatch.setenv("LLM_FRONTIER_RUNNER", str(ended.pid))
    with pytest.raises(
        UserError, match=r"^little: Snakemake has ended; what was measured is saved$"
    ):
        servers.start(little.plan("--well-after", "1000"), ask)
    assert little.running() == []


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        (("--exit", "3", "--say", "no model at DIR"),
         r"the server ended with exit code 3 while it started; its log ends: no model at DIR \("),
        (("--die-when-asked",),
         r"ended with exit code 7 while it started; .*Fatal Python error: the model was lost"),
        (("--background",), r"ended with exit code 0 while it started; its log is empty"),
        (("--no-such-option",), r"exit code 2 .*unrecognized arguments: --no-such-option"),
    ],
)  # fmt: skip
def test_it_ends_while_it_starts(little: Little, faults: tuple[str, ...], message: str) -> None:
    """Its last lines are in the message, and where all of them are."""
    with pytest.raises(UserError, match=message) as caught:
        servers.start(little.plan(*faults), ask)
    assert str(caught.value).endswith(f"(all of it: {little.log})")
    assert little.running() == []


def test_it_ends_while_it_is_asked(little: Little) -> None:
    """The request fails first; then the server's own last lines are known, its code or signal."""
    with servers.start(little.plan("--say", "loaded"), ask) as server:
        watch = contention.Watch("cpu", server.pids())
        before = watch.read()
        (first,) = [one for one in little.running() if one.pid in server.pids()]
        first.kill()
        message = r"^little: the server was killed by signal 9 while it was asked; its log ends: l"
        with pytest.raises(UserError, match=message):
            server.check(PATIENCE_S)
        with pytest.raises(urllib.error.URLError):
            get(server, "/v1/answer")
        assert watch.read().own_s >= before.own_s
        assert server.peak_bytes() > 1e6  # from when it was ready


def test_a_slow_start(little: Little) -> None:
    """Health comes late, and the first requests fail, as while a model is still loaded."""
    with servers.start(little.plan("--well-after", "1.5", "--refuse", "2"), ask) as server:
        assert (server.start_s or 0) > 1.5


@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        (("--well-after", "1000"), "/health answers 503"),
        (("--refuse", "1000000"), "HTTP Error 500: Internal Server Error"),
        (("--elsewhere",), r"nothing of it listens on port \d+"),
    ],
)
def test_it_is_never_ready(little: Little, faults: tuple[str, ...], reason: str) -> None:
    """Neither health alone nor a port elsewhere is enough; its last lines are shown."""
    with Server.started(little.plan("--say", "a\n\n  b", *faults), *ports.free(2)) as server:
        wait_until(lambda: re.search(reason, servers.why_not_ready(server, ask) or ""), reason)
        wait_until(lambda: server.log_tail().endswith(" b\n"), "it has said all")
        server.plan = replace(server.plan, ready_s=0.0)
        message = rf"^little: not ready after 0 s \({reason}\); its log ends: a \| b \("
        with pytest.raises(UserError, match=message):
            servers.await_ready(server, ask)


def test_its_time_to_start_is_over(little: Little) -> None:
    """Nothing of it is left."""
    with pytest.raises(UserError, match=r"^little: not ready after 0 s \("):
        servers.start(little.plan("--workers", "1", ready_s=0.0), ask)
    assert little.running() == []


@pytest.mark.parametrize("host", ["0.0.0.0", ""])
def test_it_listens_for_everyone(little: Little, host: str) -> None:
    """A server that other hosts reach is ended before it is asked."""
    with pytest.raises(UserError, match=r"^little: the server listens on 0\.0\.0\.0, where other"):
        servers.start(little.plan(f"--host={host}"), ask)
    assert little.running() == []


def test_another_port_is_open(little: Little, capsys: pytest.CaptureFixture[str]) -> None:
    """A port that is not asked may be needed, so it is only reported."""
    with servers.start(little.plan("--also-open"), ask) as server:
        ((host, port),) = server.exposed
        assert host == "0.0.0.0"
        line = (
            f"little: the server also listens on 0.0.0.0, port {port}, where other hosts reach it\n"
        )
        assert capsys.readouterr().err == line


class Stranger(http.server.BaseHTTPRequestHandler):
    """Says yes to everything."""

    def do_GET(self) -> None:
        """Says so."""
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_what: object) -> None:
        """Logs nothing."""


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of another server, which is the first one that is tried."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        free, port, given = ports.free, other.server_address[1], []

        def taken_first(count: int) -> list[int]:
            given.append(count)
            return [port, *free(count - 1)] if len(given) == 1 else free(count)

        monkeypatch.setattr(ports, "free", taken_first)
        yield port
        other.shutdown()


def test_its_port_is_taken(little: Little, stranger: int) -> None:
    """Another process may take the port meanwhile: it is started again on another one."""
    with servers.start(little.plan(), ask) as server:
        assert server.port != stranger
        assert "Address already in use" in server.plan.log.read_text(encoding="utf-8")
        assert "Address already in use" not in server.log_tail()


def test_another_server_is_not_taken_for_it(little: Little, stranger: int) -> None:
    """One that answers at the port of a server that listens elsewhere is never asked."""
    with Server.started(little.plan("--elsewhere"), *ports.free(2)) as server:
        assert server.port == stranger
        get(server, "/health")
        wait_until(lambda: ports.listeners(server.pids()), "it listens")
        reason = f"nothing of it listens on port {stranger}"
        assert servers.why_not_ready(server, ask) == reason


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("no-such-server", "cannot run 'no-such-server': no such command; is its software inst"),
        ("{folder}/no", "cannot run '.*/no': no such command"),
        ("DIR/plain", "cannot run '/.*/plain': not an executable file"),
        ("DIR/broken", "cannot be started: .*Exec format error"),
    ],
)
def test_its_program_cannot_run(tmp_path: Path, program: str, message: str) -> None:
    """One line says so, and nothing is left."""
    (tmp_path / "plain").touch()
    (tmp_path / "broken").write_bytes(b"\x7fELF nothing")
    (tmp_path / "broken").chmod(0o755)
    command = Command((program.replace("DIR", str(tmp_path)), "{port}"))
    plan = Plan(name="little", command=command, values={}, log=tmp_path / "log")
    with pytest.raises(UserError, match=f"^little: {message}"):
        servers.start(plan, ask)


def test_its_key_stays_secret(little: Little, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in the server's environment and a file of its own, and in no message or log."""
    monkeypatch.setenv("HF_TOKEN", CANARY + "-of-others")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY + "-of-others")
    plan = little.plan("--say={key_file}", secrets={"LITTLE_KEY": CANARY})
    with servers.start(plan, ask) as server:
        key_file = Path(server.log_tail().split()[0])
        assert key_file.read_text(encoding="utf-8") == CANARY
        assert key_file.stat().st_mode & 0o777 == 0o600
        get(server, "/key")
        (first,) = little.running()
        variables = first.environ()
        assert [name for name, value in variables.items() if CANARY in value] == ["LITTLE_KEY"]
        everyone = [*map(psutil.Process, server.pids())]
        assert not any(CANARY in " ".join(one.cmdline()) for one in everyone)
        assert "the key is ***" in server.log_tail()
        first.kill()
        with pytest.raises(UserError, match=r"the key is \*\*\*"):
            server.check(PATIENCE_S)
    assert not key_file.exists()
    assert CANARY not in little.log.read_text(encoding="utf-8")
    assert "the key is *" in little.log.read_text(encoding="utf-8")


def test_its_starter_is_killed_and_its_key_stays_secret(little: Little) -> None:
    """The text that a server printed is erased also then."""
    with starter(little, then="get(server, '/key')", secret=CANARY) as process:
        assert process.stdout.readline() == "ready\n"
        assert CANARY in little.log.read_text(encoding="utf-8")
        process.kill()
    little.is_gone()
    wait_until(lambda: CANARY not in text_of(little.log), "its key is erased")


def test_a_key_is_no_argument(little: Little) -> None:
    """Every user of the host could read it."""
    with pytest.raises(UserError, match=r"^little: its key would be in its arguments") as caught:
        servers.start(little.plan(f"--say={CANARY}", secrets={"LITTLE_KEY": CANARY}), ask)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("share", "kind"),
    [
        (limits._share_of(250_000_000, None), OutOfMemoryError),
        (limits._share_of(250_000_000, 16 * 10**9), OutOfMemoryError),
        (limits._share_of(16 * 10**9, None), None),
        (limits._share_of(None, limits.OTHERS_BYTES + 1), limits.JobMemoryError),
    ],
)
def test_it_takes_too_much_memory(
    little: Little, share: limits.Share, kind: type[OutOfMemoryError] | None
) -> None:
    """All of its processes together; which is an outcome of the cell, or of an attempt at its job."""
    token = limits._share.set(
        replace(share, bytes=min(share.bytes, 250_000_000) if kind else share.bytes)
    )
    try:
        with servers.start(little.plan(), ask) as server:
            with contextlib.suppress(OSError):
                get(server, "/grow")
            if kind is None:
                server.check(2 * LOOK_S)
                return
            message = r"^needs more than the 0\.2 GB that its (job|device) has$"
            with pytest.raises(kind, match=message) as caught:
                server.check(PATIENCE_S)
            assert type(caught.value) is kind
    finally:
        limits._share.reset(token)


def test_it_says_that_its_memory_is_too_small(little: Little) -> None:
    """Lines of frameworks and allocators."""
    with pytest.raises(OutOfMemoryError, match="CUDA out of memory"):
        servers.start(
            little.plan("--exit=1", "--say=torch.OutOfMemoryError: CUDA out of memory."), ask
        )


def test_what_a_server_inherits() -> None:
    """Nothing is fetched or reported, no proxy stands between, and one core is the client's."""
    start = {
        "no_proxy": "example.org", "PATH": "/bin", "OPENAI_API_KEY": "x",
        "TOKENIZERS_PARALLELISM": "no",
    }  # fmt: skip
    found = environment({"OWN": "1", "DO_NOT_TRACK": "0"}, 3, start)
    assert found["NO_PROXY"] == found["no_proxy"] == "example.org,127.0.0.1,localhost"
    assert found["PATH"].split(":") == [str(Path(sys.executable).parent), "/bin"]
    assert found["HF_HUB_OFFLINE"] == found["VLLM_NO_USAGE_STATS"] == "1"
    assert (found["OMP_NUM_THREADS"], found["OWN"], found["DO_NOT_TRACK"]) == ("3", "1", "0")
    assert "OPENAI_API_KEY" not in found
    assert "TOKENIZERS_PARALLELISM" in found
    assert environment({}, None, {})["OMP_NUM_THREADS"] == str(max(1, hardware.cores() - 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "a command begins with the name of a program"),
        ([["serve"], "{port}"], "a command begins with the name of a program"),
        (["serve", "{porf}"], "no placeholder {porf} (did you mean 'port'?)"),
        (["serve", ["-m", "{chekpoint}"], "{port}"], "no placeholder {chekpoint} (did you mean 'checkpoint'?)"),
        (["serve", "{key}", "{port}"], "no placeholder {key} (did you mean 'key_file'?)"),
        (["serve", "--port={port"], "'{port' is not closed; write {name}"),
        (["serve", "{port}", "--host", "0.0.0.0"], "'0.0.0.0' listens for every host; write {host}"),
        (["serve", "--bind=0.0.0.0:{port}"], "'--bind=0.0.0.0:{port}' listens for every host; write {host}"),
        (["serve", "--bind=[::]:{port}"], "'--bind=[::]:{port}' listens for every host; write {host}"),
        (["serve", "--host", "::", "{port}"], "'::' listens for every host; write {host}"),
        (["serve", "{checkpoint}"], "neither the command nor its environment has {port}"),
    ],
)  # fmt: skip
def test_commands_that_start_no_server_of_ours(arguments: list[Argument], message: str) -> None:
    """Each is refused with the reason, while planning."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Command(arguments).check()


def test_a_command_is_filled() -> None:
    """Braces of JSON stay; what has no value is left out with its option, or is an error."""
    command = Command(
        ["serve", "{checkpoint}", ["-tp", "{gpus}"], ["-c", "{context}"], '--spec={"n": {"k": 1}}',
         "std::vector"],
        {"PORT": "{host}:{port}", "GPUS": "{gpus}"},
    )  # fmt: skip
    command.check()
    values = {"checkpoint": Path("/a b"), "gpus": None, "context": 32, "host": "h", "port": 1}
    arguments = ["serve", "/a b", "-c", "32", '--spec={"n": {"k": 1}}', "std::vector"]
    assert command.filled(values) == (arguments, {"PORT": "h:1"})
    with pytest.raises(UserError, match=r"^'\{file\}': there is no file here$"):
        Command(["serve", "{file}", "{port}"]).filled(values)


@given(st.dictionaries(st.sampled_from(sorted(PLACEHOLDERS)), st.text(), min_size=1))
def test_values_are_never_templates(values: dict[str, str]) -> None:
    """A value with braces, such as a folder's name, stands as it is."""
    arguments, _ = Command([f"{{{name}}}" for name in values]).filled(values)
    assert arguments == [*values.values()]


def test_free_ports() -> None:
    """They are different, and can be listened on."""
    found = ports.free(20)
    assert len({*found}) == 20
    with socket.create_server((ports.HOST, found[0])):
        assert ports.Listener(ports.HOST, found[0]) in (ports.listeners([os.getpid()]) or [])
