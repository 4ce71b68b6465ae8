# make run      set up and start the studio         make test   set up and test everything
# make check    format, lint, types, fast tests     make fix    mend format and lint
# make bench    measure speed                       make install  only the set-up
# make api      write docs/api.md, docs/methods.md from the code
# make compare  an example without the page         make example  the report of a finished comparison
# make browser  Debian's Chromium, for the tests that drive one

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUBJECT ?= cat
NOUN ?= $(SUBJECT)
OUT ?= outputs/$(SUBJECT)

.PHONY: run compare example example-classes browser install test check fix bench lint api

# The studio on http://127.0.0.1:7860, until Ctrl-C. Runs go on without it.
run: $(VENV)/run.stamp
	@$(BIN)/python app.py

# The same job on the command line.
compare: $(VENV)/run.stamp
	@$(BIN)/python -m sparse_peft compare --pictures examples/subjects/$(SUBJECT) \
		--captions examples/subjects/$(SUBJECT)/captions.txt --noun $(NOUN) --out $(OUT)
	@echo "Open $(OUT)/index.html"

# The finished comparison that comes with the project: nothing is trained.
example: $(VENV)/run.stamp
	@mkdir -p outputs && rm -f outputs/example.html
	@$(BIN)/python -m sparse_peft report --comparison examples/comparison --out outputs/example.html

# The same of classes.
example-classes: $(VENV)/run.stamp
	@mkdir -p outputs && rm -f outputs/example-classes.html
	@$(BIN)/python -m sparse_peft report --comparison examples/classes_comparison --out outputs/example-classes.html

install: $(VENV)/run.stamp $(VENV)/dev.stamp

# A stamp says that the environment holds exactly what its file of requirements names.
$(VENV)/run.stamp: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name it: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt requirements-compiled.txt $(VENV)/run.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

browser:
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core fonts-noto-color-emoji

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint
	$(BIN)/python -m pytest -m "not slow and not browser" -n 2 --dist loadfile

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --durations=15

fix: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install
	$(BIN)/python benchmarks/run.py

api: $(VENV)/run.stamp
	$(BIN)/python scripts/write_api.py
