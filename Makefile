# The doors of this repository. `make` lists them.
#
# What this file may not do:
#   - call sudo: what needs root says so and stops;
#   - write outside this checkout and the cache (~/.cache/reprov), with two exceptions that are asked for by name:
#     `setup`, run as root, installs Debian packages; `install` writes below $(DESTDIR)$(PREFIX);
#   - use the network other than through package clients (apt, pip, mmdebstrap).

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

PREFIX ?= /usr/local
DESTDIR ?=

# The distribution's own Python: only it sees the distribution's python3-selinux.
SYSTEM_PYTHON := /usr/bin/python3
VENV := .venv
PYTHON := $(VENV)/bin/python
STAMP := $(VENV)/.set-up
PYTEST = $(PYTHON) -m pytest $(PYTEST_OPTIONS)
# How many processes run tests, each whole files.
TEST_JOBS ?= 2

# Every file of the repository whose first line names a shell.
SHELL_FILES = $(shell git ls-files --cached --others --exclude-standard | while read -r file; do \
	head -n 1 "$$file" 2>/dev/null | grep -aqE '^\#!.*[/ ](ba|da)?sh( |$$)' && echo "$$file"; done)

.PHONY: help setup packages demo test unit oracle system fleet vm vm-short vm-packages check bench man install zipapp clean

help: ## This list
	@echo 'usage: make TARGET'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12

setup: packages $(STAMP) ## Install what is needed: Debian packages (as root) and .venv; .venv/bin/reprov is the command

packages:
	@scripts/debian-packages

$(STAMP): pyproject.toml reprov/__init__.py | packages
	@$(SYSTEM_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "reprov needs Python 3.11 or newer as $(SYSTEM_PYTHON)")'
	$(SYSTEM_PYTHON) -m venv --system-site-packages $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --editable '.[server,dev]'
	@touch $@

demo: setup ## See it work: build, serve, install, upgrade and roll back a node on a disk image (root)
	demo/run

test: setup ## All tiers that a machine can run without a VM: unit, oracle, system (root; skipped by name without)
	$(PYTEST) --numprocesses $(TEST_JOBS) --dist loadfile -m 'not long' tests/unit tests/oracle tests/system

unit: setup ## Unit tests: no process, no root, seconds
	$(PYTEST) tests/unit

oracle: setup ## Oracle tests: against real rsync, bsdtar, mtree; no root
	$(PYTEST) tests/oracle

system: setup ## System tests: whole upgrades on loop-mounted roots (root)
	$(PYTEST) --numprocesses $(TEST_JOBS) --dist loadfile -m 'not long' tests/system

fleet: setup ## Rollouts to six booted nodes over ssh, also those that are too long for `make test`: 20 minutes (root)
	$(PYTEST) tests/system/test_fleet.py

vm: setup vm-packages ## Tests on nodes that boot, in virtual machines without KVM: an hour (root); VM_OPTIONS='--cuts 40' cuts the power more often
	$(PYTEST) tests/vm $(VM_OPTIONS)

vm-short: setup vm-packages ## Those of them that CI runs on every submission: at most 25 minutes (root)
	timeout --signal=INT --kill-after=60 25m $(PYTEST) tests/vm/test_node.py tests/vm/test_power_cuts.py -m 'not long' --cuts 4 --cuts-minutes 8 $(VM_OPTIONS)

vm-packages:
	@scripts/debian-packages qemu-system-x86 qemu-utils ovmf lz4

check: setup ## Linters, types, shell scripts, layers, and that the man page is current
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	shellcheck $(SHELL_FILES)
	$(PYTEST) --quiet tests/unit/test_layers.py
	$(PYTHON) scripts/manpage.py --check docs/man/reprov.1

bench: setup ## Compare an upgrade with rsync over the live tree: time, bytes, mixed state (root)
	bench/run

man: setup ## Write the verbs and options into docs/man/reprov.1
	$(PYTHON) scripts/manpage.py docs/man/reprov.1

install: setup ## Copy reprov below DESTDIR= and PREFIX= (/usr/local); it runs on the distribution's Python libraries
	scripts/install "$(DESTDIR)" "$(PREFIX)"

zipapp: setup ## dist/reprov.pyz: the node side with its libraries in one file
	scripts/zipapp dist/reprov.pyz

clean: ## Remove what make made in the checkout; the cache stays
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find reprov scripts tests -name __pycache__ -prune -exec rm -rf {} +
