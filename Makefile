# make help lists what there is to run. Everything runs in .venv, which is made on the first call
# from requirements-dev.txt with $(PYTHON), and brought up to date when that file changes.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
LOCK := _build/lock
COMPILE = $(LOCK)/bin/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url \
	--no-annotate --fork-strategy fewest --custom-compile-command "make lock"
DEVELOPMENT = --extra book --extra build --extra test --extra dask --extra bench

# A process a core. What one test would disturb in another is marked alone, and comes afterwards.
PARALLEL = -n logical --dist worksteal
UNIT = $(RUN) -m pytest --ignore tests/test_pages.py

export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help book pdf lighthouse changes check test unit lint platforms package chapters drift binder bench mutants lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

book: $(READY) ## execute every chapter and build the book into _build/html
	$(VENV)/bin/jupyter-book build --all -q -W -n --keep-going .

pdf: _build/html/index.html ## print the built book into _build/lingrok.pdf (needs Chromium)
	$(RUN) tools/make_pdf.py _build/html _build/lingrok.pdf

_build/html/index.html:
	$(MAKE) book

lighthouse: _build/html/index.html ## audit the front page and chapter 7 (needs Node and Chromium)
	$(RUN) tools/lighthouse.py _build/html

changes: $(READY) ## change each chapter in three places, as readers do, and run it to the end
	$(RUN) tools/try_changes.py

check: lint unit ## lint, types and unit tests: the daily loop, within a minute

test: lint platforms unit ## all that, every chapter's output against what is committed, and the pages
	@# A chapter is one piece of work: its cells go to one process, in their order.
	$(RUN) -m pytest --nbval --nbval-current-env -p no:cacheprovider -n logical --dist loadfile \
		chapters tools/template.ipynb
	@# Last: the pages link to the data of their figures, which the chapters write.
	$(RUN) -m pytest $(PARALLEL) tests/test_pages.py

unit: $(READY)
	$(UNIT) -m 'not alone' $(PARALLEL)
	$(RUN) -m pytest -m alone $$(grep -l 'mark[.]alone' tests/test_*.py)

lint: $(READY) ## style, types, workflows and citation file only
	$(RUN) -m ruff check --quiet .
	$(RUN) -m ruff format --check --quiet .
	$(RUN) -m mypy --no-error-summary
	$(VENV)/bin/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(VENV)/bin/check-jsonschema --quiet --builtin-schema vendor.citation-file-format CITATION.cff
	$(VENV)/bin/zizmor --quiet --offline --strict-collection .github

platforms: $(READY) ## types as Windows and macOS have them
	$(RUN) -m mypy --no-error-summary --platform win32 --cache-dir .mypy_cache/win32
	$(RUN) -m mypy --no-error-summary --platform darwin --cache-dir .mypy_cache/darwin

package: ## install the package, without extras, into an environment of its own, and use it
	$(PYTHON) tools/try_package.py

chapters: $(READY) ## execute the chapters in place, so that git diff shows what changed in them
	$(RUN) tools/execute_chapters.py

drift: $(READY) ## list what `make chapters` left different from the committed chapters
	$(RUN) tools/drift.py

binder: $(READY) ## execute the chapters from the last commit with Binder's versions and limits
	$(RUN) tools/try_binder.py

bench: $(READY) ## measure counts, errors and speed, into benchmarks/results.md
	$(RUN) benchmarks/run.py > benchmarks/results.new
	mv benchmarks/results.new benchmarks/results.md

mutants: $(READY) ## break the core in 160 places, one at a time: benchmarks/mutants.md lists what no test noticed
	$(RUN) -m pip install --quiet --editable '.[mutants]'
	$(RUN) tools/mutants.py

lock: ## choose the newest versions for requirements.txt and requirements-dev.txt
	$(PYTHON) -m venv $(LOCK)
	$(LOCK)/bin/python -m pip install --quiet 'uv>=0.9'
	@# Not the extras of peers and mutants: what they bring is large, and no page or test of CI needs it
	$(COMPILE) --upgrade $(DEVELOPMENT) pyproject.toml -o $(LOCK)/dev.txt
	$(COMPILE) --upgrade -c $(LOCK)/dev.txt --extra book pyproject.toml -o $(LOCK)/run.txt
	{ cat $(LOCK)/dev.txt; echo '-e .'; } > requirements-dev.txt
	{ cat $(LOCK)/run.txt; echo '-e .'; } > requirements.txt

clean: ## remove the environment and everything built
	rm -rf $(VENV) _build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or later is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet -r requirements-dev.txt
	@# Kernels here talk to this machine only: no warning about that from each of them.
	@mkdir -p $(VENV)/etc/ipython
	@echo 'c.IPKernelApp.log_level = "ERROR"' > $(VENV)/etc/ipython/ipython_kernel_config.py
	@touch $@
