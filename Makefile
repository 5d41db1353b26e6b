# Two commands: `make lab` opens the course, `make test` runs every gate (`make quick` the first five). On Windows use the
# lines that README gives; each target prints what it runs, and runs nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Root (a container) must say so to JupyterLab; a machine without a display is given the address instead of a browser.
LAB_FLAGS := --ServerApp.ip=127.0.0.1 $(if $(filter 0,$(shell id -u)),--allow-root) \
	$(if $(or $(DISPLAY),$(WAYLAND_DISPLAY),$(filter Darwin,$(shell uname))),,--no-browser)

.PHONY: lab test quick site clean-notebooks bench test-cuda pictures

lab: $(VENV)/lab-ready
	$(BIN)/jupyter lab $(LAB_FLAGS) notebooks

test: $(VENV)/test-ready
	$(BIN)/python tests/gates.py

quick: $(VENV)/test-ready
	$(BIN)/python tests/gates.py quick

test-cuda: $(VENV)/test-ready
	$(BIN)/python tests/gates.py cuda

pictures: $(VENV)/test-ready
	$(BIN)/python docs/pictures.py

site: $(VENV)/site-ready
	$(BIN)/python site/build.py

bench: $(VENV)/lab-ready
	for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean-notebooks: $(VENV)/test-ready
	$(BIN)/python tests/clean_notebooks.py

# A second call finds the mark and starts in seconds; a change of what is required makes it anew.
$(VENV)/lab-ready: requirements.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -r requirements.txt
	touch $@

$(VENV)/site-ready: $(VENV)/lab-ready requirements-site.txt
	$(BIN)/python -m pip install -r requirements-site.txt
	touch $@

$(VENV)/test-ready: $(VENV)/lab-ready requirements-test.txt requirements-site.txt
	$(BIN)/python -m pip install -r requirements-test.txt
	touch $@
