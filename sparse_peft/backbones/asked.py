"""What only timm, open_clip or transformers know, asked of a process of its own.

Importing them takes seconds and much memory, which a page must not spend.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from sparse_peft.errors import BackboneError

_PACKAGE_PARENT = Path(__file__).parents[2]  # the page's own folder is another one


def asked(module: str, name: str, *arguments: str) -> Any:
    """What a module of this package prints of an architecture, as JSON on its last line.

    Raises:
        BackboneError: it could not be built.
    """
    path = os.pathsep.join(filter(None, (str(_PACKAGE_PARENT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-P", "-W", "ignore", "-m", module, name, *arguments]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise BackboneError(f"{name} could not be built: {said[-1] if said else 'no reason given'}")
    return json.loads(done.stdout.splitlines()[-1])
