# `make help` lists the targets. Installation is tracked by files, so that nothing is done twice.

PORT ?= 8000
HOST ?= 0.0.0.0
MINUTES ?= 10
PYTHON ?= python3
BACKEND ?= docker
ENGINE ?= docker
IMAGE ?= background-remover
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --progress-bar on --require-hashes

# Without this, BentoML sends usage reports to its authors.
export BENTOML_DO_NOT_TRACK = True

.DEFAULT_GOAL := help
.PHONY: help setup serve batch test test-slow test-latest check fuzz bench quality scale soak bento image image-test sbom audit lock clean

help:  ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/setup.done  ## Create .venv, install what serving needs, prepare the weights
	@$(BIN)/python -m pipeline.weights

serve: setup  ## Serve on port 8000 (or PORT=9000; HOST=127.0.0.1 for this machine only)
	@exec $(BIN)/bentoml serve --host $(HOST) --port $(PORT)

batch: setup  ## Process a folder (IN=photos OUT=cutouts; BATCH="--format webp --report page.html" for options)
	@$(BIN)/python -m batch $(BATCH) "$(or $(IN),$(error IN names the folder with the images))" "$(or $(OUT),$(error OUT names the folder for the cutouts))"

# Contract tests come last and alone: they measure a service that needs all processors.
test: $(VENV)/dev.done setup  ## Run the tests (10 to 15 minutes)
	@$(BIN)/python -m pytest -m "not slow and not image" --numprocesses 2 --dist loadfile tests/unit tests/browser; \
	  status=$$?; $(BIN)/python -m pytest -m "not slow and not image" tests/contract && exit $$status

test-slow: $(VENV)/dev.done $(VENV)/ray.done setup  ## Run the slow tests (installs Ray)
	@$(BIN)/python -m pytest -m slow

test-latest:  ## Run the tests with the newest versions that pyproject.toml allows
	@scratch=$$(mktemp -d) && git clone --quiet . $$scratch && $(MAKE) -C $$scratch lock UPGRADE=--upgrade \
	  && git -C $$scratch diff --stat && TEST_DATA=$${TEST_DATA:-$(CURDIR)/../shared/data} $(MAKE) -C $$scratch test; \
	  status=$$?; rm -rf $$scratch; exit $$status

check: $(VENV)/dev.done  ## Run ruff, mypy --strict and deptry (every imported package is declared)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	@$(BIN)/deptry . --ignore DEP004 && $(BIN)/deptry batch compat pipeline serving --ignore DEP002

fuzz: $(VENV)/dev.done setup  ## Decode mutated images (10 minutes; FUZZ="--minutes 60 --seed 7")
	@$(BIN)/python -m tests.support.fuzz $(FUZZ)

bench: $(VENV)/dev.done bench/.peer/installed setup  ## Measure beside rembg's server (20 to 50 minutes; BENCH="--only latency --quick" for a part)
	@$(BIN)/python -m bench $(BENCH)

quality: $(VENV)/dev.done setup  ## Score cutouts against true mattes (QUALITY="folder ..." for your own)
	@$(BIN)/python -m bench.quality $(QUALITY)

scale: $(VENV)/dev.done setup  ## Measure two instances behind nginx (2 minutes)
	@$(BIN)/python -m bench.scale

soak: $(VENV)/dev.done setup  ## Send good and bad traffic for 10 minutes (MINUTES=60 for an hour)
	@$(BIN)/python -m bench.soak --minutes $(MINUTES)

bento: setup  ## Build the Bento
	@$(BIN)/bentoml build

# Run from /, because BentoML refuses a template outside the working directory and looks for this one
# in a temporary directory (BentoML issue 5566). buildah and podman keep the HEALTHCHECK only with
# `--format docker`.
image: bento  ## Build the image with docker (BACKEND=buildah or podman; BASE_IMAGE=... to replace the base; HEIF=yes for HEIC; RAY=yes for a Ray cluster)
	@cd / && $(CURDIR)/$(BIN)/bentoml containerize background_remover:latest --backend $(BACKEND) --image-tag $(IMAGE) \
	  $(if $(BASE_IMAGE),--opt build-arg=BASE_IMAGE=$(BASE_IMAGE)) $(if $(HEIF),--opt build-arg=HEIF=$(HEIF)) $(if $(RAY),--opt build-arg=RAY=$(RAY)) $(if $(filter buildah podman,$(BACKEND)),--opt format=docker)

image-test: $(VENV)/dev.done setup  ## Test the container image under 512 MB of memory
	@IMAGE=$(IMAGE) $(BIN)/python -m pytest -m image

sbom: $(VENV)/dev.done  ## Print the image's bill of materials (ENGINE=podman)
	@$(BIN)/python deploy/image/sbom.py $(ENGINE) $(IMAGE)

audit: $(VENV)/dev.done  ## Check the locked versions for known vulnerabilities
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes --requirement requirements/serve.txt

lock: $(VENV)/dev.done  ## Lock the dependencies again (UPGRADE=--upgrade for newer versions)
	@$(BIN)/python requirements/lock.py $(UPGRADE)

clean:  ## Remove .venv; the weights stay in BentoML's store
	rm -rf $(VENV)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "setup: Python 3.11 or newer is needed; this is %d.%d. Name another: make PYTHON=python3.12" % sys.version_info[:2])'
	@echo "setup: making $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "setup: the venv module failed; on Debian: apt install python3-venv" >&2; rm -rf $(VENV); exit 1; }

$(VENV)/setup.done: requirements/setup.txt | $(BIN)/python
	$(call install,requirements/setup.txt)

$(VENV)/dev.done: requirements/dev.txt | $(BIN)/python
	$(call install,requirements/dev.txt)

# Ray gives each of its processes 15 seconds to start, and they would spend them compiling.
$(VENV)/ray.done: requirements/ray.txt | $(BIN)/python
	$(call install,requirements/ray.txt,--compile-bytecode)

# rembg's server, which the bench measures beside: its first start compiles for most of a minute.
bench/.peer/installed: requirements/peer.txt | $(BIN)/python
	@echo "bench: installing $< into $(@D)"
	@$(BIN)/python -m venv --clear $(@D)
	@$(BIN)/uv pip install --python $(@D)/bin/python --quiet --require-hashes -r $<
	@$(@D)/bin/rembg s --help > $(@D)/help.txt
	@touch $@

# uv installs in a tenth of pip's time. pip, where it fails: pip has its own settings of mirrors.
define install
	@echo "setup: installing $(1)"
	@{ $(PIP) -r requirements/uv.txt && $(BIN)/uv pip install --python $(BIN)/python --quiet --require-hashes $(2) -r $(1); } \
	  || { echo "setup: uv failed; installing with pip"; $(PIP) -r $(1); } \
	  || { echo "setup: the packages could not be installed; is the network there? Run the same command again." >&2; exit 1; }
	@touch $@
endef
