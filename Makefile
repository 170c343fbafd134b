# 一号通. make run needs Python >= 3.11 and nothing else; make test brings what it needs itself.
#   make run ARGS="--seed 7 --speed 60"     a province with simulated callers in the browser
#   make test                               everything, real services included where this machine can have them
#   make bench | screens | lock | clean
#   YHT_CACHE: where the Asterisk root and other large things are kept (default ~/.cache/yihaotong)

VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
TOX := .tox/runner/bin/tox
ARGS ?=
PIP := -m pip install --disable-pip-version-check --no-input --quiet
# a download that fails is told apart from a fault of the product (.ci/run ends with 75 then)
MIRROR = || { mkdir -p .run; echo "a package index did not deliver: $@" | tee .run/mirror-trouble >&2; exit 75; }
SCREENS := $(shell find web/src web/public web/index.html web/vite.config.ts web/tsconfig.json -type f 2>/dev/null)

.DELETE_ON_ERROR:
.PHONY: run test bench clean lock screens venv services tox-environments

run: venv screens
	@exec $(VENV)/bin/yht demo $(ARGS)

venv: $(VENV)/.run-installed

# the lock files first, then the project itself without asking any index
$(VENV)/.run-installed: requirements/run.lock pyproject.toml
	@python=$$(scripts/find-python.sh) || exit 1; \
	  echo "Python: installing what 一号通 runs on (once)"; \
	  [ -x $(VENV)/bin/python ] || "$$python" -m venv $(VENV)
	@$(VENV)/bin/python $(PIP) --require-hashes -r requirements/run.lock $(MIRROR)
	@$(VENV)/bin/python $(PIP) --no-deps --no-build-isolation --no-index -e .
	@touch $@

screens: federation/node/built_screens/index.html

$(VENV)/.node-installed: requirements/screens.lock | venv
	@echo "Node: installing what builds the screens (once)"
	@$(VENV)/bin/python $(PIP) --require-hashes -r requirements/screens.lock $(MIRROR)
	@touch $@

web/node_modules/.installed: web/package.json web/package-lock.json $(VENV)/.node-installed
	@echo "screens: installing their packages (once)"
	@(cd web && PATH=$(BIN):$$PATH npm ci --no-audit --no-fund --loglevel error) $(MIRROR)
	@touch $@

federation/node/built_screens/index.html: web/node_modules/.installed $(SCREENS)
	@echo "screens: building"
	@mkdir -p .run
	@cd web && PATH=$(BIN):$$PATH npm run --silent build >../.run/screens.log 2>&1 || { cat ../.run/screens.log; exit 1; }
	@rm -rf federation/node/built_screens && cp -r web/dist federation/node/built_screens && touch $@

$(TOX): requirements/tox.lock
	@python=$$(scripts/find-python.sh) || exit 1; "$$python" -m venv --clear .tox/runner
	@.tox/runner/bin/python $(PIP) --require-hashes -r requirements/tox.lock $(MIRROR)
	@touch $@

services: venv
	@scripts/install-services.sh $(VENV)/bin/python

tox-environments: $(TOX) screens
	@$(TOX) run -q -e all $(MIRROR)

test: services tox-environments
	@scripts/versions.sh .tox/all/bin/python .tox/all/bin/node
	@$(TOX) run $(ARGS)

bench: tox-environments
	@$(TOX) run -e bench -- $(ARGS)

lock: venv
	@$(VENV)/bin/python $(PIP) uv
	@scripts/lock.sh $(VENV)/bin/uv

clean:
	rm -rf $(VENV) .tox .run .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
	rm -rf web/node_modules web/dist federation/node/built_screens
