"""Quantizers and techniques as fields of specifications: blocks of the catalogue as JSON."""

from __future__ import annotations

from typing import Annotated

from pydantic import PlainSerializer, PlainValidator, ValidationError

from frontier.errors import UserError
from frontier.quantizers import Quantizer, block_of, quantizer_of
from frontier.techniques import Technique, technique_of
from frontier.techniques import block_of as way_of
from frontier.values import first_fault


def _quantizer(value: object) -> Quantizer:
    """The quantizer for a block with its method. Raises ValueError for an invalid one."""
    if isinstance(value, Quantizer):
        return value
    try:
        return quantizer_of(value if isinstance(value, dict) else {})
    except UserError as error:
        raise ValueError(str(error)) from None
    except ValidationError as invalid:
        raise ValueError(first_fault(invalid)) from None


AnyQuantizer = Annotated[Quantizer, PlainValidator(_quantizer), PlainSerializer(block_of)]
"""A block of config/quantizations.yaml as JSON, with the defaults of all keys."""


def _technique(value: object) -> Technique:
    """The technique for a block with its kind. Raises ValueError for an invalid one."""
    if isinstance(value, Technique):
        return value
    try:
        return technique_of(value if isinstance(value, dict) else {})
    except UserError as error:
        raise ValueError(str(error)) from None


AnyTechnique = Annotated[Technique, PlainValidator(_technique), PlainSerializer(way_of)]
"""A block of config/techniques.yaml as JSON, with the defaults of all keys."""
