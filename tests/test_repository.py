"""What a newcomer reads and runs first is true: README, Makefile, Dockerfile, requirements."""

import ast
import dataclasses
import re
import shlex
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import sparse_peft
from sparse_peft import tables
from sparse_peft.backbones.source import BUILTIN
from sparse_peft.commands import parser
from sparse_peft.methods import all_methods
from sparse_peft.presets import MethodDefaults, Preset, all_presets

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
MIB = 2**20
CLASSES = BUILTIN / "classes"  # the CLIP of the few-shot task


def blocks(language: str, page: Path = ROOT / "README.md") -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def commands() -> list[list[str]]:
    """Every shell command of the pages, as words."""
    texts = [block.replace("\\\n", " ") for page in PAGES for block in blocks("sh", page)]
    lines = [line for text in texts for line in text.splitlines()]
    split = [shlex.split(line, comments=True) for line in lines]
    return [words for words in split if words]


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


def pins(name: str) -> dict[str, str]:
    """Pinned versions by normalised name; every line must be a pin, a comment or `-r`."""
    found = {}
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        if line.startswith("-r "):
            assert (ROOT / line.removeprefix("-r ")).is_file()
            continue
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][A-Za-z0-9.]*)", line)
        assert match, f"{name}: {line!r} is no exact pin"
        found[normalised(match[1])] = match[2]
    return found


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def third_party_imports(folder: str) -> set[str]:
    names = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    ours = {"sparse_peft", "benchmarks", "examples", "pretraining", "reference", "tests", "app"}
    for own in ("scripts", "tests"):
        ours |= {path.stem for path in (ROOT / own).rglob("*.py")}
    return names - ours - set(sys.stdlib_module_names)


def test_every_make_target_of_the_pages_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.M))
    named = {words[1] for words in commands() if words[0] == "make"}
    named |= {
        word
        for page in PAGES
        for word in re.findall(r"`make ([a-z]+)`", page.read_text(encoding="utf-8"))
    }
    assert {"run", "test", "bench"} <= named <= targets


def test_every_command_of_the_pages_parses() -> None:
    real = parser.build(Path("home"))
    called = [words[3:] for words in commands() if words[1:3] == ["-m", "sparse_peft"]]
    assert {words[0] for words in called} >= {"compare", "generate", "methods", "doctor"}
    for words in called:
        assert callable(real.parse_args(words).run)
    for words in commands():
        if words[0] == "python" and words[1] != "-m":
            assert (ROOT / words[1]).is_file(), words


def test_every_file_that_a_page_links_to_exists() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).is_file(), f"{page.name}: {target}"


class Block(nn.Module):
    """The names of an attention layer."""

    def __init__(self) -> None:
        super().__init__()
        self.to_q, self.to_k, self.to_v = (nn.Linear(64, 64) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.to_q(x)) * self.to_k(x) + self.to_v(x)


ALL_METHODS = "method_named("  # in the lines that work for every method
[FOR_ALL] = [block for block in blocks("python") if ALL_METHODS in block]


@pytest.mark.parametrize("code", [block for block in blocks("python") if block != FOR_ALL])
def test_the_library_lines_train_a_small_module(code: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(16, 64)
    scope = {"model": Block()}
    before = scope["model"](x)
    exec(compile(code, "README.md", "exec"), scope)
    model, optimizer = scope["model"], scope.get("so")
    if optimizer is None:
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    losses = []
    for _ in range(5):
        loss = (model(x) - x).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert not torch.equal(model(x), before)
    assert len([line for line in code.splitlines() if line]) == 3


@pytest.mark.parametrize("name", sorted(all_methods()))
def test_the_lines_for_all_methods_train_a_small_module(name: str, tmp_path: Path) -> None:
    assert 'method_named("oft")' in FOR_ALL
    assert len([line for line in FOR_ALL.splitlines() if line]) == 7
    torch.manual_seed(0)
    x = torch.randn(16, 64)
    scope = {"model": Block()}
    code = FOR_ALL.replace('"oft"', f'"{name}"')
    exec(compile(code, "README.md", "exec"), scope)
    model, attached, optimizer = scope["model"], scope["attached"], scope["optimizer"]
    losses = []
    for step in range(5):
        attached.before_forward(step)
        loss = (model(x) - x).square().mean()
        loss.backward()
        optimizer.step()
        attached.after_step(step)
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert attached.measured().active <= 3000 or name == "full"
    attached.save(tmp_path)
    assert list(tmp_path.rglob("*.safetensors"))
    trained = model(x)
    attached.remove(keep=True)
    assert [type(layer) for layer in model.children()] == [nn.Linear] * 3
    torch.testing.assert_close(model(x), trained, rtol=1e-4, atol=1e-5)


def test_a_weight_under_waveft_is_the_adapted_one_and_its_saved_state_the_original() -> None:
    from peft import get_peft_model

    model = Block()
    original = model.to_q.weight.detach().clone()
    config = sparse_peft.WaveFTConfig(n_frequency=8, target_modules=["to_q"], init_weights=False)
    adapted = get_peft_model(model, config)
    adapted(torch.randn(2, 64))
    [(name, saved)] = [
        (name, value)
        for name, value in adapted.state_dict().items()
        if name.endswith("to_q.base_layer.weight")
    ]
    assert torch.equal(saved, original)
    assert not torch.equal(adapted.get_parameter(name), original)


KINDS = {
    "SNELL": "SnellConfig(r=2, target_modules=['to_q'])",
    "SPARSE_PEFT_WAVEFT": (
        "WaveFTConfig(n_frequency=8, per_layer_seed=True, target_modules=['to_q'])"
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_plain_peft_refuses_what_it_does_not_know_until_it_is_made_known(
    kind: str, tmp_path: Path
) -> None:
    from peft import get_peft_model

    get_peft_model(Block(), eval(f"sparse_peft.{KINDS[kind]}")).save_pretrained(tmp_path)
    plain = f"from peft import PeftConfig; PeftConfig.from_pretrained({str(tmp_path)!r})"
    for first, error in (
        ("", f"KeyError: '{kind}'"),
        ("import sparse_peft; sparse_peft.load; ", ""),
    ):
        done = subprocess.run(
            [sys.executable, "-c", first + plain],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) == bool(error), done.stderr
        assert error in done.stderr


def test_an_installed_library_brings_what_was_tested() -> None:
    with open(ROOT / "pyproject.toml", "rb") as file:
        found = tomllib.load(file)
    assert found["project"]["dynamic"] == ["dependencies", "optional-dependencies"]
    files = found["tool"]["setuptools"]["dynamic"]
    assert files["dependencies"]["file"] == ["requirements.txt"]
    assert files["optional-dependencies"] == {"compiled": {"file": ["requirements-compiled.txt"]}}


def test_the_page_of_presets_names_the_keys_that_there_are() -> None:
    [text] = blocks("toml", ROOT / "docs" / "presets.md")
    shown = tomllib.loads(text)
    assert shown.keys() == {
        field.name for field in dataclasses.fields(Preset) if field.default is dataclasses.MISSING
    }
    assert isinstance(tables.build(MethodDefaults, shown["methods"]["lora"], "here").lr, float)
    page = (ROOT / "docs" / "presets.md").read_text(encoding="utf-8")
    for preset in all_presets():
        assert preset.task in page
        assert re.search(rf"\b{preset.backbone}\b", page)


def test_the_table_of_methods_is_the_registry() -> None:
    row = r"^\| ([^|]+) \| [^|]+ \| \[[^\]]+\]\(https://arxiv.org/abs/([\d.]+)\) \|$"
    shown = re.findall(row, README, re.M)
    papers = {m.label: re.findall(r"arXiv:([\d.]+)", m.source)[0] for m in all_methods().values()}
    assert dict(shown) == papers


def test_the_four_papers_can_be_cited() -> None:
    [entries] = blocks("bibtex")
    for paper in ("2505.12532", "2504.12436", "2411.01800", "2405.18541"):
        assert paper in entries
    assert entries.count("{") == entries.count("}")


def test_requirements_are_exact_and_cover_what_is_imported() -> None:
    runtime, development = pins("requirements.txt"), pins("requirements-dev.txt")
    assert not runtime.keys() & development.keys()
    providers = packages_distributions()

    def missing(folder: str, pinned: dict[str, str]) -> set[str]:
        return {
            name
            for name in third_party_imports(folder)
            if not any(normalised(p) in pinned for p in providers.get(name, []))
        }

    compiled = pins("requirements-compiled.txt")
    # Kernels that the library can do without; Triton comes with torch where that knows CUDA.
    assert missing("sparse_peft", runtime | compiled) <= {"triton"}
    assert not runtime.keys() & compiled.keys()
    assert missing("examples", runtime) == set()
    for folder in ("scripts", "benchmarks", "tests"):  # `make install` installs both
        assert missing(folder, runtime | development) == set()


def test_the_image_is_as_the_readme_says() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    found = subprocess.run(
        [hadolint, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout) == (0, "")
    lines = DOCKERFILE.splitlines()
    assert [line for line in lines if line.startswith("USER")] == ["USER 1000"]
    assert "useradd --create-home --uid 1000 user" in DOCKERFILE
    assert "EXPOSE 7860" in lines
    assert [line for line in lines if line.startswith("ARG")] == ["ARG WHEELS"]
    order = [lines.index(line) for line in lines if line.startswith(("COPY", "RUN pip"))]
    copies = [lines[number].split()[-2] for number in order if lines[number].startswith("COPY")]
    assert copies == ["requirements.txt", "."]
    assert lines[order[1]].startswith("RUN pip install")


def test_the_image_serves_the_studio() -> None:
    [command] = re.findall(r"^CMD (\[.*)$", DOCKERFILE, re.M)
    python, script = ast.literal_eval(command)
    assert python == "python"
    assert (ROOT / script).is_file()
    # It listens beyond the container, so the names it answers to must be said.
    assert "STUDIO_HOST=0.0.0.0" in DOCKERFILE
    assert "STUDIO_HOSTS=localhost,127.0.0.1" in DOCKERFILE
    assert "ENTRYPOINT" not in DOCKERFILE  # so that the command line can be given instead


def test_the_version_is_one() -> None:
    with open(ROOT / "pyproject.toml", "rb") as file:
        project = tomllib.load(file)["project"]
    assert project["version"] == sparse_peft.__version__
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{sparse_peft.__version__}]" in changes


def test_no_file_is_large() -> None:
    for path in tracked():
        if path.exists():
            assert path.stat().st_size <= 20 * MIB, path
    weights = {path: path.stat().st_size for path in BUILTIN.rglob("*") if path.is_file()}
    of_classes = sum(size for path, size in weights.items() if path.is_relative_to(CLASSES))
    assert sum(weights.values()) - of_classes <= 40_000_000
    assert of_classes <= 10_500_000
    assert max(weights.values()) < 10_500_000


def test_no_file_names_a_place_of_one_machine() -> None:
    place = re.compile(rb"(?<![\w./:])/(?:work|root|tmp)/\w")
    for path in tracked():
        if path.exists() and path.suffix not in (".png", ".safetensors", ".woff2", ".heic"):
            assert not place.search(path.read_bytes()), path
