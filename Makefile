# The front door of kucha. `make` alone lists the verbs; the work is in scripts/ and in Meson.
#
#   PYTHON=...     the interpreter to build for and to run with (python3)
#   APP="x.py a"   what `make run` runs, with its arguments
#   PREFIX=...     where `make install` installs (/usr/local); DESTDIR is honoured
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh
# What is set on make's command line reaches the scripts by the environment.
PYTHON ?= python3
PREFIX ?= /usr/local
DESTDIR ?=
export PYTHON PREFIX DESTDIR

# Everything runs in place: the package as the build lays it out, and what it needs beside it.
PLACE := env PYTHONPATH="$(CURDIR)/build/release/site:$(CURDIR)/.venv/pure$${PYTHONPATH:+:$$PYTHONPATH}"
KUCHA := $(PLACE) .venv/bin/python -m kucha
EXAMPLE := examples/index_stdlib.py

.PHONY: help setup build run test test-long bench lint format install asan ubsan tsan fuzz clean distclean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what building, testing and linting need and this machine lacks
	@scripts/setup build test interpreters lint

build: ## libkucha and the Python package, in build/release
	@scripts/setup build
	@scripts/build release

run: build ## the main job on an example program, or on yours: make run APP="path/script.py args"
	@$(KUCHA) run $(if $(APP),$(APP),$(EXAMPLE))

test: ## everything that must pass, on every interpreter found (under half an hour on two cores)
	@scripts/setup test interpreters
	@scripts/test

test-long: ## CPython's whole test suites with and without kucha, and a campaign of random operations (hours)
	@scripts/setup test interpreters programs
	@scripts/test --long

bench: ## the benchmarks, with peers beside us
	@scripts/setup bench
	@scripts/build release
	@$(PLACE) .venv/bin/python bench/run.py

lint: ## formatting, static analysis, types and the house's own rules
	@scripts/setup lint
	@scripts/lint

format: ## format the C and Python files in place
	@scripts/setup lint
	@scripts/lint --fix

install: ## libkucha, headers, pkg-config and CMake files, into PREFIX (the Python package: pip install .)
	@scripts/setup build
	@scripts/build install
	@PATH="$$PATH:$(CURDIR)/.venv/bin" meson install -C build/install --no-rebuild --quiet --tags runtime,devel,man

asan: ## unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
ubsan: ## unit tests under UndefinedBehaviorSanitizer alone
tsan: ## unit tests under ThreadSanitizer
asan ubsan tsan:
	@scripts/setup test
	@scripts/build $@
	@PATH="$$PATH:$(CURDIR)/.venv/bin" meson test -C build/$@ --no-rebuild --suite unit --print-errorlogs

fuzz: ## fuzz the capture reader for a minute a target (FUZZ_SECONDS=...)
	@scripts/setup fuzz
	@scripts/build fuzz
	@scripts/fuzz

clean: ## remove what was built
	rm -rf build dist

distclean: clean ## remove the tools and interpreters that setup installed here, too
	rm -rf .venv .interpreters
