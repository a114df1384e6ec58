"""The HTTP client: framing, connections and their faults, against a server that plays them."""

from __future__ import annotations

import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as some

from frontier.client import Call, Exchange, Limits
from frontier.client.client import Client
from frontier.client.framing import MalformedError, Response
from frontier.client.origin import Origin
from frontier.client.player import Player
from frontier.errors import UserError
from frontier.host import presence
from played_server import SCRIPTS, STAMPS, PlayedServer, Schedule

CERTIFICATE = Path(__file__).parents[1] / "localhost.pem"
KEY = "canary-key-4711"


@pytest.fixture(scope="module")
def server() -> Iterator[PlayedServer]:
    """A server for all tests."""
    with PlayedServer() as played:
        yield played


@pytest.fixture
def client(server: PlayedServer) -> Iterator[Client]:
    """A client of it with short limits."""
    with Client(server.url, Limits(body_bytes=10_000)) as opened:
        yield opened


def call(schedule: Schedule, name: str = "1", due_ns: int = 0) -> Call:
    """A call that asks for a schedule."""
    return Call(name, "/", {"Authorization": f"Bearer {KEY}"}, schedule.body(), due_ns)


def raw(*texts: str, end: str = "close") -> Schedule:
    """A schedule of bytes that are sent at once, each with a write of its own."""
    return Schedule([(0, text) for text in texts], framing="raw", end=end)  # type: ignore[arg-type]


def failed(exchange: Exchange) -> tuple[str, str]:
    """The kind and the message of its failure."""
    assert exchange.failure
    assert KEY not in exchange.failure.message
    assert "\n" not in exchange.failure.message
    return exchange.failure.kind, exchange.failure.message


HEAD = b"HTTP/1.1 200 OK\r\n"
RESPONSES = [
    (HEAD + b"Content-Length: 5\r\n\r\nhello", b"hello", True),
    (HEAD + b"content-length:0\r\n\r\n", b"", True),
    (HEAD + b"Content-Length: 5, 5\r\nConnection: close\r\n\r\nhello", b"hello", False),
    (b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", False),
    (b"HTTP/1.0 200 OK\nContent-Length: 5\nConnection: keep-alive\n\nhello", b"hello", True),
    (b"HTTP/1.1 204 No\r\nX: 1\r\n\r\n", b"", True),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: a\r\n\r\n"
     + HEAD + b"Content-Length: 2\r\n\r\nok", b"ok", True),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0A;name=1\r\n\r\n3\r\n456\n \r\n0\r\n\r\n",
     b"abc\r\n3\r\n456\n ", True),
    (HEAD + b"Transfer-Encoding: Chunked\r\nContent-Length: 1\r\n\r\n1\r\na\r\n0\r\nA: b\r\nC: d\r\n\r\n",
     b"a", True),
    (HEAD + b"Content-Length: 2\r\n\r\nokHTTP/1.1 200 OK", b"ok", False),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "body", "keep"), RESPONSES)
@given(cuts=some.lists(some.integers(0, 200)))
def test_framing(sent: bytes, body: bytes, keep: bool, cuts: list[int]) -> None:
    """A response is the same however its bytes were split."""
    response, read = Response(), b""
    places = sorted({0, len(sent), *(cut % len(sent) for cut in cuts)})
    for start, end in pairwise(places):
        read += response.feed(sent[start:end])
        if response.done:
            break
    assert (response.done, read) == (True, body)
    if places == [0, len(sent)]:
        assert response.keep == keep


@given(cuts=some.lists(some.integers(0, 60)), cut=some.booleans())
def test_a_body_to_the_end(cuts: list[int], cut: bool) -> None:
    """The end of the connection ends a body without a length, and cuts one with a length."""
    length = b"Content-Length: 99\r\n" if cut else b""
    sent = HEAD + length + b"\r\nhello"
    response, read = Response(), b""
    places = sorted({0, len(sent), *(one % len(sent) for one in cuts)})
    assert response.end() == "closed"
    for start, end in pairwise(places):
        read += response.feed(sent[start:end])
        assert not response.done
    assert read == b"hello"
    assert response.end() == ("cut" if cut else "complete")
    assert response.done != cut


@pytest.mark.parametrize(
    "sent",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"\x16\x03\x01 no text at all",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        HEAD + b"no header\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 1, 2\r\n\r\n",
        HEAD + b"Content-Length: \xb2\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\na",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 70_000,
        HEAD + b"A: " + b"b" * 70_000,
    ],
)
def test_malformed(sent: bytes) -> None:
    """Bytes that are not a response are rejected, also piece by piece."""
    with pytest.raises(MalformedError):
        Response().feed(sent)
    response, rejected = Response(), False
    size = 1 + len(sent) // 1000
    for place in range(0, len(sent), size):
        try:
            response.feed(sent[place : place + size])
        except MalformedError:
            rejected = True
            break
    assert rejected


@given(some.binary(max_size=300))
def test_any_bytes(sent: bytes) -> None:
    """No bytes raise anything else."""
    for start in (b"", HEAD, HEAD + b"Transfer-Encoding: chunked\r\n\r\n"):
        try:
            Response().feed(start + sent)
        except MalformedError:
            continue


def test_urls() -> None:
    """The parts of URLs, and those that are none of a server."""
    assert Origin.of("http://127.0.0.1:8000/v1/") == Origin("http", "127.0.0.1", 8000, "/v1")
    assert Origin.of("https://api.example.com/v1").authority == "api.example.com"
    assert Origin.of("https://[2001:db8::1]:444").authority == "[2001:db8::1]:444"
    assert Origin.of("http://bücher.example").host == "xn--bcher-kva.example"
    for wrong in ("", "localhost:80", "ftp://a", "http://", "http://a:b", "http://a:99999",
                  "http://a?b=c", "http://a#b", "http://a b", "http://[::1", "http://a\nb"):  # fmt: skip
        with pytest.raises(UserError):
            Origin.of(wrong)
    for secret in (f"http://{KEY}@a", f"http://user:{KEY}@a/b"):
        with pytest.raises(UserError) as raised:
            Origin.of(secret)
        assert KEY not in str(raised.value)


@pytest.mark.parametrize(
    ("path", "headers", "shows"),
    [
        ("a", {}, "'a'"),
        ("/a b", {}, "'/a b'"),
        ("/", {"Authorization": f"{KEY}\n"}, "Authorization"),
        ("/", {"Authorization": f"{KEY}\r\nHost: elsewhere"}, "Authorization"),
        ("/", {"Authorization": f"{KEY}\N{SNOWMAN}"}, "Authorization"),
        ("/", {"a b": "c"}, "'a b'"),
        ("/", {"Host": "elsewhere"}, "'Host'"),
        ("/", {"Content-Length": "3"}, "'Content-Length'"),
    ],
)
def test_calls_that_cannot_be_sent(path: str, headers: dict[str, str], shows: str) -> None:
    """One line names the header, never its value."""
    with Client("http://127.0.0.1:1") as client, pytest.raises(UserError) as raised:
        client.ask(Call("1", path, headers))
    assert shows in str(raised.value)
    assert KEY not in str(raised.value)
    assert client.pid is None


def test_bodies(client: Client) -> None:
    """A body in each framing, over connections that stay open or do not."""
    for framing in ("chunked", "length", "close", "chunked"):
        steps = [(1.0, "data: a\n\n"), (2.0, "data: \xe4\xb8"), (1.0, "\xad\n\n")]
        exchange = client.ask(call(Schedule(steps, framing)))
        assert exchange.failure is None
        assert exchange.status == 200
        assert exchange.headers["content-type"] == "text/event-stream"
        assert exchange.body == b"data: a\n\ndata: \xe4\xb8\xad\n\n"
        times = [
            exchange.due_ns, exchange.sent_ns, exchange.first_byte_ns,
            *(read.ns for read in exchange.reads), exchange.end_ns, time.perf_counter_ns(),
        ]  # fmt: skip
        assert times == sorted(times)
        assert not exchange.fresh
        assert KEY not in repr(exchange)


def test_an_error_is_no_failure(client: Client) -> None:
    """A status and its body are left to the one who reads them."""
    steps = [(0.0, '{"error": "busy"}')]
    exchange = client.ask(call(Schedule(steps, "length", 429, {"Retry-After": "3"})))
    assert exchange.failure is None
    assert (exchange.status, exchange.headers["retry-after"]) == (429, "3")
    assert exchange.body == b'{"error": "busy"}'


@pytest.mark.parametrize(
    ("schedule", "kind", "shows"),
    [
        (raw(), "closed", "without an answer"),
        (raw(end="reset"), "reset", "reset"),
        (raw("HTTP/1.1 2"), "cut", "in the middle"),
        (Schedule([(0, "data: 1\n\n")], end="close"), "cut", "in the middle"),
        (Schedule([(0, "data: 1\n\n"), (50, "")], end="reset"), "reset", "reset"),
        (raw("SSH-2.0\r\n"), "malformed", "SSH-2.0"),
        (Schedule([(0, "x" * 20_000)]), "too-large", "10,000"),
        (
            Schedule((), "length", 307, {"Location": f"https://user:{KEY}@a.example/v1?key={KEY}"}),
            "redirect",
            "https://a.example/v1",
        ),
        (Schedule((), "length", 301, {"Location": "/other"}), "redirect", "/other"),
    ],
)
def test_faults(client: Client, schedule: Schedule, kind: str, shows: str) -> None:
    """Each fault has its kind and one line; the next call is not affected."""
    found, message = failed(client.ask(call(schedule)))
    assert found == kind
    assert shows in message
    assert client.ask(call(Schedule([(0, "well")], "length"))).body == b"well"


@pytest.mark.parametrize(
    ("limits", "steps", "kind"),
    [
        (Limits(first_byte_s=0.1), [(600_000.0, "late")], "first-byte-timeout"),
        (
            Limits(between_s=0.1),
            [(0.0, "HTTP/1.1 200 OK\r\n\r\n"), (600_000.0, "")],
            "read-timeout",
        ),
        (
            Limits(whole_s=0.2),
            [(0.0, "HTTP/1.1 200 OK\r\n\r\n"), *[(10.0, "x")] * 60_000],
            "timeout",
        ),
    ],
)
def test_limits(
    server: PlayedServer, limits: Limits, steps: list[tuple[float, str]], kind: str
) -> None:
    """A server that hangs, stands still or does not end is left in time."""
    with Client(server.url, limits) as client:
        exchange = client.ask(call(Schedule(steps, "raw", end="hang")))
        assert failed(exchange)[0] == kind
        again = call(Schedule([(0, "well")], "length"))
        # A busy machine may need several attempts to be as fast.
        assert any(client.ask(again).body == b"well" for _ in range(1000))


def test_a_request_that_hangs_ends_with_snakemake(
    server: PlayedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed alone, it leaves nobody who waits for the answer."""
    code = "import time; time.sleep(3600)"
    with subprocess.Popen([sys.executable, "-c", code, "snakemake"]) as runner:
        monkeypatch.setenv(presence.RUNNER, str(runner.pid))
        with Client(server.url, Limits(first_byte_s=3600, between_s=3600)) as client:
            played = client.play(
                [
                    call(Schedule([], "raw", end="hang")),
                    call(Schedule([(0, "well")], "length"), "2"),
                ]
            )
            assert next(played).call.id == "2"
            runner.kill()
            with pytest.raises(UserError, match="Snakemake has ended"):
                next(played)


def test_between_requests_it_ends_with_snakemake(
    server: PlayedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing more is sent soon after, and nothing at all by a client that begins then."""
    code = "import time; time.sleep(3600)"
    with subprocess.Popen([sys.executable, "-c", code, "snakemake"]) as runner:
        monkeypatch.setenv(presence.RUNNER, str(runner.pid))
        with Client(server.url) as client:
            well = call(Schedule([(0, "well")], "length"))
            assert client.ask(well).body == b"well"
            runner.kill()
            runner.wait()
            with pytest.raises(UserError, match="Snakemake has ended"):
                _ask_for_ever(client, well)
            with pytest.raises(UserError, match="Snakemake has ended"):
                client.ask(well)
            assert client.pid is None


def _ask_for_ever(client: Client, well: Call) -> None:
    while client.ask(well).failure is None:
        time.sleep(0.2)


def test_no_server() -> None:
    """A port where nothing listens, and a name without an address: every call, at once."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        later = time.perf_counter_ns() + 3600 * 10**9
        with Client(url) as client:
            exchanges = list(client.play([Call(str(n), "/", due_ns=later) for n in range(3)]))
    assert [failed(one)[0] for one in exchanges] == ["refused"] * 3
    assert not any(one.sent_ns for one in exchanges)
    with Client("http://a-name-without-an-address.invalid") as client:
        kind, message = failed(client.ask(Call("1", "/")))
    assert kind == "unresolved"
    assert "a-name-without-an-address.invalid" in message


def test_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate must be trusted, and be that of the host."""
    with PlayedServer(CERTIFICATE) as server:
        named = server.url.replace("127.0.0.1", "localhost")
        asked = call(Schedule([(1, "data: 1\n\n")] * 3))
        with Client(named) as client:
            kind, message = failed(client.ask(asked))
        assert (kind, "self-signed" in message) == ("certificate", True)
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        with Client(named) as client:
            for _ in range(2):
                exchange = client.ask(asked)
                assert exchange.failure is None
                assert exchange.body == b"data: 1\n\n" * 3
        with Client(server.url) as client:
            kind, message = failed(client.ask(asked))
        assert (kind, "127.0.0.1" in message) == ("certificate", True)
    with Client("https://127.0.0.1:1") as client:
        assert failed(client.ask(asked))[0] == "refused"


def test_tls_where_there_is_none(server: PlayedServer) -> None:
    """A server without TLS, and one that never answers its greeting."""
    with Client(server.url.replace("http:", "https:"), Limits(connect_s=0.5)) as client:
        assert failed(client.ask(call(Schedule())))[0] in ("tls", "connect-timeout", "reset")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        with Client(url, Limits(connect_s=0.2)) as client:
            assert failed(client.ask(call(Schedule())))[0] == "connect-timeout"


def test_a_name_with_several_addresses(server: PlayedServer) -> None:
    """It leads to the one that listens."""
    with Client(f"http://localhost:{server.port}") as client:
        assert client.ask(call(Schedule([(0, "well")]))).body == b"well"


def test_ipv6() -> None:
    """An address in brackets, where the machine has such addresses at all."""
    try:
        with socket.socket(socket.AF_INET6) as found:
            found.bind(("::1", 0))
    except OSError:
        host = "127.0.0.1"
    else:
        host = "::1"
    with PlayedServer(host=host) as server, Client(server.url) as client:
        assert client.ask(call(Schedule([(0, "well")]))).body == b"well"


def test_a_server_that_ends() -> None:
    """Its connections end, and then it refuses others."""
    with PlayedServer() as server, Client(server.url) as client:
        assert client.ask(call(Schedule())).status == 200
        server.kill()
        assert failed(client.ask(call(Schedule())))[0] in ("refused", "closed", "reset")
        assert failed(client.ask(call(Schedule())))[0] == "refused"


def test_proxies_are_not_used(server: PlayedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server here is reached directly, even if the environment names a proxy."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with Client(server.url) as client:
        assert client.ask(call(Schedule())).status == 200


def test_all_at_once(client: Client) -> None:
    """Calls that are due at once do not wait for each other, unless connections are limited."""
    calls = [call(Schedule([(2000, "data: 1\n\n")]), str(number)) for number in range(20)]
    exchanges = list(client.play(calls))
    assert sorted(int(one.call.id) for one in exchanges) == list(range(20))
    assert max(one.sent_ns for one in exchanges) < min(one.end_ns for one in exchanges)
    assert client.conduct
    assert client.conduct.fresh == 0
    with Client(client.origin.scheme + "://" + client.origin.authority) as narrow:
        calls = [call(Schedule([(10, "data: 1\n\n")]), str(number)) for number in range(20)]
        exchanges = list(narrow.play(calls, connections=2, most=2))
        assert narrow.conduct
        assert narrow.conduct.connections <= 2
    assert all(one.failure is None for one in exchanges)
    last = max(exchanges, key=lambda one: one.sent_ns)
    assert sum(one.end_ns <= last.sent_ns for one in exchanges) >= 18


def test_a_schedule(client: Client) -> None:
    """No call is sent before it is due; one without a connection in time says so."""
    began = time.perf_counter_ns() + 200_000_000
    schedule = Schedule([(500, "data: 1\n\n")])
    calls = [call(schedule, str(number), began + number * 2_000_000) for number in range(30)]
    exchanges = {one.call.id: one for one in client.play(reversed_order(calls), connections=4)}
    assert all(one.sent_ns >= one.due_ns == one.call.due_ns for one in exchanges.values())
    assert all(one.failure is None for one in exchanges.values())
    assert client.conduct
    assert sum(one.fresh for one in exchanges.values()) == client.conduct.fresh


def reversed_order(calls: list[Call]) -> list[Call]:
    """The calls, the last one first: the order in which they are due is the client's work."""
    return calls[::-1]


class Ending(socketserver.BaseRequestHandler):
    """Answers once, and ends the connection a little later, as llama.cpp's server does."""

    def handle(self) -> None:
        if self.request.recv(10_000):
            self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell")
            time.sleep(0.02)


def test_connections_that_the_server_ends() -> None:
    """A server has ended one and had not said so: no other is used for a second call."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Ending) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Client(f"http://127.0.0.1:{server.server_address[1]}") as client:
            exchanges = [client.ask(Call(str(number), "/", {}, b"")) for number in range(50)]
        server.shutdown()
    failed = [one.failure.kind for one in exchanges if one.failure]
    assert failed in ([], ["closed"], ["reset"])  # the first time, it was sent before the end


@pytest.mark.parametrize(("kept", "again"), [("timeout=1, max=100", False), ("timeout=3600", True)])
def test_connections_that_the_server_will_end(client: Client, kept: str, again: bool) -> None:
    """A connection is not used when the server is about to end it."""
    schedule = Schedule([(0, STAMPS)], headers={"Keep-Alive": kept})
    ports = set()
    for _ in range(3):
        exchange = client.ask(call(schedule))
        assert exchange.failure is None
        assert not exchange.fresh
        ports.add(exchange.headers["x-port"])
    assert len(ports) == (1 if again else 3)


@pytest.mark.parametrize(("kept_s", "left"), [(1.0, 0), (3600.0, 2), (None, 2)])
def test_unused_connections_grow_old(server: PlayedServer, kept_s: float | None, left: int) -> None:
    """The server's time for connections that have served a call is also that of the others."""
    player = Player(Origin.of(server.url), Limits(), lambda: None)
    assert player.connect(2) is None
    player.pool.give(player.pool.idle.pop(), kept_s)
    player.pool.drop_stale()
    assert len(player.pool) == left
    for connection in list(player.pool.idle):
        player.pool.close(connection)


def test_large_requests(client: Client) -> None:
    """A request larger than what a socket takes at once, and its answer."""
    schedule = Schedule([(0, "well")]).body()
    exchange = client.ask(Call("1", "/", {}, schedule + b" " * 20_000_000))
    assert exchange.body == b"well"
    assert exchange.sending_ns > 0


def test_leaving_early(server: PlayedServer) -> None:
    """A play that is left ends the client's process; the next one starts another."""
    with Client(server.url) as client:
        calls = [call(Schedule([(number * 100, "data")]), str(number)) for number in range(10)]
        playing = client.play(calls)
        assert next(playing).call.id == "0"
        process = psutil.Process(client.pid)
        playing.close()
        assert not process.is_running()
        assert client.pid is None
        assert client.ask(call(Schedule([(0, "well")]))).body == b"well"
        process = psutil.Process(client.pid)
        process.kill()
        process.wait()
        with pytest.raises(UserError, match="process has ended"):
            client.ask(call(Schedule()))
        assert client.ask(call(Schedule([(0, "well")]))).body == b"well"
    assert client.pid is None


USER = """
import sys, time
from frontier.client import Call
from frontier.client.client import Client

client = Client(sys.argv[1])
calls = [Call(str(number), "/", {}, body.encode()) for number, body in enumerate(sys.argv[2:])]
for exchange in client.play(calls):
    print(client.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("delays", [[0], [0, 600_000]])
def test_the_client_ends_with_its_user(server: PlayedServer, delays: list[float]) -> None:
    """A killed user of the client leaves no process behind, idle or in the middle of a play."""
    bodies = [Schedule([(delay, "")]).body().decode() for delay in delays]
    user = subprocess.Popen(
        [sys.executable, "-c", USER, server.url, *bodies],
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert user.stdout
    process = psutil.Process(int(user.stdout.readline()))
    user.send_signal(signal.SIGKILL)
    user.communicate()
    process.wait(timeout=60)


def test_a_server_that_takes_no_connection() -> None:
    """Calls fail if each connection is ended at once, however often one is opened."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as crowded:
        crowded.settimeout(0.05)

        def end() -> None:
            while not ended.is_set():
                with suppress(TimeoutError):
                    crowded.accept()[0].close()

        ending = threading.Thread(target=end)
        ending.start()
        with Client(
            f"http://127.0.0.1:{crowded.getsockname()[1]}", Limits(connect_s=0.5)
        ) as client:
            for exchange in client.play([call(Schedule(), str(number)) for number in range(8)]):
                assert failed(exchange)[0] in ("closed", "reset")
        ended.set()
        ending.join()
