"""Reads config/*.yaml into the catalogue and the study, or says in one line what is wrong."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Collection, Hashable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from frontier import templates
from frontier.catalogue import Catalogue
from frontier.errors import UserError, nearest
from frontier.question import Config

FILES = {
    "models": ("models",),
    "quantizations": ("quantizations", "calibrations"),
    "devices": ("devices",),
    "tasks": ("datasets", "tasks"),
}
ID = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")


class _Loader(yaml.SafeLoader):
    """YAML whose repeated keys are an error: the second block would silently replace the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file's mapping. Raises UserError with file and line for anything else."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"{path}:{line} {error.problem}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected keys and values, found {type(content).__name__}")
    return content


def _keys(kind: type[BaseModel]) -> set[str]:
    """Every key that a block of this kind, or a block inside it, may have."""
    schema = kind.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return {key for part in parts for key in part.get("properties", {})}


def check(kind: type[BaseModel], value: Any, where: str) -> Any:
    """`value` as a `kind`. Raises UserError with `where`, the key and the nearest valid name."""
    try:
        return kind.model_validate(value)
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False)
    # A mistyped key is often a missing one as well; the typo says more.
    error = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    path = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        hint = nearest(str(error["loc"][-1]), _keys(kind))
        raise UserError(f"{where}: {path}: unknown key{hint}")
    message = error["msg"].removeprefix("Value error, ")
    given = error["input"]
    shown = "" if isinstance(given, (dict, BaseModel)) else f" (found {given!r})"
    raise UserError(f"{where}: {path}: {message}{shown}")


@cache
def modules(package: str) -> tuple[str, ...]:
    """The names that a plugin package offers: its files."""
    paths = importlib.import_module(f"frontier.{package}").__path__
    return tuple(sorted(module.name for module in pkgutil.iter_modules(paths)))


def one_of(name: str, names: Collection[str], where: str) -> str:
    """`name` if it is among `names`. Raises UserError with the nearest one."""
    if name not in names:
        raise UserError(f"{where}: unknown id {name!r}{nearest(name, names)}")
    return name


def plugin(package: str, name: str, where: str) -> Any:
    """The module frontier/PACKAGE/NAME.py. Raises UserError with the nearest name."""
    one_of(name, modules(package), where)
    return importlib.import_module(f"frontier.{package}.{name}")


def _check_ids(catalogue: Catalogue) -> None:
    for stem, sections in FILES.items():
        for section in sections:
            for name in getattr(catalogue, section):
                if not ID.fullmatch(name):
                    raise UserError(
                        f"config/{stem}.yaml: {section}.{name}: an id has lower-case letters and "
                        "digits, with single '.', '_' or '-' between them"
                    )
    variants: dict[str, tuple[str, str]] = {}
    for model in catalogue.models:
        for quantization in catalogue.quantizations:
            pair = (model, quantization)
            variant = model if quantization == "native" else f"{model}-{quantization}"
            if variants.setdefault(variant, pair) != pair:
                raise UserError(
                    f"config/models.yaml: models.{model}: variant {variant!r} could be "
                    f"{' + '.join(variants[variant])} or {model} + {quantization}; rename one"
                )


def _check_plugins(catalogue: Catalogue) -> None:
    for name, quantization in catalogue.quantizations.items():
        where = f"config/quantizations.yaml: quantizations.{name}"
        quantizer = plugin("quantizers", quantization.method, f"{where}.method")
        check(quantizer.Options, quantization.options, where)
        if texts := quantization.options.get("calibration"):
            one_of(texts, catalogue.calibrations, f"{where}.calibration")
    for name, calibration in catalogue.calibrations.items():
        for asked in calibration.tasks:
            where = f"config/quantizations.yaml: calibrations.{name}.tasks"
            one_of(asked, catalogue.tasks, where)
    for name, device in catalogue.devices.items():
        # Only its name: importing an engine takes seconds, and may not be possible here at all.
        one_of(device.engine, modules("engines"), f"config/devices.yaml: devices.{name}.engine")
    for name, task in catalogue.tasks.items():
        where = f"config/tasks.yaml: tasks.{name}"
        one_of(task.dataset, catalogue.datasets, f"{where}.dataset")
        loader = catalogue.datasets[task.dataset].loader
        module = plugin("datasets", loader, f"config/tasks.yaml: datasets.{task.dataset}.loader")
        options = check(module.Options, task.sample.options, f"{where}.sample")
        try:
            templates.check(task.prompt, module.fields(options))
        except ValueError as error:
            raise UserError(f"{where}.prompt: {error}") from None
        scorer = plugin("scorers", task.scorer.kind, f"{where}.scorer.kind")
        check(scorer.Options, task.scorer.options, f"{where}.scorer")


def read_catalogue(folder: Path) -> Catalogue:
    """The catalogue in `folder` (config/). Raises UserError in one line for the first fault."""
    sections: dict[str, Any] = {}
    for stem, expected in FILES.items():
        path = folder / f"{stem}.yaml"
        content = read_yaml(path)
        for key in content:
            if key not in expected:
                raise UserError(f"config/{path.name}: {key}: unknown key{nearest(key, expected)}")
        for key in expected:
            field = Catalogue.model_fields[key]
            section = content.get(key, None if field.is_required() else {})
            if not isinstance(section, dict):
                raise UserError(f"config/{path.name}: {key}: missing, or not a mapping")
            kind = field.annotation.__args__[1]  # type: ignore[union-attr]
            sections[key] = {
                name: check(kind, block, f"config/{path.name}: {key}.{name}")
                for name, block in section.items()
            }
    catalogue = Catalogue(**sections)
    _check_ids(catalogue)
    _check_plugins(catalogue)
    return catalogue


def read_config(values: Mapping[str, Any], catalogue: Catalogue, where: str) -> Config:
    """The study out of merged configuration `values`. Raises UserError in one line."""
    config: Config = check(Config, dict(values), where)
    study = config.study
    for axis in ("models", "quantizations", "devices", "tasks"):
        ids = getattr(study, axis)
        for name in ids:
            one_of(name, getattr(catalogue, axis), f"{where}: study.{axis}")
        if not ids:
            raise UserError(f"{where}: study.{axis}: is empty, so the study has no cell")
        if len(set(ids)) != len(ids):
            raise UserError(f"{where}: study.{axis}: names an id twice")
    for part in study.also:
        for axis in ("models", "quantizations", "devices"):
            for name in getattr(part, axis):
                one_of(name, getattr(catalogue, axis), f"{where}: study.also.{axis}")
    for name in config.sources:
        one_of(name, catalogue.datasets, f"{where}: sources")
    return config
