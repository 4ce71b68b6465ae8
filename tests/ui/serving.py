"""`python app.py` with the small page and the tests' own runner, for tests of the server."""

import functools
import sys

from sparse_peft.runs import client
from tests.runs.conftest import RUNNER
from tests.ui.shells import module

if __name__ == "__main__":
    sys.modules["sparse_peft.ui.app"] = module()
    options = ("--devices", "cpu", "--exit-when-idle")
    client.ensure_runner = functools.partial(client.ensure_runner, options=options, runner=RUNNER)

    import app

    sys.exit(app.main())
