"""Compare methods from a script: upload pictures, start, follow, fetch the numbers.

python app.py                                     # in one terminal
python examples/client.py http://127.0.0.1:7860   # in another
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # else gradio_client tells its makers of each use

from gradio_client import Client, handle_file

PICTURES = Path(__file__).parent / "subjects" / "cat"
OWNER = "studio_owner"  # the cookie that says whose comparisons these are


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare LoRA and WaveFT on the example's cat.")
    parser.add_argument("address", nargs="?", default="http://127.0.0.1:7860")
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--owner", type=Path, default="studio-owner.txt", help="keeps the cookie")
    parser.add_argument("--out", type=Path, default="comparison.json")
    asked = parser.parse_args()

    known = {OWNER: asked.owner.read_text()} if asked.owner.exists() else {}
    # The paths in a comparison are names: gradio_client would try to fetch each of them.
    client = Client(
        asked.address, verbose=False, download_files=False, httpx_kwargs={"cookies": known}
    )
    asked.owner.touch(mode=0o600)  # whoever has the cookie is this owner
    asked.owner.write_text(client.cookies[OWNER])

    lines = (PICTURES / "captions.txt").read_text().splitlines()
    captions = dict(line.split("\t") for line in lines)
    pictures = [handle_file(PICTURES / name) for name in captions]
    settings = {"preset": asked.preset, "methods": ["lora", "waveft"], "captions": captions}
    status = client.predict(pictures, "cat", settings, api_name="/submit")
    print(f'The backbone reads: "{status["reads"]}"')

    comparison = status["comparison"]
    while not status["settled"]:
        time.sleep(1)
        status = client.predict(comparison, api_name="/status")
        runs = [f"{name} {run['state']} {run['step']}" for name, run in status["runs"].items()]
        print(", ".join(runs), flush=True)

    value = client.predict(comparison, api_name="/comparison")
    asked.out.write_text(json.dumps(value, indent=1))
    for pair in value["pairs"]:
        print(f"{pair['a']} against {pair['b']}: {pair['wins']} of {pair['of']}. {pair['word']}.")
    client.close()


if __name__ == "__main__":
    main()
