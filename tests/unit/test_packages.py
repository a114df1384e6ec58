"""The packages that a session names."""

from __future__ import annotations

from importlib import metadata

from frontier.identity.code import code
from frontier.machine import packages


def test_what_is_referred_to() -> None:
    """Two parts of each name, each once; nothing of the standard library, or that is not here."""
    names = ["torch.nn.Linear", "torch.nn", "json.dumps", "os", "optimum.quanto.QTensor", "gone.x"]
    found = packages.references(names)
    assert found == ["gone.x", "optimum.quanto", "torch.nn"]
    assert packages.versions(found) == {
        "optimum-quanto": metadata.version("optimum-quanto"), "torch": metadata.version("torch")
    }  # fmt: skip
    assert packages.installed("gone.x") == ("gone", packages.ABSENT)
    assert packages.installed("yaml.nodes") == ("PyYAML", metadata.version("pyyaml"))


def test_a_session_names_its_engines_and_its_quantizers() -> None:
    """The names are those in the identity where the core's packages are used, and no others."""
    found = code("measure", "frontier.engines.transformers", "frontier.quantizers.quanto")
    assert packages.versions(found.references) == found.packages
    assert {"torch", "transformers", "tokenizers", "optimum-quanto"} <= found.packages.keys()
    other = code("measure", "frontier.engines.llama_cpp", "frontier.quantizers.native")
    assert any(name.startswith("llama_cpp.") for name in other.references)
    assert "torch" not in packages.versions(other.references)
