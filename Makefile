# make run    builds ./tidegate and serves a demo in ./data (LISTEN=0.0.0.0 for a phone or an ESP32)
# make check  format, vet, lint, unit tests: seconds
# make test   every test; installs what the tests need first
# make bench  measurements beside mosquitto; make torture: long kill runs; make fuzz: FUZZTIME a target
# make dist   static binaries for amd64, arm64 and armv7 in dist/

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

LISTEN   ?= 127.0.0.1
DATA     ?= ./data
FUZZTIME ?= 30s
CACHE    := $(CURDIR)/.cache
GO       ?= go

VERSION    ?= $(shell git describe --tags --match 'v*' 2>/dev/null | sed 's/^v//' || true)
BUILD_DATE ?= $(shell TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null || true)
LDFLAGS    := -s -w $(if $(VERSION),-X main.version=$(VERSION)) $(if $(BUILD_DATE),-X main.buildDate=$(BUILD_DATE))

GOLANGCI_VERSION := v2.15.0
GOLANGCI := $(CACHE)/bin/golangci-lint-$(GOLANGCI_VERSION)

# The largest binary that may be shipped, in bytes.
SIZE_BUDGET := 36000000

# Tests in this process run under the race detector; those of whole processes
# use one plain binary.
UNIT = $$($(GO) list ./... | grep -v -e /cli/e2e$$)

.PHONY: help run build plain check test unit process arrows page images compose schema lint size bench torture fuzz dist deps clean

help:
	@sed -n 's/^# //p' Makefile | head -5

build:
	@$(GO) build -o tidegate .

run: build
	@exec ./tidegate demo --data $(DATA) --listen $(LISTEN)

check: lint plain
	@TIDEGATE_BIN=$(CACHE)/bin/tidegate $(GO) test -short $(UNIT)

lint: $(GOLANGCI)
	@began=$$SECONDS; \
	test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not formatted: $$(gofmt -l $$(git ls-files '*.go'))"; exit 1; }; \
	$(GO) vet ./...; \
	$(GOLANGCI) run --allow-parallel-runners ./...; \
	echo "lint: $$((SECONDS - began)) s"

# --- tests -------------------------------------------------------------------

test: deps
	@rm -f $(CACHE)/skipped; \
	$(MAKE) --no-print-directory unit process page compose schema; \
	if [ -s $(CACHE)/skipped ]; then echo; echo "skipped in all:"; cat $(CACHE)/skipped; fi; \
	$(MAKE) --no-print-directory arrows

# Scripts of the command line run this binary, the rest runs under the detector.
plain:
	@mkdir -p $(CACHE)/bin; $(GO) build -o $(CACHE)/bin/tidegate .

unit: plain
	@began=$$SECONDS; \
	TIDEGATE_BIN=$(CACHE)/bin/tidegate $(GO) test -race -timeout 20m -json $(UNIT) | $(GO) run .ci/report.go $(CACHE)/skipped; \
	echo "unit tests under the race detector: $$((SECONDS - began)) s"

process: plain
	@began=$$SECONDS; \
	TIDEGATE_BIN=$(CACHE)/bin/tidegate $(GO) test -count=1 -timeout 30m -json ./cli/e2e | $(GO) run .ci/report.go $(CACHE)/skipped; \
	echo "tests of whole processes: $$((SECONDS - began)) s"

page: plain
	@command -v node > /dev/null && command -v npm > /dev/null && [ -x "$${CHROMIUM:-/usr/bin/chromium}" ] || \
		{ echo "tests of the page: node, npm or chromium is missing" | tee -a $(CACHE)/skipped; [ "$${CI:-}" != true ]; exit; }; \
	began=$$SECONDS; TIDEGATE_BIN=$(CACHE)/bin/tidegate web/e2e/run.sh; echo "tests of the page: $$((SECONDS - began)) s"

# Pictures of every place, for the docs.
images: plain
	@mkdir -p docs/images; TIDEGATE_BIN=$(CACHE)/bin/tidegate SHOTS=$(CURDIR)/docs/images STORIES=places web/e2e/run.sh

# Validators are a module of their own.
compose: plain
	@began=$$SECONDS; cd deploy/validate && TIDEGATE_BIN=$(CACHE)/bin/tidegate $(GO) test -count=1 ./... && echo "compose.yaml: $$((SECONDS - began)) s"

# The HTTP API against its own description.
schema: plain
	@[ -x $(CACHE)/schemathesis/bin/schemathesis ] || \
		{ echo "tests of the HTTP API's description: schemathesis is missing" | tee -a $(CACHE)/skipped; [ "$${CI:-}" != true ]; exit; }; \
	began=$$SECONDS; TIDEGATE_BIN=$(CACHE)/bin/tidegate api/e2e/run.sh; echo "tests of the HTTP API's description: $$((SECONDS - began)) s"

# Not from the cache of tests: it does not see that another package's imports changed.
arrows:
	@$(GO) test -count=1 .

size:
	@mkdir -p $(CACHE)/bin; \
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "$(LDFLAGS)" -o $(CACHE)/bin/tidegate-static .; \
	size=$$(stat -c %s $(CACHE)/bin/tidegate-static); \
	echo "static binary: $$size bytes of $(SIZE_BUDGET)"; \
	test $$size -le $(SIZE_BUDGET)

# --- long runs ---------------------------------------------------------------

bench: plain
	@TIDEGATE_WHOLE_TRACES=1 TIDEGATE_BIN=$(CACHE)/bin/tidegate $(GO) test -count=1 -timeout 30m -v -run Traces ./cli/e2e; \
	$(CACHE)/bin/tidegate bench

torture: plain
	@TIDEGATE_BIN=$(CACHE)/bin/tidegate TIDEGATE_KILL_CYCLES=$${KILL_CYCLES:-500} TIDEGATE_POWER_CUTS=$${POWER_CUTS:-500} TIDEGATE_OUTAGES=$${OUTAGES:-200} \
		$(GO) test -count=1 -timeout 12h -v -run 'Kill|PowerCut|MongoAway' ./cli/e2e

fuzz:
	@grep -rn --include='*_test.go' -o '^func Fuzz[A-Za-z0-9_]*' . | while IFS=: read -r file _ name; do \
		echo "$${name#func } in $$(dirname $$file)"; \
		$(GO) test -run '^$$' -fuzz "^$${name#func }$$" -fuzztime $(FUZZTIME) $$(dirname $$file); \
	done

# --- what is shipped ---------------------------------------------------------

dist:
	@mkdir -p dist; \
	for target in amd64 arm64 arm/7; do \
		arch=$${target%%/*}; arm=$${target#*/}; name=tidegate-linux-$$arch; \
		[ $$arch = arm ] && name=tidegate-linux-armv7 || arm=; \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch GOARM=$$arm $(GO) build -trimpath -ldflags "$(LDFLAGS)" -o dist/$$name .; \
	done; \
	cp deploy/tidegate.service dist/; \
	cd dist && sha256sum tidegate* > SHA256SUMS && ls -l

# --- what tests need ---------------------------------------------------------

deps:
	@.ci/deps

$(GOLANGCI):
	@mkdir -p $(CACHE)/bin; \
	if command -v golangci-lint > /dev/null && golangci-lint version 2>&1 | grep -q "version $(GOLANGCI_VERSION:v%=%) "; then \
		ln -sf "$$(command -v golangci-lint)" $@; \
	else \
		echo "installing golangci-lint $(GOLANGCI_VERSION) into .cache"; \
		GOBIN=$(CACHE)/bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION); \
		mv $(CACHE)/bin/golangci-lint $@; \
	fi

clean:
	@rm -rf dist tidegate .cache/bin
