# make run    set up and do the main job          make test   set up and test everything
# make check  format, lint, types, fast tests     make fix    mend format and lint
# make bench  measure speed                       make install  only the set-up
# make example  the page of a finished comparison

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUBJECT ?= cat
NOUN ?= $(SUBJECT)
OUT ?= outputs/$(SUBJECT)

.PHONY: run example install test check fix bench lint

run: $(VENV)/run.stamp
	@$(BIN)/python -m sparse_peft compare --pictures examples/subjects/$(SUBJECT) \
		--captions examples/subjects/$(SUBJECT)/captions.txt --noun $(NOUN) --out $(OUT)
	@echo "Open $(OUT)/index.html"

# The finished comparison that comes with the project: nothing is trained.
example: $(VENV)/run.stamp
	@mkdir -p outputs && rm -f outputs/example.html
	@$(BIN)/python -m sparse_peft report --comparison examples/comparison --out outputs/example.html

install: $(VENV)/run.stamp $(VENV)/dev.stamp

# A stamp says that the environment holds exactly what its file of requirements names.
$(VENV)/run.stamp: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name it: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt $(VENV)/run.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

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
