# make book   environment if missing, phantoms, notebooks, rendered book, scoreboard
# make test   environment if missing, tests           make test-all  with the slow ones
# make test-long  those that take minutes: every kill, every dataset of a new user, numbers of threads
# make lint   ruff, import-linter, notebook pairs
# make lab    work in JupyterLab      make serve  look at the book over http      make bench  side-by-side timings
# Options:    LOCK=full|modern (Python 3.10-3.11 | 3.11-3.13)   PYTHON=python3.11   RUN=runs/quick   ARGS="-p seeds=[0,1]"

SHELL := /bin/sh
PYTHON ?= $(shell for p in python3.11 python3.10 python3.12 python3.13 python3; do \
  $$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' >/dev/null 2>&1 && { echo $$p; break; }; done)
MINOR := $(shell $(PYTHON) -c 'import sys; print(sys.version_info[1])' 2>/dev/null)
comma := ,
LOCK ?= $(if $(filter 10 11,$(MINOR)),full,modern)
EXTRAS := $(if $(filter full,$(LOCK)),lab$(comma)bossdb$(comma)test$(comma)allen,lab$(comma)bossdb$(comma)test)
VENV := .venv-$(LOCK)-$(MINOR)
BIN := $(VENV)/bin
READY := $(VENV)/.ready-$(shell cat locks/$(LOCK).txt locks/install.py pyproject.toml 2>/dev/null | cksum | cut -d' ' -f1)
RUN ?= runs/quick
ARGS ?=

# Python must find these at its start: large blocks stay mapped instead of going back to the system.
export MALLOC_MMAP_THRESHOLD_ := 4294967296
export MALLOC_TRIM_THRESHOLD_ := 17179869184

.PHONY: book test test-all test-long lint lint-style lint-imports lint-notebooks lab bench serve clean web env
book: env web
	@$(BIN)/brainbook run --profile quick --out $(RUN) $(ARGS)
	@$(BIN)/brainbook build $(RUN)
	@$(BIN)/brainbook scores $(RUN)

test: env web
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow and not long" $(ARGS)

test-all: env web
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup -m "not long" $(ARGS)

test-long: env web
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup -m long $(ARGS)

lint: lint-style lint-imports lint-notebooks

lint-style: env
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --check --quiet --diff .

lint-imports: env
	@$(BIN)/lint-imports --no-logo

lint-notebooks: env
	@$(BIN)/python -m pytest -p no:xdist tests/test_notebooks.py -k pair

lab: env
	@$(BIN)/jupyter lab notebooks

bench: env
	@for script in benchmarks/bench_*.py; do echo "== $$script"; $(BIN)/python $$script $(ARGS) || exit 1; done

serve:
	@echo "the book is at http://127.0.0.1:8000 (Ctrl-C ends it)"
	@$(BIN)/python -m http.server --bind 127.0.0.1 --directory $(RUN)/html 8000

clean:
	@rm -rf .venv-* _web/vendor node_modules build src/*.egg-info

env: $(READY)
$(READY):
	@case "$(MINOR)" in 10|11|12|13) ;; *) echo "brainbook needs Python 3.10 to 3.13; found $(if $(MINOR),3.$(MINOR),none) (give one with PYTHON=...)"; exit 1 ;; esac
	@case "$(LOCK)-$(MINOR)" in full-10|full-11|modern-11|modern-12|modern-13) ;; \
	  *) echo "LOCK=$(LOCK) does not serve Python 3.$(MINOR): full is for 3.10-3.11, modern for 3.11-3.13"; exit 1 ;; esac
	@test "$(LOCK)" = full || echo "LOCK=modern: everything but the Allen download (allensdk has no release for numpy 2)"
	@echo "making the environment in $(VENV) with $(PYTHON) under locks/$(LOCK).txt (a minute or two, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python locks/install.py $(LOCK) "$(EXTRAS)"
	@touch $@

# Scripts of the pages (MathJax, onnxruntime-web, OpenSeadragon), so that they work offline; without npm they come from a CDN.
web: _web/vendor/.ready
_web/vendor/.ready: package-lock.json
	@if command -v npm >/dev/null 2>&1; then npm ci --silent --no-audit --no-fund && sh _web/vendor.sh; \
	  else echo "npm is missing: pages that need MathJax take it from a CDN"; mkdir -p _web/vendor; fi
	@if command -v npm >/dev/null 2>&1; then touch $@; fi
