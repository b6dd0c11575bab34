# The targets work on a fresh Debian 12, where only make and git are there.

# The release of Nova, 34 (2026.2) or 33 (2026.1), and its environment.
NOVA ?= 34
VENV := $(if $(filter 34,$(NOVA)),.venv,.venv-$(NOVA))
# The simulated host of `make demo`.
SIMULATE ?= t4
# The network service of `make cloud`: standin, or real for a neutron-server.
NEUTRON ?= standin
# The benchmarks of `make bench`: names and options, all by default.
BENCH ?=
# The long forms of `make soak`, and for how many minutes each; the modules of
# `make mutation`.
SOAK ?=
MINUTES ?=
MODULE ?=
# Where the trace of `make bench BENCH=packing` is; without it that is skipped.
TRACES ?=
export TRACES
# The targets of `make fuzz`, a regular expression, and inputs for each.
TARGET ?=
RUNS ?= 1000000
# The tests of `make test-functional` and `make lab-test`: a regular
# expression, all by default.
TESTS ?=
# How many tests run at once: one that runs Nova waits a third of its time.
JOBS ?= $(shell expr $$(nproc) + 1)

# Trees of Debian 13: the kernel that `make kmod` builds for, and what compiles.
TREES := .lab/trees
KMOD := .lab/kmod/gpuvirt_sim.ko

BIN := $(VENV)/bin/
STESTR := $(BIN)stestr
RUN_OPTIONS := --concurrency $(JOBS) --suppress-attachments
CHECK := $(BIN)python tools/check_skips.py
DEVSTACK := devstack/plugin.sh devstack/settings devstack/tests/*.bash \
	devstack/tests/bin/*

CLOUD_VENV := .venv-cloud
CLOUD_BIN := $(CLOUD_VENV)/bin/
CLOUD := $(CLOUD_BIN)python -m lab.cloud
# The other targets of the cloud work only where it was made.
CLOUD_IF_MADE := test ! -e $(CLOUD_BIN)python || $(CLOUD)

# As nova-compute runs: in native threads, and at Nova 33 still in eventlet
# (whose tests do not pass in threads).
export OS_NOVA_DISABLE_EVENTLET_PATCHING := $(if $(filter 33,$(NOVA)),0,1)
# Show what a test prints only when it fails; end one that hangs (seconds).
test-%: export OS_STDOUT_CAPTURE := 1
test-%: export OS_STDERR_CAPTURE := 1
test-%: export OS_TEST_TIMEOUT ?= 300

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help venv demo test test-unit test-functional test-dozen \
	test-devstack test-upstream bench fuzz lint mutants mutation soak format \
	docs tables genconfig clean \
	cloud cloud-status cloud-test cloud-stop cloud-wipe \
	lab lab-shell lab-test lab-tempest lab-stop kmod kmod-test

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1 /p' Makefile | \
		while read -r name what; do printf '  %-16s %s\n' "$$name" "$$what"; done
	@echo 'NOVA=33 takes the other release of Nova, where a target runs Nova.'

venv: ## make .venv, with all that is needed, and nova-gpuvirt in it
	@tools/venv.sh $(VENV) $(NOVA)

demo: venv ## boot two servers on a simulated GPU host (SIMULATE=t4)
	@$(BIN)python -m nova_gpuvirt.simulation.demo $(SIMULATE)

test: lint test-unit test-devstack test-functional test-dozen ## run all of these

test-unit: venv ## run the tests that need no Nova
	$(STESTR) --test-path ./tests/unit run $(RUN_OPTIONS)
	$(CHECK)

test-functional: venv ## run real Nova on simulated hosts (TESTS=test_boot)
	$(STESTR) --test-path ./tests/functional run $(RUN_OPTIONS) \
		$(if $(TESTS),'$(TESTS)')
	$(CHECK)

test-dozen: venv ## run a dozen of Nova's own tests on our driver
	$(STESTR) --test-path ./tests/upstream run $(RUN_OPTIONS) \
		--load-list tests/upstream/dozen.txt
	$(CHECK) --expect tests/upstream/dozen.txt

test-devstack: export VENV_BIN := $(abspath $(BIN))
test-devstack: venv ## check and test the DevStack plugin
	$(BIN)bashate $(DEVSTACK)
	shellcheck -x $(DEVSTACK) devstack/tests/*.bats
	bats devstack/tests

test-upstream: venv ## run all of Nova's own vGPU and PCI tests on our driver
	$(STESTR) --test-path ./tests/upstream run $(RUN_OPTIONS)
	$(CHECK)

bench: venv ## measure ours beside its peers, with plots (BENCH=eight_cards)
	@tools/debian-packages.sh benchmarks
	@PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)pip install -qq \
		--constraint constraints/nova-$(NOVA).txt \
		--constraint constraints/benchmarks.txt \
		--requirement benchmarks/requirements.txt
	@$(BIN)python -m benchmarks $(BENCH)

fuzz: venv ## feed each parser with nonsense (TARGET=slot RUNS=1000000)
	@PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)pip install -qq \
		--only-binary :all: --constraint constraints/nova-$(NOVA).txt \
		--constraint constraints/fuzz.txt \
		--requirement fuzz/requirements.txt || \
		echo 'atheris has no wheel for this Python'
	@nice $(BIN)python -m fuzz --runs $(RUNS) $(if $(TARGET),'$(TARGET)')

kmod: ## build the lab's kernel module, .lab/kmod/gpuvirt_sim.ko
	@lab/kmod/tree.sh $(TREES)/kernel trixie kernel
	@lab/kmod/build.sh $(TREES)/kernel $(TREES)/builder .lab/kmod

kmod-test: kmod ## try that module in a small VM
	@lab/kmod/tree.sh $(TREES)/emulator trixie-backports emulator
	@lab/kmod/test/run.sh $(TREES)/kernel $(TREES)/builder \
		$(TREES)/emulator $(KMOD) .lab/kmod-test

cloud: ## start an OpenStack on this machine alone (NEUTRON=real)
	@tools/venv.sh $(CLOUD_VENV) 34 cloud
	@$(CLOUD) --neutron $(NEUTRON) start

cloud-status: ## list the processes of that OpenStack
	@$(CLOUD_IF_MADE) status

cloud-test: ## test the running OpenStack through its public APIs
	$(CLOUD_BIN)stestr --test-path ./lab/tests/cloud --top-dir . run --serial
	$(CLOUD_BIN)python tools/check_skips.py

cloud-stop: ## stop that OpenStack; what it knows stays in .cloud
	@$(CLOUD_IF_MADE) stop

cloud-wipe: ## stop that OpenStack and forget what it knows
	@$(CLOUD_IF_MADE) wipe

lab: venv ## boot a virtual GPU host, which joins that OpenStack if it runs
	@$(BIN)python -m lab.host start

lab-shell: ## open a shell in the virtual GPU host
	@$(BIN)python -m lab.host ssh

lab-test: ## test it, as a host of the running OpenStack (TESTS=test_placement)
	$(CLOUD_BIN)stestr --test-path ./lab/tests/host --top-dir . run --serial \
		$(if $(TESTS),'$(TESTS)')
	$(CLOUD_BIN)python tools/check_skips.py

lab-tempest: venv ## run our tests of tempest on it
	@$(BIN)python -m lab.tempest
	@cd .lab/tempest && $(abspath $(BIN)python) ../../tools/check_skips.py

lab-stop: ## end the virtual GPU host; what it was made from stays in .lab
	@test ! -e $(BIN)python || $(BIN)python -m lab.host stop

lint: venv ## check style, types, requirements.txt and architecture
	$(BIN)ruff check
	$(BIN)ruff format --check
	$(BIN)mypy
	$(BIN)deptry nova_gpuvirt
	$(BIN)lint-imports --no-cache --no-logo

soak: venv ## run the long forms of tests, for hours (SOAK=load MINUTES=60)
	@$(BIN)python -u tools/soak.py --minutes '$(MINUTES)' $(SOAK)

mutants: venv ## take each guard out, and see a test miss it (GUARD=dirty)
	@$(BIN)python -u tools/mutants.py $(if $(GUARD),'$(GUARD)')

mutation: venv ## change each line of pure modules (MODULE=cards/exclusion)
	@test -d .venv-mutation || $(BIN)python -m venv .venv-mutation
	@PIP_DISABLE_PIP_VERSION_CHECK=1 .venv-mutation/bin/pip install -qq \
		--constraint constraints/mutation.txt cosmic-ray
	@$(BIN)python -u tools/mutation.py $(MODULE)

format: venv ## bring all files into the style, as far as ruff can
	$(BIN)ruff check --fix
	$(BIN)ruff format

docs: venv ## build the documents and the release notes, as HTML
	$(BIN)sphinx-build -W --keep-going -q -b html doc/source doc/build/html
	$(BIN)sphinx-build -W --keep-going -q -b html releasenotes/source \
		releasenotes/build/html

tables: venv ## write what discover shows of simulated hosts into the documents
	@$(BIN)python tools/simulated_tables.py

genconfig: venv ## write the sample of nova.conf's [gpuvirt]
	$(BIN)oslo-config-generator \
		--config-file etc/nova-gpuvirt/config-generator.conf

clean: cloud-wipe lab-stop ## remove what the other targets made
	rm -rf .bench .fuzz .lab .soak .venv .venv-* .stestr .mypy_cache .ruff_cache .hypothesis build \
		doc/build releasenotes/build nova_gpuvirt.egg-info \
		etc/nova-gpuvirt/gpuvirt.conf.sample
