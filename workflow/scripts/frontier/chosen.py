"""A plug-in in a specification or a result: its name and its keys, typed as the plug-in itself."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, GetCoreSchemaHandler, JsonValue, ValidationError
from pydantic_core import CoreSchema, core_schema

from frontier.blocks import Entry
from frontier.errors import UserError
from frontier.registry import Registry
from frontier.values import first_fault

Block = TypeVar("Block", bound=Entry)


def explicit(options: BaseModel, exclude: Collection[str] = ()) -> dict[str, JsonValue]:
    """A plug-in's keys as JSON-able values, including defaults.

    A key that is null by default is left out if it is null, so that a new key changes nothing; so
    are those to `exclude`.
    """
    defaults = {name: field.default for name, field in type(options).model_fields.items()}
    given = options.model_dump(mode="json", exclude=set(exclude))
    return {
        name: one for name, one in given.items() if not (one is None and defaults[name] is None)
    }


@dataclass(frozen=True)
class Chosen(Generic[Block]):
    """Marks a field that holds a plug-in: `scorer: Annotated[Scorer, Chosen(SCORERS)]`.

    In JSON it is {"kind": NAME, "options": {KEY: VALUE}}, including the defaults of all keys.
    """

    registry: Registry[Block]

    def read(self, value: object) -> Block:
        """The plug-in that a value names. Raises ValueError with the reason if it is invalid."""
        if isinstance(value, self.registry.base):
            return value
        if not isinstance(value, Mapping) or not {"kind"} <= value.keys() <= {"kind", "options"}:
            raise ValueError("must be a block with kind and options")
        try:
            found = self.registry.load(str(value["kind"]), "kind")
            return found.model_validate_json(json.dumps(value.get("options", {})))
        except UserError as error:
            raise ValueError(str(error)) from None
        except ValidationError as invalid:
            raise ValueError(f"options.{first_fault(invalid)}") from None

    def write(self, plugin: Block) -> dict[str, JsonValue]:
        """The plug-in as JSON."""
        return {"kind": self.registry.name_of(type(plugin)), "options": explicit(plugin)}

    def __get_pydantic_core_schema__(
        self, _source: Any, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """The validation and serialization of the marked field, for pydantic."""
        written = core_schema.plain_serializer_function_ser_schema(self.write)
        return core_schema.no_info_plain_validator_function(self.read, serialization=written)
