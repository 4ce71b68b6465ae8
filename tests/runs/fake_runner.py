"""The real runner with the fake worker. Run as a script, with the options of the runner."""

import sys
from pathlib import Path

from sparse_peft.runs.runner import main

if __name__ == "__main__":
    worker = (sys.executable, str(Path(__file__).with_name("fake_worker.py")))
    sys.exit(main(sys.argv[1:], worker))
