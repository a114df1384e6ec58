"""Checks the names by which a block of the catalogue refers to others."""

from __future__ import annotations

from collections.abc import Mapping

from frontier.catalogue.checking import all_of, one_of, scenarios
from frontier.catalogue.entries import Catalogue
from frontier.conversions import plain_formats
from frontier.engines import Engine
from frontier.errors import UserError
from frontier.quantizers import block_of, formats


def check_references(catalogue: Catalogue) -> None:
    """Raises UserError in one line for a name that nothing has, or that does not suit."""
    _check_quantizations(catalogue)
    _check_formats(catalogue.engines)
    _check_devices(catalogue)
    _check_endpoints(catalogue)
    _check_bases(catalogue)
    _check_drafts(catalogue)


def _check_quantizations(catalogue: Catalogue) -> None:
    for name, quantizer in catalogue.quantizations.items():
        where = f"config/quantizations.yaml: quantizations.{name}"
        if name == "native" and block_of(quantizer) != {"method": "native"}:
            raise UserError(
                f"{where}: must be `method: native` and nothing else: the model as published"
            )
        if (texts := quantizer.calibrated_with) is not None:
            one_of(texts, catalogue.calibrations, f"{where}.calibration")
    for name, calibration in catalogue.calibrations.items():
        where = f"config/quantizations.yaml: calibrations.{name}.tasks"
        all_of(calibration.tasks, catalogue.tasks, where)


def _check_formats(engines: Mapping[str, Engine]) -> None:
    """Raises UserError for a format that nothing makes: all of an engine's cells would lack one."""
    known = formats() | plain_formats()
    for name, engine in engines.items():
        for format in engine.reads:
            one_of(format, known, f"config/engines.yaml: engines.{name}.reads")


def _check_devices(catalogue: Catalogue) -> None:
    for name, engine in catalogue.engines.items():
        all_of(engine.scenarios, scenarios(), f"config/engines.yaml: engines.{name}.scenarios")
    for name, device in catalogue.devices.items():
        where = f"config/devices.yaml: devices.{name}"
        one_of(device.engine, catalogue.engines, f"{where}.engine")
        all_of(device.serves, catalogue.models, f"{where}.serves")
        engine = catalogue.engines[device.engine]
        if device.prefix_cache and (reason := engine.why_not_cached()):
            raise UserError(f"{where}.prefix_cache: {device.engine} {reason}")
        if device.price_per_hour and engine.price_per_million_tokens:
            raise UserError(
                f"{where}.price_per_hour: {device.engine} has a price_per_million_tokens: an "
                "endpoint has one of them"
            )


def _check_endpoints(catalogue: Catalogue) -> None:
    """Raises UserError for a model behind a name that is said to be where no endpoint is."""
    for name, model in catalogue.models.items():
        where = f"config/models.yaml: models.{name}.endpoints"
        all_of(model.endpoints, catalogue.engines, where)
        for engine in model.endpoints:
            if not catalogue.engines[engine].remote:
                raise UserError(f"{where}: {engine} is no endpoint (accelerators: [remote])")


def _check_bases(catalogue: Catalogue) -> None:
    """Raises UserError for a base, or a head's model, that is no other model."""
    for name, model in catalogue.models.items():
        for key in ("base", "head_of"):
            if (other := getattr(model, key)) is not None:
                where = f"config/models.yaml: models.{name}.{key}"
                one_of(other, catalogue.models.keys() - {name}, where)


def _check_drafts(catalogue: Catalogue) -> None:
    """Raises UserError for a technique's draft that is no model."""
    for name, technique in catalogue.techniques.items():
        if technique.draft_model is not None:
            where = f"config/techniques.yaml: techniques.{name}.draft"
            one_of(technique.draft_model, catalogue.models, where)
