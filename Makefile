# Leadgate. `make` lists the targets.

CARGO ?= cargo
# Where cargo install puts tools that are not part of the toolchain.
TOOLS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/leadgate/tools
CARGO_DENY_VERSION = 0.20.2
DENY = $(TOOLS)/bin/cargo-deny
MDBOOK_VERSION = 0.5.4
MDBOOK = $(TOOLS)/bin/mdbook
CARGO_SBOM_VERSION = 0.10.0
SBOM = $(TOOLS)/bin/cargo-sbom
export PATH := $(PATH):$(HOME)/.cargo/bin:/usr/local/go/bin

.DEFAULT_GOAL := help
.PHONY: help run test test-cluster test-crm e2e image install-cli krew lint bench bench-operator race soak upgrade-prober fuzz nightly docs release generate clean \
	need-rust need-test-tools need-cluster-tools

help: ## list the targets
	@echo "Leadgate: webhooks in, CRM records out. Start with: make run"
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | while IFS='	' read -r name what; do printf '  make %-15s %s\n' "$$name" "$$what"; done

run: need-rust ## run a demonstration: three senders, the receiver and a simulated HubSpot (ONCE=1: exit afterwards)
	@echo "building (the first build takes a few minutes)"
	@$(CARGO) build --locked --quiet --bin leadgate-receiver --bin quickstart
	@$(CARGO) run --locked --quiet --bin quickstart

# The CRMs' SDKs are used if Node.js is installed; `make test-cluster` installs it.
SDK = $(shell command -v node >/dev/null && command -v npm >/dev/null && echo leadgate-tests/sdk)

# The same holds for Prometheus.
PROMETHEUS = $(shell command -v prometheus >/dev/null && command -v promtool >/dev/null && echo leadgate-tests/prometheus)

# And for Chromium.
BROWSER = $(if $(SDK),$(shell [ -x "$(or $(CHROMIUM),/usr/bin/chromium)" ] && echo leadgate-tests/browser))

test: need-rust need-test-tools ## run the tests: real Redis, simulated CRMs, the CRMs' own SDKs; no root, no Kubernetes
	@[ -n "$(SDK)" ] || echo "Node.js is not installed: skipping the CRMs' own SDKs (make test-cluster runs them)"
	@[ -n "$(BROWSER)" ] || echo "Chromium is not installed: skipping the console in a browser (make test-cluster runs it)"
	@[ -n "$(PROMETHEUS)" ] || echo "Prometheus is not installed: skipping alerts and dashboard (make test-cluster checks them)"
	$(CARGO) test --locked --workspace --features "$(SDK) $(PROMETHEUS) $(BROWSER)"

CLUSTER_TESTS = admission cli_cluster console_cluster definitions operator_control_plane chart examples image leaves_nothing node api_sdk console_browser hubspot_sdk salesforce_sdk monitoring

test-cluster: need-rust need-cluster-tools ## run the tests on a real Kubernetes API server and node (root, or KUBECONFIG)
	tests/cluster/cluster build
	$(CARGO) test --locked --workspace --features leadgate-tests/cluster,leadgate-tests/sdk,leadgate-tests/prometheus,leadgate-tests/browser $(CLUSTER_TESTS:%=--test %)

e2e: need-rust need-cluster-tools ## test every guarantee on a real Kubernetes node, with measurements (needs root, or KUBECONFIG)
	tests/cluster/cluster build
	LEADGATE_TEST_PROFILE=release $(CARGO) test --locked --workspace --features leadgate-tests/cluster --test node -- --include-ignored --nocapture --test-threads=1

image: need-rust ## build the container image: with buildah or docker, else as an OCI archive (NAME=leadgate:dev; PLATFORMS=linux/amd64,linux/arm64)
	NAME="$(or $(NAME),leadgate:dev)" image/build

install-cli: need-rust ## build kubectl-leadgate and install it into ~/.local/bin (PREFIX=/usr/local: into /usr/local/bin)
	cli/package install "$(or $(PREFIX),$(HOME)/.local)"

krew: need-rust ## build the archives of kubectl-leadgate and krew's manifest (PLATFORMS=linux/amd64,linux/arm64)
	cli/package krew "$(or $(CARGO_TARGET_DIR),target)/krew"

test-crm: need-rust ## deliver leads to a real CRM: django-crm on PostgreSQL, installed and started for the test
	@.ci/need crm
	$(CARGO) test --locked --workspace --test django_crm -- --ignored

lint: need-rust $(DENY) ## check formatting, clippy, licences and sources of dependencies
	@$(CARGO) fmt --version >/dev/null 2>&1 || .ci/need component rustfmt
	@$(CARGO) clippy --version >/dev/null 2>&1 || .ci/need component clippy
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets --all-features -- -D warnings
	$(DENY) --log-level error --locked check --hide-inclusion-graph licenses bans sources

# Of the workspace, not of one package, as the tools build the receiver: else it is built twice, with other features.
MEASURED = $(CARGO) build --locked --release --workspace --bin leadgate-receiver
RELEASE = $(or $(CARGO_TARGET_DIR),target)/release

bench: need-rust ## measure accepting leads, compared with the same server without its queue
	@command -v redis-server >/dev/null || .ci/need redis-server
	$(MEASURED) --bin bench --example source_bench
	$(RELEASE)/examples/source_bench
	$(RELEASE)/bench

bench-operator: need-rust need-cluster-tools ## measure the operator with 1,000 LeadWebhooks and a real API server
	tests/cluster/cluster build control-plane
	$(MEASURED) --bin leadgate-operator --bin bench_operator
	$(RELEASE)/bench_operator

race: need-rust ## race the receiver against what tutorials teach: Express with BullMQ, and FastAPI with a Redis list
	@command -v redis-server >/dev/null || .ci/need redis-server
	@command -v npm >/dev/null && command -v python3 >/dev/null || .ci/need race
	$(MEASURED) --bin race
	$(RELEASE)/race

soak: need-rust ## kill the receiver and Redis 100 times under load and count every lead
	@command -v redis-server >/dev/null || .ci/need redis-server
	$(MEASURED) --bin soak
	$(RELEASE)/soak

# The version from which, and back to which, the prober upgrades: the last commit that raised the version of a stored format.
OLD ?= $(shell git log -1 --format=%H -G'^const (FORMAT|SCHEMA_VERSION)' -- receiver/src/queue)
OTHER = $(abspath $(or $(CARGO_TARGET_DIR),target)/old)

upgrade-prober: need-rust ## replace receivers of two versions under load, forward and back, and count every lead (OLD=commit or tag)
	@command -v redis-server >/dev/null || .ci/need redis-server
	rm -rf "$(OTHER)" && mkdir -p "$(OTHER)"
	git archive "$(OLD)" | tar x -C "$(OTHER)"
	cd "$(OTHER)" && CARGO_TARGET_DIR="$(OTHER)-target" $(CARGO) build --locked --bin leadgate-receiver
	LEADGATE_OLD_RECEIVER="$(OTHER)-target/debug/leadgate-receiver" $(CARGO) test --locked --workspace --test upgrade

# Seconds for each fuzz target.
FUZZ_SECONDS ?= 60

fuzz: need-rust ## fuzz the receiver, FUZZ_SECONDS for each target
	BOLERO_RANDOM_TEST_TIME_MS=$(FUZZ_SECONDS)000 $(CARGO) test --locked --workspace --test fuzz --test costs -- --test-threads 1 --nocapture

nightly: soak fuzz bench bench-operator ## run the long tests, for CI

docs: need-rust $(MDBOOK) ## build the documentation as a site, into target/docs
	docs/build "$(MDBOOK)" "$(or $(CARGO_TARGET_DIR),target)/docs"

release: need-rust $(SBOM) ## build everything that a release has, into target/release-files; needs Helm (PLATFORMS=linux/amd64,linux/arm64)
	SBOM="$(SBOM)" release/build all "$(or $(CARGO_TARGET_DIR),target)/release-files"

generate: need-rust ## write the generated files: CRD YAML, the chart's files/ and the generated parts of docs/
	cp charts/leadgate/values.yaml charts/leadgate/files/values.yaml
	ls receiver/src/source/presets | sed 's/\.yaml$$//' | LC_ALL=C sort >charts/leadgate/files/presets.txt
	$(CARGO) run --locked --quiet --example generate
	UPDATE=1 $(CARGO) test --locked --quiet --workspace --test docs

clean: ## remove build output and the state of the quickstart
	$(CARGO) clean
	rm -rf .quickstart

need-rust:
	@command -v $(CARGO) >/dev/null || .ci/need rust
	@command -v cc >/dev/null || .ci/need cc

need-test-tools:
	@.ci/need test

need-cluster-tools:
	@.ci/need cluster

$(DENY):
	$(CARGO) install --locked --quiet --root $(TOOLS) --version $(CARGO_DENY_VERSION) cargo-deny

$(MDBOOK):
	$(CARGO) install --locked --quiet --root $(TOOLS) --version $(MDBOOK_VERSION) --no-default-features --features search mdbook

$(SBOM):
	$(CARGO) install --locked --quiet --root $(TOOLS) --version $(CARGO_SBOM_VERSION) cargo-sbom
