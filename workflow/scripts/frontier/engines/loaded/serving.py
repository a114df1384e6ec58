"""A server for one cell: started with its checkpoint and asked for a first answer, or reached."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from frontier.checkpoints.safetensor_files import chosen
from frontier.client import Call, Limits
from frontier.client.client import Client
from frontier.engines import Generate, Loaded, ServerFacts, Settings
from frontier.engines.common.asking import OK
from frontier.engines.common.prompting import Prompting
from frontier.engines.common.secrecy import masked
from frontier.engines.common.sending import Sending
from frontier.engines.common.server_keys import Change
from frontier.engines.loaded.server import ServerModel
from frontier.engines.server import Server
from frontier.errors import UnsupportedError, UserError, did_you_mean
from frontier.machine.torch_devices import NAMES
from frontier.quantizers import block_of
from frontier.serving import servers
from frontier.serving.commands import Command
from frontier.serving.plans import Plan
from frontier.serving.server import Server as Running
from frontier.techniques import block_of as way_of
from frontier.text import shown, visible

NAME = "model"
"""The model's name at a server that is started here."""
GGUF, OPENVINO = "model.gguf", "openvino_model.bin"
KEEP_S = 60.0
"""The time that a server waits for the next cell of its run."""
PROBE = Generate("1 + 1 =", 2)


def load(block: Server, checkpoint: Path, settings: Settings) -> ServerModel:
    """A started server's model. Raises UnsupportedError, OutOfMemoryError or UserError."""
    if block.command is None:
        raise UnsupportedError("an endpoint serves models by name, not checkpoints")
    prompting = Prompting.of(checkpoint, settings)
    quantizes = block.quantized(block_of(settings.quantizer))
    techniques = [block.technique(way_of(one)) for one in settings.techniques]
    changes = [one for one in (_cache(block, settings), quantizes, *techniques) if one]
    arguments = tuple(one for change in changes for one in change.arguments)
    variables = {name: one for change in changes for name, one in change.variables.items()}
    context = min(block.context, prompting.positions or block.context)
    values = {
        "checkpoint": checkpoint.absolute(),
        "draft": settings.draft and settings.draft.absolute(),
        "draft_file": settings.draft and _file(settings.draft),
        "file": _file(checkpoint),
        "accelerator": NAMES[settings.accelerator],
        "dtype": block.dtype_names.get(settings.dtype, settings.dtype),
        # A job on a CPU may reserve some all the same, on which nothing is computed.
        "gpus": settings.gpus or None if settings.accelerator != "cpu" else None,
        "threads": settings.threads,
        "context": context,
        "name": NAME,
    }
    headers, secrets = _key(block, settings.engine_id)
    caches = block.prefix_cache(settings.prefix_cache)
    plan = Plan(
        name=settings.engine_id,
        command=Command((*block.command, *arguments), block.variables | variables),
        values=values,
        log=settings.log,
        health=block.health,
        ready_s=block.ready_s,
        threads=settings.threads,
        headers=headers,
        secrets=secrets,
        container=block.container,
        # On a GPU it would have to hold the job's lease.
        keep_s=KEEP_S if not settings.gpus and caches is False else 0.0,
    )
    named, _ = Command((block.model,)).filled(values)
    added = {name: one for change in changes for name, one in change.fields.items()}
    sending = Sending(block.dialect, settings, named[0], prompting, context, added)
    loaded = Loaded(
        weights_bytes=None if quantizes else _weights_bytes(checkpoint, settings.draft),
        quantized_layers=None,
        kv_bytes_per_token=None,
        server=ServerFacts(
            settings.engine_id,
            prefix_cache=caches,
            greedy=block.greedy,
            template=_template(block, settings),
        ),
    )
    ready: list[ServerModel] = []

    def probe(server: Running) -> None:
        client = Client(server.url + block.root, limits(block))
        model = ServerModel(block, settings, client, headers, sending, loaded, server)
        try:
            model.probe(PROBE)
        except BaseException:
            client.close()
            raise
        ready.append(model)

    server = servers.start(plan, probe)
    model = ready[-1]
    facts = replace(
        model.loaded.server or ServerFacts(settings.engine_id),
        start_s=server.start_s,
        kept=server.kept,
        version=_version(block, server.url, headers),
    )
    model.loaded = replace(model.loaded, server=facts)
    return model


def connect(block: Server, settings: Settings) -> ServerModel:
    """The model `settings.served` of an endpoint. Raises UserError if it is not there."""
    if block.base_url is None or settings.served is None:
        raise UnsupportedError("a server that is started here serves checkpoints, not names")
    headers, _ = _key(block, settings.engine_id)
    client = Client(block.base_url, limits(block))
    sending = Sending(block.dialect, settings, settings.served)
    facts = ServerFacts(
        settings.engine_id,
        base_url=block.base_url,
        prefix_cache=block.prefix_cache(settings.prefix_cache),
        greedy=block.greedy,
        template=_template(block, settings),
    )
    loaded = Loaded(
        weights_bytes=None, quantized_layers=None, kv_bytes_per_token=None, server=facts
    )
    try:
        if block.lists_models:
            _check_listed(client, headers, settings.served, settings.engine_id)
    except BaseException:
        client.close()
        raise
    return ServerModel(block, settings, client, headers, sending, loaded)


def limits(block: Server) -> Limits:
    """The limits of each request to a server."""
    return Limits(first_byte_s=block.timeout_s, between_s=block.timeout_s)


def _cache(block: Server, settings: Settings) -> Change | None:
    """The change that turns the prefix cache on, or off if it can be."""
    cache = block.prefix_caching
    return cache.enable if settings.prefix_cache else cache.disable


def _template(block: Server, settings: Settings) -> Any:
    if block.dialect.api != "completions":
        return "server"
    return "none" if settings.prompt == "plain" else "checkpoint"


def _key(block: Server, name: str) -> tuple[dict[str, str], dict[str, str]]:
    """The header with the key, and the variable of a started server. Raises UserError if unset."""
    if block.key is None:
        return {}, {}
    block.require(name)
    value = os.environ[block.key.variable].strip()
    bearer = block.key.header.lower() == "authorization"
    secrets = {block.key.given_as: value} if block.key.given_as else {}
    return {block.key.header: f"Bearer {value}" if bearer else value}, secrets


def _file(checkpoint: Path) -> Path | None:
    """The only file of a checkpoint's weights, if they are in one."""
    file = checkpoint / GGUF
    return file.absolute() if file.is_file() else None


def _weights_bytes(checkpoint: Path, draft: Path | None = None) -> int | None:
    """The bytes of the weights as stored, with a draft's; None for a format of another kind."""
    if draft is not None:
        both = [_weights_bytes(one) for one in (checkpoint, draft)]
        return None if None in both else sum(one or 0 for one in both)
    single = [checkpoint / name for name in (GGUF, OPENVINO) if (checkpoint / name).is_file()]
    try:
        files = single or [checkpoint / name for name in chosen(checkpoint).files]
    except UserError:
        return None
    return sum(path.stat().st_size for path in files)


def _version(block: Server, url: str, headers: Mapping[str, str]) -> str | None:
    """The server's version as it reports it, if it does."""
    if block.version is None:
        return None
    with Client(url) as client:
        found = masked(client.ask(Call("version", block.version, headers, method="GET")), headers)
    if found.failure or found.status != OK:
        return None
    text = found.body.decode(errors="replace").strip()
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if isinstance(value, dict):
        value = next(
            (value[key] for key in ("version", "build_info", "build") if key in value), None
        )
    return None if value is None else visible(str(value), 80)


def _check_listed(client: Client, headers: Mapping[str, str], model: str, name: str) -> None:
    """Raises UserError for a model that the endpoint does not list; it may list none."""
    found = client.ask(Call("models", "/models", headers, method="GET"))
    if found.failure or found.status != OK:
        return  # the first request says what is wrong
    try:
        ids = [str(one["id"]) for one in json.loads(found.body)["data"]]
    except (ValueError, LookupError, TypeError):
        return
    if ids and model not in ids:
        raise UserError(f"{name}: has no model {shown(model)}{did_you_mean(model, ids)}")
