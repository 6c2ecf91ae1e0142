# Every target runs with Node 24, npm included (hack/node.sh finds or installs it).
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
NODE = export PATH="$$(hack/node.sh):$$PATH"

.PHONY: help
help: ## what can be made here
	@echo "make <target>"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1|\2/' | column -t -s '|'

node_modules/.installed: package.json package-lock.json hack/node.sh
	@mkdir -p .tools; $(NODE); flock .tools/lock sh -c '[ $@ -nt package-lock.json ] || { \
	  echo "installing dependencies (about 30 s the first time)" >&2; npm ci --ignore-scripts --no-audit --no-fund --silent; }'
	@touch $@

.PHONY: demo
demo: node_modules/.installed ## plays the main job with real kubectl on a control plane of its own
	@$(NODE); npm run --silent page; exec node hack/demo/demo.ts

.PHONY: test
test: node_modules/.installed ## types, and every test; `make test only=PATTERN` the files whose path holds PATTERN
	@$(NODE); npm run --silent page; $(if $(only),,node --run types;) node hack/controlplane/binaries.ts >/dev/null; exec npx --no-install vitest run $(ARGS) $(only)

# The longest first. What the linter finds of types it finds by the compiler, in one go with its own rules; GOGC spares it
# a quarter of its time, for memory.
CHECKS = $(addprefix check-,lint unit mutants unused format generated)
.PHONY: check $(CHECKS)
check: node_modules/.installed ## types, lint, format, unused code, generated files, unit tests, mutants: in seconds
	@$(NODE); NO_COLOR=1 GOGC=800 NODE_COMPILE_CACHE=$(CURDIR)/node_modules/.cache/compiled $(MAKE) --no-print-directory --jobs=2 --output-sync $(CHECKS)

$(CHECKS): check-%: ; @node --run $*

.PHONY: mutants
mutants: node_modules/.installed ## takes guards out one at a time, and names the test that fails; only=decide, guards, admission or crds
	@$(NODE); node hack/controlplane/binaries.ts >/dev/null; exec node hack/mutants/main.ts "$(only)"

.PHONY: cluster
cluster: node_modules/.installed ## `make cluster DIR=path`: a control plane with kube-elevate in it, until Ctrl-C
	@test -n "$(DIR)" || { echo "say where: make cluster DIR=path" >&2; exit 2; }
	@$(NODE); npm run --silent page; exec node hack/controlplane/cluster.ts "$(DIR)"

.PHONY: control-plane
control-plane: node_modules/.installed ## builds etcd, kube-apiserver, kube-controller-manager and kubectl into the cache
	@$(NODE); exec node hack/controlplane/binaries.ts

.PHONY: uninstall
uninstall: node_modules/.installed ## `make uninstall CONFIRM=yes`: README's lines that remove it, on the cluster of $KUBECONFIG
	@$(NODE); exec node hack/uninstall.ts "$(CONFIRM)"

.PHONY: bench
bench: node_modules/.installed ## measures beside floors, with a JSON document; only=proof|expiry|memory|attacks, JSON=path; never in `make test`
	@$(NODE); exec node hack/bench/main.ts "$(only)" "$(JSON)"

.PHONY: crds
crds: node_modules/.installed ## writes crds/ from the schemas in src/api, and what the controller compares with what is stored
	@$(NODE); node hack/crds/generate.ts; exec node hack/shipped/generate.ts

.PHONY: format
format: node_modules/.installed ## formats code and sorts imports
	@$(NODE); exec npx --no-install biome check --write .

.PHONY: page
page: node_modules/.installed ## makes dist/web, the page where a key is used, for the verifier or any static host
	@$(NODE); exec npm run --silent page

.PHONY: build
build: node_modules/.installed ## bundles the processes and the page into dist, as the image ships them
	@$(NODE); exec npm run --silent build

.PHONY: plugin
plugin: node_modules/.installed ## makes dist/kubectl-elevate, one file to put on your PATH (it needs Node 22 or later there)
	@$(NODE); npm run --silent plugin
	@chmod +x dist/kubectl-elevate; echo "dist/kubectl-elevate is made: copy it to a folder of your PATH, then: kubectl elevate --help"

.PHONY: sbom
sbom: node_modules/.installed ## writes dist/sbom.json, what the product is made of (CycloneDX); the image carries it
	@$(NODE); npm run --silent sbom; echo "dist/sbom.json is made: one component for each package that runs somewhere"

.PHONY: image
image: ## builds the container image; IMAGE=name:tag
	docker build -t "$(or $(IMAGE),kube-elevate:0.1.0)" .
