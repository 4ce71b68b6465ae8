"""The second step as it is drawn: every state, every field, nothing that a person typed as HTML."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from sparse_peft.backbones import source as sources
from sparse_peft.methods import all_methods
from sparse_peft.methods.fields import settings
from sparse_peft.report.marks import HUES
from sparse_peft.runs.store import Store
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.panels.methods import board as methods
from sparse_peft.ui.panels.methods import cards
from sparse_peft.ui.panels.methods import rest as methods_rest
from sparse_peft.ui.panels.methods import settings as settings_form
from tests.planned import write_preset
from tests.ui.own_desk import own_desk, quick_presets

HERE = Path(methods.__file__).parent
SDXL = "stabilityai/stable-diffusion-xl-base-1.0"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with own_desk(tmp_path, monkeypatch) as desk:
        yield desk


def html(desk: Desk, **errors: str) -> str:
    drawn: str = methods.render(desk, errors)["html"]
    return drawn


def text(part: str) -> str:
    """What a person reads of it."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", part)).split())


def card(desk: Desk, name: str) -> str:
    return next(
        each for each in html(desk).split("<article")[1:] if f'data-method="{name}"' in each
    ).split("</article>")[0]


def test_every_method_has_a_card_with_its_words_and_its_picture(desk: Desk) -> None:
    for name, kind in all_methods().items():
        drawn = card(desk, name)
        assert kind.sentence in text(drawn)
        assert unescape(kind.title) in text(drawn)
        assert (HERE / "maps" / f"{name}.svg").read_text().strip() in drawn
        ticked = name in desk.draft.methods
        assert ('data-state="on"' in drawn) == ticked  # this preset has no others
        assert (" checked" in drawn) == ticked


def test_a_card_names_its_source(desk: Desk) -> None:
    for name in desk.draft.methods:
        assert all_methods()[name].source in text(card(desk, name))


def test_the_methods_of_the_studio_stand_first_the_others_fold_by_family(desk: Desk) -> None:
    drawn = html(desk)
    first, rest = drawn.split('<details class="methods-rest"')
    rest = rest.split('<details class="card methods-more"')[0]
    named = [name for name in all_methods() if name not in cards.FIRST]
    for name in all_methods():
        assert f'data-method="{name}"' in (rest if name in named else first)
    assert f"More methods ({len(named)})" in text(rest)
    assert rest.startswith(' data-keep="rest"><summary>')  # nothing in it is ticked
    families = [all_methods()[name].family for name in named]
    for family in dict.fromkeys(families):
        assert rest.count(f">{methods_rest.HEADINGS[family]}</h3>") == 1
    summary = text(rest.split("</summary>")[0])
    assert all(all_methods()[name].label in summary for name in named)


def test_what_is_ticked_among_the_folded_holds_them_open(desk: Desk) -> None:
    name = next(name for name in all_methods() if name not in cards.FIRST)
    desk.change(methods=("lora", name), lr={name: 0.1})
    assert '<details class="methods-rest" data-keep="rest" open data-held>' in html(desk)
    assert "1 ticked" in text(html(desk))
    assert "Measure (10 s)" in text(card(desk, name))


def test_time_is_measured_of_what_is_ticked(desk: Desk) -> None:
    assert "Measure (10 s)" in text(card(desk, "so"))
    desk.change(methods=("lora",))
    assert "Measure (10 s)" not in text(card(desk, "so"))
    assert "not known on this machine yet" in text(card(desk, "so"))


def test_every_family_of_a_method_has_a_heading() -> None:
    assert {kind.family for kind in all_methods().values()} <= set(methods_rest.HEADINGS)
    assert set(methods_rest.HEADINGS) == set(HUES) - {"base"}


def test_settings_of_what_is_not_ticked_fold(desk: Desk) -> None:
    desk.change(methods=("lora",))
    ticked, others = html(desk).split('<details class="methods-others"')
    assert 'id="methods-lora-alpha"' in ticked
    assert 'id="methods-so-T"' in others
    count = len(all_methods()) - 1
    assert f"Methods that are not ticked ({count})" in text(others)


def test_a_card_tells_the_three_numbers_and_the_file(desk: Desk) -> None:
    desk.change(stop=24)
    said = text(card(desk, "lora"))
    for words in ("rank 1", "18,816 active", "18,816 stored", "all support", "File"):
        assert words in said
    assert (
        "Trains 18,816 numbers at a time, keeps 18,816 in its file, and changes all 1.62 million "
        "weights." in said
    )
    assert "For each 100 weights that may be tuned: 1.2 numbers trained at a time, 100" in said


def test_below_its_smallest_a_method_stays_greyed_or_runs_over_budget(desk: Desk) -> None:
    desk.change(stop=20)
    drawn = card(desk, "lora")
    assert 'data-state="off"' in drawn
    assert " disabled" in drawn
    assert "Cannot go this low. Its smallest is 18,816 (twice this budget)." in text(drawn)
    assert "Add it at its smallest" in text(drawn)
    desk.change(over=("lora",))
    assert 'data-state="over"' in card(desk, "lora")
    assert "over budget" in text(card(desk, "lora"))


def test_between_two_sizes_the_card_says_what_is_left(desk: Desk) -> None:
    desk.change(stop=27)
    assert "rank 1 uses 18,816 of 31,645 (59 %)." in text(card(desk, "lora"))
    assert "uses" not in text(card(desk, "waveft"))


def test_the_data_holds_every_stop_of_every_method(desk: Desk) -> None:
    data = methods.render(desk, {})["data"]
    json.dumps(data)
    assert len(data["budgets"]) == len(data["phrases"]) == 49
    assert data["stop"] == 24
    for name, each in data["methods"].items():
        assert len(each["rows"]) == 49
        assert {len(row) for row in each["rows"]} == {len(data["parts"])}
        for part in data["parts"]:
            assert f'data-of="{part}"' in card(desk, name)
    assert data["methods"]["lora"]["low"] == 24
    assert data["methods"]["waveft"]["low"] == 0


def test_the_dial_is_a_slider_with_words(desk: Desk) -> None:
    drawn = html(desk)
    assert 'aria-valuetext="18,816 trainable values, as many as LoRA rank 1"' in drawn
    assert 'min="0" max="48" step="1" value="24"' in drawn


def start(desk: Desk, **errors: str) -> str:
    return html(desk, **errors).split('class="methods-start"')[1]


def test_start_says_what_it_starts(desk: Desk) -> None:
    assert "Start 3 runs" in text(start(desk))
    assert " disabled" not in start(desk)
    desk.change(train_seeds=3, methods=("so",))
    assert "Start 3 runs" in text(start(desk))
    desk.change(train_seeds=1)
    assert "Start 1 run" in text(start(desk))


@pytest.mark.parametrize(
    ("changes", "sentence", "link"),
    [
        ({"pictures": ()}, "Add pictures of your subject first.", True),
        ({"noun": " "}, "Say what your subject is first.", True),
        ({"methods": ()}, "Tick at least one method.", False),
        ({"methods": ("lora",), "stop": 0}, "No ticked method can go this low.", False),
    ],
)
def test_start_is_off_and_says_why(
    desk: Desk, changes: dict[str, Any], sentence: str, link: bool
) -> None:
    desk.change(**changes)
    assert sentence in text(start(desk))
    assert " disabled" in start(desk)
    assert ('data-do="back"' in start(desk)) == link


def test_what_start_refuses_is_said_beside_it_or_at_its_field(desk: Desk) -> None:
    drawn = start(desk, pictures="cat.png is not there any more.")
    assert "Stopped: cat.png is not there any more." in text(drawn)
    assert 'data-do="back"' in drawn
    assert "The disk is full." in text(start(desk, start="The disk is full."))
    for place in ("budget", "preset", "methods", "measure", "train_seeds", "waveft.lr", "so.T",
                  "steps", "seed", "prompts", "lora.alpha"):  # fmt: skip
        assert 'role="alert">Mend this &lt;now&gt;.' in html(desk, **{place: "Mend this <now>."})


def test_every_setting_is_a_field_with_its_text(desk: Desk) -> None:
    drawn = html(desk)
    for name, kind in all_methods().items():
        for setting in settings(kind):
            assert f'id="methods-{name}-{setting.name}"' in drawn
            assert setting.help in unescape(drawn)
        assert f'data-place="{name}.lr"' in drawn
    assert 'data-place="lora.rank"' not in drawn
    assert "preset: chosen on other subjects, not on yours" in drawn


def test_a_method_without_a_learning_rate_asks_for_one(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "presets" / "tiny.toml"
    path.write_text(path.read_text().replace("[methods.so]\nlr = 1e-2\n", ""))
    assert "No learning rate for SO in this preset." in text(card(desk, "so"))
    assert 'data-state="off"' in card(desk, "so")
    assert "Start 2 runs" in text(start(desk))
    desk.change(lr={"so": 0.1})
    assert 'data-state="on"' in card(desk, "so")


def test_a_rate_that_follows_the_budget_is_shown_with_the_presets_own(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    falling = ("[methods.waveft]\nlr = 1e-2", "[methods.waveft]\nlr = 6e-4\nlr_exponent = -0.5")
    quick_presets(tmp_path / "falling", monkeypatch, falling)

    def rate(name: str) -> tuple[str, str]:
        found = re.search(rf'(?s)<input[^>]*id="methods-{name}-lr"[^>]*>.*?</small>', html(desk))
        assert found
        return found[0].split('value="')[1].split('"')[0], text(found[0])

    assert rate("waveft") == ("0.0006", settings_form.NOT_YOURS)
    desk.change(stop=32)  # four times LoRA at rank 1, which is this preset's budget
    assert rate("lora") == ("0.01", settings_form.NOT_YOURS)
    hint = "the preset's is 0.0003 at this budget, 0.0006 at its own"
    assert rate("waveft") == ("0.0003", hint)
    desk.change(lr={"waveft": 2e-3})
    assert rate("waveft") == ("0.002", hint)


def test_what_a_person_typed_is_no_html(desk: Desk) -> None:
    desk.change(noun="<i>", prompts=("a </textarea><script>",))
    drawn = html(desk)
    assert "<i>" not in drawn
    assert "<script" not in drawn
    desk.change(backbone="owner/<b>name")
    assert "<b>name" not in html(desk)


def test_a_backbone_that_is_not_here_is_offered(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "found", lambda *_: None)
    desk.change(backbone=SDXL)
    said = text(html(desk))
    assert "SDXL is not on this machine yet" in said
    assert "Licence" in said
    assert "Download and measure" in said
    assert methods.render(desk, {})["data"]["measuring"] is False


def test_while_it_is_measured_the_page_looks_again(desk: Desk) -> None:
    from sparse_peft.ui.estimates import probing

    probing.begin(desk)
    assert methods.render(desk, {})["data"]["measuring"] is True
    assert "Waiting for the runs before it" in text(card(desk, "lora"))
    with Store(desk.home) as store:
        [row] = store.runs()
        store.claim("cpu-0")
        store.end(row.id, "failed", "It is too hot.")
    assert "Stopped: It is too hot." in text(html(desk))
    assert "Measure (10 s)" in text(card(desk, "lora"))


def test_a_damaged_backbone_is_a_sentence(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    index = '{"_class_name": "StableDiffusionPipeline"}'
    (tmp_path / "model" / "model_index.json").write_text(index)
    write_preset(
        tmp_path / "presets" / "sd.toml", ('name = "tiny"', 'name = "quick"'),
        ('backbone = "builtin"', 'backbone = "sd"'),
    )  # fmt: skip
    desk.change(backbone=str(tmp_path / "model"))
    assert "holds no weight that" in text(html(desk))


def test_drawing_the_step_builds_no_model(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from sparse_peft.ui.desk.desk import Desk, Studio\n"
        "from sparse_peft.ui.panels.methods import board\n"
        "heavy = {'peft', 'diffusers', 'transformers', 'open_clip', 'timm'}\n"
        "for again in range(2):\n"
        "    html = board.render(Desk(Studio(Path(sys.argv[1])), 'o1'), {})['html']\n"
        "assert 'methods-card' in html\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(tmp_path)], check=True)


def test_scripts_are_short_and_there() -> None:
    for path in (HERE.parent / f"{name}.js" for name in methods.SCRIPTS):
        assert len(path.read_text().splitlines()) < 60
    assert cards.NO_MAP.startswith("<svg")
