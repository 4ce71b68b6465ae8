"""What timm knows by name, read in its source files without importing it.

Importing timm loads torch, which takes seconds and which a page must not do. Each architecture is a
function under `@register_model`, and each published weight file a quoted `architecture.tag`.
"""

import importlib.metadata
import importlib.util
import re
from functools import cache
from pathlib import Path

# Of each family that is supported, the file in which timm has it.
FILES = ("vision_transformer.py", "swin_transformer.py", "convnext.py")
RANDOM = "random"  # in place of a tag: weights from a fixed seed


def folder() -> Path:
    """Where timm is installed."""
    spec = importlib.util.find_spec("timm")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])


def version() -> str:
    """timm's version."""
    return importlib.metadata.version("timm")


@cache
def known() -> dict[str, tuple[str, ...]]:
    """The tags of each architecture's published weights; the first is the usual one."""
    text = "\n".join((folder() / "models" / file).read_text(encoding="utf-8") for file in FILES)
    names = re.findall(r"@register_model\ndef (\w+)\(", text)
    tags: dict[str, dict[str, None]] = {name: {} for name in sorted(names)}
    for name, tag in re.findall(r"""['"](\w+)\.([\w-]+)['"]:""", text):
        if name in tags:
            tags[name][tag] = None
    return {name: tuple(found) for name, found in tags.items()}
