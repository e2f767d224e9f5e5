# make lint test race is the gate; README.md says what each part is.

GO          ?= go
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
SERVERS     := .cache/servers
FUZZTIME    ?= 30s
# What to test and to race: make test PKG=./wal/...; the engine first, for its tests take the longest.
PKG         ?= ./replicator ./...

.PHONY: all build servers debian-postgresql test bench-memory bench-wan bench bench-verify bench-sizing bench-copy bench-cdc bench-source soak race lint fuzz demo clean

all: build

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-X replicator/replicator/catchup.version=$(VERSION)' -o bin/replicator ./cmd/replicator

# PostgreSQL 14 to 18 for the tests: one from Debian, which has the client programs, the others
# from npm. What lays a wire between two network namespaces only root can use. Both scripts do
# nothing for what is there.
servers: debian-postgresql
	testdata/servers/debian npm
	[ "$$(id -u)" -ne 0 ] || testdata/servers/debian ip ethtool
	testdata/servers/install $(SERVERS)

debian-postgresql:
	testdata/servers/debian postgresql

# Two packages at a time, and three tests of those that may run beside others: they wait for servers, disks
# and lapses of time more than they take from two processors.
test: servers
	$(GO) test -p 2 -parallel 3 -timeout 60m $(PKG)

# Resident memory under a transaction of five million rows; make test takes fewer.
bench-memory: servers
	$(GO) test -tags memory -timeout 20m -run TestMemory -v ./replicator/

# Two sites and a slow wire between them, beside other tools; as root. Takes one and a half hours, and
# three minutes with make bench-wan WAN=--quick; go run ./bench/wan --help lists what can be chosen.
WAN ?=
bench-wan: build debian-postgresql
	testdata/servers/debian ip ethtool zstd
	-testdata/servers/debian pgcopydb
	$(GO) run ./bench/wan $(WAN)

# Copying a database, beside other tools, on this machine; 1 is 1.5 GB. More: COPY='--scenario small'.
SCALE ?=
COPY  ?=
bench-copy: build debian-postgresql
	-testdata/servers/debian pgcopydb
	$(GO) run ./bench/copy $(if $(SCALE),--scale $(SCALE)) $(COPY)

# Draining a backlog of changes and the lag of following, beside native logical replication.
CDC ?=
bench-cdc: build debian-postgresql
	$(GO) run ./bench/cdc $(if $(SCALE),--scale $(SCALE)) $(CDC)

# What the wards notice of a copy and of following, beside other tools that do the same.
SOURCE ?=
bench-source: build debian-postgresql
	-testdata/servers/debian pgcopydb
	$(GO) run ./bench/source $(if $(SCALE),--scale $(SCALE)) $(SOURCE)

# What it costs to prove two databases equal: reading speed, and the window from fence to opening.
bench-verify: debian-postgresql
	$(GO) run ./bench/verify $(BENCH)

# What replicator bench foretells, and what then happens; over a wire as root. go run ./bench/sizing --help
# lists the choices, as SIZING='--data wide,blobs --mbit 50 --rtt 20ms'.
SIZING ?=
bench-sizing: build debian-postgresql
	testdata/servers/debian ip ethtool
	$(GO) run ./bench/sizing $(SIZING)

# All benchmarks at a small scale, one after another.
bench:
	$(MAKE) bench-verify BENCH='--scale 0.05 --runs 1 --keys 1000'
	$(MAKE) bench-sizing SIZING='--scale 0.05 --mbit 0,50 --duration 20s'
	$(MAKE) bench-copy SCALE=0.05 COPY='--runs 1 --scenario clinical'
	$(MAKE) bench-cdc SCALE=0.05 CDC='--runs 1'
	$(MAKE) bench-source SCALE=0.05 SOURCE='--runs 1'
	$(MAKE) bench-wan WAN=--quick

# The race detector needs cgo and takes several times the memory: one package at a time.
# 200 verifications while the source is hammered, none with a difference; make test takes twenty.
soak: servers
	REPLICATOR_SOAK=100 $(GO) test -timeout 60m -run TestVerifiedUnderLoad -v ./replicator/

race: servers
	CGO_ENABLED=1 $(GO) test -race -p 1 -timeout 90m $(PKG)

lint:
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then \
		echo "gofmt these files:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

# Every fuzz target of every package, one after another.
fuzz:
	@set -e; for pkg in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "fuzz $$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; \
	done

demo: build debian-postgresql
	bin/replicator demo

clean:
	rm -rf bin .cache
