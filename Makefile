# `make run` and `make test` do all set-up by themselves; `make help` lists the rest.
# What is done is remembered by time stamps in .cache, so nothing is asked twice, and nothing needs the network then.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/sh

ifeq ($(APUS_MODELS),)
override APUS_MODELS := models
endif
export APUS_MODELS
SWIFT ?= swift
# One build configuration for everything: run, tests and CI (which adds APUS_WERROR=1) share .build.
SWIFT_BUILD := $(SWIFT) build -c release
APUS := .build/release/apus
PROMPT ?= Write a short story about a lighthouse keeper and a storm.
TOKENS ?= 64
SEED ?= 1
SERVE ?=

tools := Tests/tools
# Folders too: their times change when a file comes or goes.
sources := Package.swift $(shell find Sources CKernels -not -name '.*' -not -name '* *' 2>/dev/null)
# A stamp says nothing about a build folder that has been removed.
ifeq ($(wildcard $(APUS)),)
.cache/build: missing
endif
ifeq ($(wildcard .venv/bin/clang-format),)
.cache/venv: missing
endif

.PHONY: help run serve build test models setup fuzz format lint kernels docs bench compare microbench stress soak clean distclean missing

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: .cache/build ## build, fetch the default model and let it answer (PROMPT='…' TOKENS=64 SEED=1)
	@$(tools)/fetch_model.sh smollm2
	@$(APUS) run -m smollm2 -p "$$PROMPT" -n "$$TOKENS" --seed "$$SEED"
run: export PROMPT := $(value PROMPT)
run: export TOKENS := $(value TOKENS)
run: export SEED := $(value SEED)

serve: .cache/build ## build, fetch the default model and serve it on port 8080 (SERVE='--ollama-port 11434')
	@$(tools)/fetch_model.sh smollm2
	@$(APUS) serve -m smollm2 $(SERVE)

build: .cache/build ## build the commands in release

test: setup ## set everything up and run every test
	$(tools)/test.sh

models: ## fetch every model that the tests and benchmarks use
	@$(tools)/fetch_model.sh smollm2
	@$(tools)/fetch_model.sh gemma3

setup: .cache/system-test .cache/venv ## install what the tests need and fetch the default model, no more
	@$(tools)/fetch_model.sh smollm2
	@Tests/ServerTests/environments.sh

fuzz: .cache/system-test ## fuzz each target for a minute (SECONDS=60)
	Tests/Fuzz/run.sh $(or $(SECONDS),60)

stress: .cache/system-test ## threads that use the C library at random, under the sanitizers, for a minute each (SECONDS=60)
	@$(tools)/fetch_model.sh smollm2
	Tests/LibraryTests/run.sh thread $(or $(SECONDS),60)
	Tests/LibraryTests/run.sh address $(or $(SECONDS),60)

soak: .cache/build ## load a server to its limit for ten minutes and watch its memory and answers (SOAK='--seconds 120')
	@$(tools)/fetch_model.sh smollm2
	python3 -B Tests/ServerTests/soak.py $(SOAK)

format: .cache/venv ## format the Swift, C and Python code in place
	$(tools)/lint.sh --fix

lint: .cache/venv ## check formatting and the linters' rules
	$(tools)/lint.sh

kernels: .cache/system-test ## build the kernels alone with CMake, for this machine and aarch64, and test them
	$(tools)/kernels.sh host
	$(tools)/kernels.sh aarch64

docs: .cache/build ## build the libraries' documentation, into .cache/docs; warnings are errors
	$(tools)/docs.sh

bench: .cache/build ## measure the default model with apus bench (BENCH='-p 512 -n 128')
	@$(tools)/fetch_model.sh smollm2
	$(APUS) bench -m smollm2 $(BENCH)

compare: .cache/build .cache/venv ## measure beside other engines, which are built or installed here (COMPARE='--help')
	@$(tools)/fetch_model.sh smollm2
	.venv/bin/python Benchmarks/compare $(COMPARE)

microbench: .cache/system-bench ## measure every kernel against the machine's roofs (MICROBENCH='--all --peers')
	@python3 -B Benchmarks/microbench/microbench.py $(MICROBENCH)

clean: ## remove what builds made
	rm -rf .build build .cache/build .cache/kernels .cache/library* .cache/microbench/build

distclean: clean ## also remove the virtual environment, other engines, the stamps and the fetched models
	rm -rf .venv .cache models

.cache/build: $(sources) | .cache/system-build
	$(SWIFT_BUILD) --product apus
	$(SWIFT_BUILD) --product apus-server
	@touch $@

.cache/system-build: $(tools)/setup.sh
	@mkdir -p .cache
	@$(tools)/setup.sh build
	@touch $@

.cache/system-test: $(tools)/setup.sh
	@mkdir -p .cache
	@$(tools)/setup.sh build
	@$(tools)/setup.sh test
	@touch $@

.cache/system-bench: $(tools)/setup.sh
	@mkdir -p .cache
	@$(tools)/setup.sh build
	@$(tools)/setup.sh bench
	@touch $@

.cache/venv: Tests/requirements.txt | .cache/system-build
	@[ -x .venv/bin/pip ] || python3 -m venv --clear .venv
	@.venv/bin/python -m pip --disable-pip-version-check -q install --no-deps -r Tests/requirements.txt
	@touch $@
