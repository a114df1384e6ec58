"""The steps for models: checkpoints as published or grown, their adapters, and both merged.

Nothing here runs a job or imports an engine.
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

from pydantic import JsonValue

from frontier import blocks
from frontier.catalogue.entries import Catalogue
from frontier.errors import UserError
from frontier.fetching import adapters, checkpoints, contents
from frontier.grammars import GRAMMARS
from frontier.planning import chat_files
from frontier.planning.step import Known, Step, step
from frontier.specs.inputs import ModelSpec


class ModelSteps:
    """The steps for a catalogue's models; each is computed once, on demand."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Nothing is computed or read yet."""
        self.catalogue = catalogue
        self.model = cache(self._model)
        self.published = cache(self._published)
        self.adapter_files = cache(self._adapter_files)
        self.weights = cache(self._weights)
        self.slice = cache(self._slice)

    def _slice(self, axis: str, name: str, stage: blocks.Stage) -> dict[str, JsonValue]:
        block: blocks.Entry = getattr(self.catalogue, axis)[name]
        return block.slice(stage)

    def _model(self, model: str) -> Step:
        """The step for the checkpoint that a model's variants are loaded from."""
        block = self.catalogue.models[model]
        if block.adapter and block.adapter.merged:
            inputs = {
                "weights": self._published_weights(model),
                "adapter": self.adapter_files(model),
            }
            return step("merge_adapter", {}, inputs, fetched={"model": self.published(model)})
        return self.published(model)

    def _weights(self, model: str) -> Known:
        """The step, the pinned revision or the digest that identifies a model's checkpoint."""
        block = self.catalogue.models[model]
        if block.adapter and block.adapter.merged:
            return self.model(model)
        return self._published_weights(model)

    def adapter(self, model: str) -> Step | None:
        """The step for the adapter that is applied while a model is loaded, if there is one."""
        return self.adapter_files(model) if self.catalogue.models[model].applied else None

    def grown_as(self, model: str) -> str:
        """The name under which a model's checkpoint lies.

        A grown one with an adapter shares that of the first model with its recipe.
        """
        block = self.catalogue.models[model]
        if not (block.grow and block.adapter):
            return model
        return next(name for name, one in self.catalogue.models.items() if one.grow == block.grow)

    def adapted_as(self, model: str) -> str:
        """The name under which a model's grown adapter lies: that of the first model with it."""
        block = self.catalogue.models[model]
        recipes = (block.grow, block.adapter and block.adapter.grow)
        return next(
            name
            for name, one in self.catalogue.models.items()
            if (one.grow, one.adapter and one.adapter.grow) == recipes
        )

    def _published(self, model: str) -> Step:
        """The step for the checkpoint without an adapter."""
        block = self.catalogue.models[model]
        if block.grow:
            grammars = map(GRAMMARS.module, sorted(block.grow.corpora))
            return step("grow_model", block.grow.model_dump(mode="json"), {}, *grammars)
        # Without the key, the checkpoint's own code is not fetched.
        code: dict[str, JsonValue] = {"trust_remote_code": True} if block.trust_remote_code else {}
        if block.path:
            local = ModelSpec.model_validate({"path": block.path, **code})
            read = {"content": self._published_weights(model)}
            return step("fetch_model", local, read, identity_spec=code)
        pinned = {**block.slice("fetch"), **code}
        spec = ModelSpec.model_validate({**pinned, "gated": block.gated})
        return step("fetch_model", spec, {}, identity_spec=pinned)

    def _check_chat(self, model: str, folder: Path) -> None:
        """Checks the chat template of a local checkpoint, unless its own code decides."""
        block = self.catalogue.models[model]
        if block.prompt == "chat" and not block.trust_remote_code and folder.is_dir():
            try:
                chat_files.check(folder, block)
            except UserError as error:
                raise UserError(f"config/models.yaml: models.{model}: {error}") from None

    def _check_file(self, model: str, path: Path) -> None:
        """Checks that a local GGUF file is whole, and has what its model's block needs."""
        try:
            chat_files.check_file(path, self.catalogue.models[model])
        except UserError as error:
            raise UserError(f"config/models.yaml: models.{model}: {error}") from None

    def _published_weights(self, model: str) -> Known:
        """The same of the checkpoint without an adapter."""
        block = self.catalogue.models[model]
        if block.path and block.gguf:
            self._check_file(model, block.path)
            return contents.of_source(block.path, f"models.{model}", None)
        if block.path:
            self._check_chat(model, block.path)
            read = partial(checkpoints.read_files, trusted=block.trust_remote_code)
            return contents.of_source(block.path, f"models.{model}", read)
        return block.slice("fetch") if block.hub else self.published(model)

    def _adapter_files(self, model: str) -> Step | None:
        """The step for the adapter's files, however they are used."""
        adapter = self.catalogue.models[model].adapter
        if adapter is None:
            return None
        if adapter.grow:
            grammars = map(GRAMMARS.module, sorted(adapter.grow.corpora))
            recipe = adapter.grow.model_dump(mode="json")
            return step(
                "grow_adapter", recipe, {"weights": self._published_weights(model)}, *grammars
            )
        if adapter.path:
            content = contents.of_source(
                adapter.path, f"models.{model}.adapter", adapters.read_files
            )
            place, read = {"path": str(adapter.path)}, {"content": content}
            return step("fetch_adapter", place, read, identity_spec={})
        return step("fetch_adapter", adapter.slice("fetch"), {})
