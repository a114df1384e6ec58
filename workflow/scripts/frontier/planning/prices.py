"""The prices of cells at paid endpoints, and the limits of what they may cost."""

from __future__ import annotations

from collections.abc import Iterable

from frontier.blocks import TokenPrices
from frontier.planning.placement import Placement
from frontier.specs.measure import Costs


def token_prices(placement: Placement) -> TokenPrices | None:
    """The prices of tokens: the endpoint's, or else the model's unless the device's hours cost."""
    if placement.served is None:
        return None
    if own := placement.engine.price_per_million_tokens:
        return own
    by_hour = placement.device.price_per_hour is not None
    return None if by_hour else placement.model.price_per_million_tokens


def is_priced(placement: Placement) -> bool:
    """True if it is known what an endpoint's tokens or hours cost."""
    by_hour = placement.device.price_per_hour is not None
    return placement.served is not None and (by_hour or token_prices(placement) is not None)


def is_paid(placement: Placement) -> bool:
    """True if they cost anything."""
    tokens = token_prices(placement)
    return is_priced(placement) and (tokens is None or tokens.input + tokens.output > 0)


def costs_of(
    placement: Placement, study_max_cost: float | None, others: Iterable[str]
) -> Costs | None:
    """The prices and limits for measuring; `others`: the folders of the study's other paid cells.

    None if nothing is paid.
    """
    if not is_paid(placement):
        return None
    device, tokens = placement.device, token_prices(placement)
    return Costs(
        tokens=tokens,
        per_hour=None if tokens else device.price_per_hour,
        max_cost=device.max_cost,
        study_max_cost=study_max_cost,
        others=tuple(others),
    )
