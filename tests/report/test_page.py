"""The report: one file, no request, nothing hostile runs, nothing absent becomes a number."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sparse_peft import compare
from sparse_peft.comparison import ComparisonOutcome
from sparse_peft.report import page
from sparse_peft.report.charts.losses import running_mean
from sparse_peft.report.pictures import below
from sparse_peft.report.subject import sections
from tests.fake_outcome import Maker

VOID = {"meta", "input", "img", "link", "br", "hr"}
HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(1)></script>'&${title}$x"


class Page(HTMLParser):
    """Tags, attributes and text; open tags must close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.scripts if self.open and self.open[-1] == "script" else self.said).append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.said))


@pytest.fixture
def small(tmp_path: Path) -> Maker:
    (tmp_path / "runs").mkdir()
    return Maker(tmp_path / "runs", prompts=2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, str, dict, Path]:
    """The page of three finished runs, and the folder that it was written with."""
    root = tmp_path_factory.mktemp("whole")
    (root / "runs").mkdir()
    return *written(Maker(root / "runs").comparison(), root), root / "out"


def written(outcome: ComparisonOutcome, tmp_path: Path) -> tuple[Page, str, dict]:
    value = compare.write(tmp_path / "out", outcome)
    text = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    parsed = Page(text)
    assert parsed.open == []
    return parsed, text, value


def test_the_page_asks_no_host_for_anything(whole: tuple[Page, str, dict, Path]) -> None:
    parsed, text, _, _ = whole
    for tag, attrs in parsed.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base", "form"}
        for key, value in attrs.items():
            if key in {"src", "href", "action", "poster", "srcset", "data"}:
                assert value is not None
                assert value.startswith(("data:image/", "#"))
            assert not key.startswith("on")
    style = "".join(re.findall(r"<style>(.*?)</style>", text, re.S))
    assert "@import" not in style
    assert all(
        url.startswith("data:font/woff2;base64,") for url in re.findall(r"url\((.*?)\)", style)
    )


def test_only_the_pages_own_script_may_run(whole: tuple[Page, str, dict, Path]) -> None:
    parsed, _, _, _ = whole
    policy = next(a["content"] for t, a in parsed.tags if "http-equiv" in a)
    digest = base64.b64encode(hashlib.sha256(parsed.scripts[-1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert len(parsed.scripts) == 2


def test_no_script_is_long() -> None:
    for name in page.SCRIPTS:
        assert len((page.HERE / "scripts" / name).read_text(encoding="utf-8").splitlines()) < 60, (
            name
        )


def test_hostile_words_stay_words(small: Maker, tmp_path: Path) -> None:
    outcome = small.comparison(noun=HOSTILE, token=HOSTILE, prompts=(HOSTILE,) * 2, command=HOSTILE)
    bad = small.queued("so", "so2", state="failed", error=HOSTILE)
    bad = replace(bad, id="so2", label=HOSTILE, knob=HOSTILE, source=HOSTILE, command=HOSTILE)
    parsed, _, _ = written(replace(outcome, runs=(*outcome.runs[:2], bad)), tmp_path)
    assert sum(tag == "script" for tag, _ in parsed.tags) == 2
    assert not any("onerror" in attrs for _, attrs in parsed.tags)
    assert not any(attrs.get("src") == "x" for _, attrs in parsed.tags)
    assert "<script>alert(1)</script>" in parsed.text


def test_hostile_ids_cannot_leave_the_embedded_data(small: Maker, tmp_path: Path) -> None:
    value = compare.write(tmp_path / "out", small.comparison())
    value["runs"][0]["id"] = "</script><script>alert(1)</script>"
    parsed = Page(page.page(value, below(tmp_path / "out")))
    assert len(parsed.scripts) == 2
    assert value["runs"][0]["id"] in json.loads(parsed.scripts[0])["steps"]


@pytest.mark.parametrize(
    ("noun", "title"),
    [("BMW", "BMW, built-in"), ("sports Car", "Sports Car, built-in")],
)
def test_a_title_begins_large_and_leaves_the_rest_as_it_was_typed(noun: str, title: str) -> None:
    backbone = {"id": "builtin", "title": "built-in"}
    assert sections.title({"noun": noun, "budget": None, "backbone": backbone}) == title


def test_the_page_holds_every_test_picture_once(whole: tuple[Page, str, dict, Path]) -> None:
    parsed, text, value, out = whole
    for holder in (value["base"], *value["runs"]):
        for row in holder["samples"]:
            content = base64.b64encode((out / row["path"]).read_bytes()).decode()
            assert text.count(content) >= 1
    data = json.loads(parsed.scripts[0])
    assert data["all"] == [0, 50, 100, 150, 200]
    keys = {key for key in data["pictures"] if key.startswith("waveft/")}
    assert len([key for key in keys if "/200/" in key]) == 12  # two of three seeds: one is in a row
    assert len([key for key in keys if "/100/" in key]) == 6
    for tag, attrs in parsed.tags:
        if tag == "img":
            assert attrs["alt"]


def test_small_samples_stay_under_three_megabytes(whole: tuple[Page, str, dict, Path]) -> None:
    _, text, _, _ = whole
    noisy = 18 * 4 * 64 * 64 * 3 * 4 / 3  # test pictures of pure noise, which nothing compresses
    assert len(text) < 1.6e6 + noisy


def test_verdicts_come_from_the_dictionary_with_their_caveats(
    whole: tuple[Page, str, dict, Path],
) -> None:
    parsed, _, value, _ = whole
    pair = next(
        p
        for p in value["pairs"]
        if (p["metric"], p["a"], p["b"]) == ("subject_fidelity", "waveft", "lora")
    )
    assert pair["word"] == "Clear"
    said = f"WaveFT looks more like your dog than LoRA in {pair['wins']} of 18. Clear."
    assert said in parsed.text
    assert "From one training run each. A second run would move them too." in parsed.text
    assert "A stricter rule is used because three methods are compared." in parsed.text
    assert "learning rates were chosen on other subjects" in parsed.text
    assert not re.search(r"\b(winner|best method|medal|rank(ed|ing))\b", parsed.text, re.I)


def test_absent_stays_absent(small: Maker, tmp_path: Path) -> None:
    failed = small.queued("so", state="failed", error="the loss became infinite at step 37.")
    outcome = small.comparison(methods=("lora",))
    parsed, _, _ = written(replace(outcome, runs=(*outcome.runs, failed)), tmp_path)
    assert "SO . Stopped: the loss became infinite at step 37." in parsed.text.replace(
        "SO.", "SO ."
    )
    assert parsed.text.count("not measured") == 4
    assert parsed.text.count("not known") == 7
    assert not re.search(r"\b(None|nan|null|inf)\b", parsed.text)


def test_without_a_judge_the_page_says_so(small: Maker, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    outcome = small.comparison()
    for folder in (outcome.prepare, *(run.folder for run in outcome.runs)):
        save_file({}, folder / "features.safetensors")
    parsed, _, _ = written(outcome, tmp_path)
    assert "Nothing was measured." in parsed.text
    assert "Nothing to compare yet." in parsed.text


def test_what_a_paper_needs_is_there(whole: tuple[Page, str, dict, Path]) -> None:
    parsed, _, value, _ = whole
    wanted = [
        "ab" * 32, "a photo of sks dog", "learning rate 0.001", "200 steps", "builtin-judge",
        "revision 1", "seeds 0, 1, 2", value["intervals"]["rule"], value["intervals"]["pairs_rule"],
        "torch 2.11.0", "CPU (x86_64)", value["command"],
        *(run["command"] for run in value["runs"]),
    ]  # fmt: skip
    for words in wanted:
        assert words in parsed.text


def test_large_samples_are_brought_down(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "runs").mkdir()
    maker = Maker(
        tmp_path / "runs",
        prompts=1,
        paint=lambda *_: Image.linear_gradient("L").resize((512, 512)).convert("RGB"),
    )
    parsed, text, _ = written(maker.comparison(methods=("lora",)), tmp_path)
    assert len(text) < 500_000
    shown = next(attrs["src"] for tag, attrs in parsed.tags if attrs.get("data-column") == "lora")
    assert shown is not None
    assert shown.startswith("data:image/jpeg")


def test_the_loss_curves_have_a_table_twin(tmp_path: Path) -> None:
    value = compare.assemble(Maker(tmp_path).comparison())
    [losses] = {len(run["losses"]) for run in value["runs"]}
    twin = sections.curves(value).partition('<details class="twin">')[2]
    rows = re.findall(r'<th scope="row">Step (\d+)</th>', twin)
    steps = [step for step, _ in value["runs"][0]["losses"]]
    assert (int(rows[0]), int(rows[-1])) == (min(steps), max(steps))
    assert len(rows) == min(losses, 11)
    for run in value["runs"]:
        last = running_mean([tuple(pair) for pair in run["losses"]])[-1][1]
        assert f'data-title="{run["label"]}">{last:.4f}<' in twin
