# Two commands: `make lab` opens the course, `make test` runs every gate (`make quick` the first five). `make update` takes
# a newer course into your own notebooks. On Windows use the lines that README gives; each target prints what it runs, and
# runs nothing else.

PYTHON ?= python3
BIN := .venv/bin
# Makes .venv or repairs it; a second call finds that all is there, and starts in seconds.
ENVIRONMENT := $(PYTHON) lmcourse/support/environment.py
# Root (a container) must say so to JupyterLab; a machine without a display is given the address instead of a browser.
LAB_FLAGS := --ServerApp.ip=127.0.0.1 $(if $(filter 0,$(shell id -u)),--allow-root) \
	$(if $(or $(DISPLAY),$(WAYLAND_DISPLAY),$(filter Darwin,$(shell uname))),,--no-browser)

# What JupyterLab opens: your own copy, or with NOTEBOOKS=notebooks the originals, for whoever works on the course.
NOTEBOOKS ?=
WORKSPACE := $(BIN)/python -m lmcourse.workspace

.PHONY: lab update test quick site clean-notebooks bench test-cuda pictures

lab:
	$(ENVIRONMENT) lab
	folder="$(NOTEBOOKS)"; : "$${folder:=$$($(WORKSPACE))}" && $(BIN)/jupyter lab $(LAB_FLAGS) "$${folder:?}"

update:
	$(ENVIRONMENT) lab
	$(WORKSPACE) update

test:
	$(ENVIRONMENT) test
	$(BIN)/python tests/gates.py

quick:
	$(ENVIRONMENT) test
	$(BIN)/python tests/gates.py quick

test-cuda:
	$(ENVIRONMENT) test
	$(BIN)/python tests/gates.py cuda

pictures:
	$(ENVIRONMENT) test
	$(BIN)/python docs/pictures.py

site:
	$(ENVIRONMENT) site
	$(BIN)/python site/build.py

bench:
	$(ENVIRONMENT) lab
	for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean-notebooks:
	$(ENVIRONMENT) test
	$(BIN)/python tests/clean_notebooks.py
