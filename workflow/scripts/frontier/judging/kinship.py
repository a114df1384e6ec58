"""Whether a judge judges itself, or a variant of the model that it is.

A judge tends to prefer its own answers (Zheng et al., 2023), which its check cannot show: that has
right and wrong answers of the data.
"""

from __future__ import annotations

from collections.abc import Mapping

ITSELF, SAME_MODEL, RELATED = "itself", "same model", "related model"


def kinship(
    judge: str, variant: str, models: Mapping[str, str], bases: Mapping[str, str]
) -> str | None:
    """A judge's relation to a variant that it judges; None if none is known.

    `models` are those of the known variants, `bases` the originals of models. The model of a judge
    that is no known variant is the longest known model with which its name begins.
    """
    if judge == variant:
        return ITSELF
    own, other = (_model(one, models) for one in (judge, variant))
    if own is None or other is None:
        return None
    if own == other:
        return SAME_MODEL
    return RELATED if _original(own, bases) == _original(other, bases) else None


def _model(variant: str, models: Mapping[str, str]) -> str | None:
    if variant in models:
        return models[variant]
    known = {*models.values()}
    begun = [one for one in known if variant == one or variant.startswith((f"{one}-", f"{one}+"))]
    return max(begun, key=len, default=None)


def _original(model: str, bases: Mapping[str, str]) -> str:
    seen = {model}
    while (base := bases.get(model)) and base not in seen:
        model = base
        seen.add(base)
    return model
