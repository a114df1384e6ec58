"""The lines of a YAML file's keys and values, for errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from frontier.catalogue.reading import MERGE, node_of


def line_of(path: Path, keys: Sequence[str]) -> int | None:
    """The line of a value in a file, by the keys and list indices that lead to it."""
    node = node_of(path)
    line = None
    for name in keys:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == name), None)
            merge = next((key for key, _ in node.value if key.tag == MERGE), None)
            line = (found[0] if found else merge or node).start_mark.line + 1
            if found is None:  # it comes from a merged block
                break
            node = found[1]
        elif isinstance(node, yaml.SequenceNode):
            node = node.value[int(name)]
            line = node.start_mark.line + 1
    return line


def lines_of_keys(path: Path, section: str) -> dict[str, int]:
    """The line of each key in a section of a file; of merged ones, that of the merge."""
    root = node_of(path)
    pairs = root.value if isinstance(root, yaml.MappingNode) else ()
    node = next((value for key, value in pairs if key.value == section), None)
    found: dict[str, int] = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        line = key.start_mark.line + 1
        merged = value.value if key.tag == MERGE and isinstance(value, yaml.MappingNode) else ()
        found |= {one.value: line for one, _ in merged} if merged else {key.value: line}
    return found
