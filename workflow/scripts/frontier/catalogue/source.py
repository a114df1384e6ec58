"""The source of a dataset, as a block of the catalogue gives it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from frontier.catalogue.origins import Address, HubId, LocalPath, Revision


class Source(BaseModel):
    """One of: a hub dataset, a file at a URL or several, a local file or folder, a generator."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    hub: HubId | None = None
    revision: Revision | None = None
    files: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    url: Address | None = None
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    urls: dict[Address, Annotated[str, Field(pattern="^[0-9a-f]{64}$")]] | None = None
    """Addresses of several files, each with its sha256; their names must differ."""
    path: LocalPath | None = None
    generator: Literal["demo", "mathematics"] | None = None
    per_module: int | None = Field(default=None, gt=0, le=10**6)
    """Questions per module from the mathematics generator."""
    seed: int | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Source:
        kinds = [
            kind
            for kind in ("hub", "url", "urls", "path", "generator")
            if getattr(self, kind) is not None
        ]
        if len(kinds) != 1:
            raise ValueError(f"give exactly one of hub, url, urls, path, generator (found {kinds})")
        if bool(self.hub) != bool(self.revision) or bool(self.hub) != bool(self.files):
            raise ValueError("hub, revision and files go together")
        names = [address.rpartition("/")[2] for address in self.urls or ()]
        if self.urls is not None and (not names or len({*names}) < len(names)):
            raise ValueError("urls: files of different names, one at least")
        if self.sha256 and not self.url:
            raise ValueError("sha256 goes with url")
        generated = self.generator == "mathematics"
        if generated != (self.per_module is not None) or generated != (self.seed is not None):
            raise ValueError("generator: mathematics, per_module and seed go together")
        return self
