# make demo      ship the sample project for Debian 12 and look at the packages
# make test      fast tests, then real ones for debian-12 and rocky-9 (on the RPM stand-in), with Docker,
#                and the main job once more with Podman, and without both, in the sandbox
# make test-all  all tests, for every platform
# make lint      formatting and lints, warnings are errors; vendor/ is the published crates and their patches
# make bench     compare with a plain script (BENCH: its options, see benches/compare.py --help)
# make clean     remove what builds made, and stop the engine that the tests started
#
# Tests need root or a container engine that answers, the demonstration neither: see .ci/prerequisites.

CARGO ?= cargo

# A folder of wheels on this machine must not decide what the tests install.
unexport PIP_FIND_LINKS

# Unit tests that take minutes, or the network. Everything is compiled with them, once.
REAL_UNIT_TESTS = large_tests every_platform_is_bootstrapped

# What takes minutes, and is seen in a shorter way by what `make test` runs; `make test-all` has it too.
LONG_TESTS = a_user_without_ranges verifies_on_a_stand_in two_architectures

# What `make test` asks of the sandbox; `make test-all` asks it everything.
SANDBOX_TESTS = sample kinds stopping sandbox isolation images::an_image

# The same of Podman.
PODMAN_TESTS = sample_on ctrl_c outlives left_is_removed full_or_killed isolation podman images::an_image

.PHONY: all build demo test test-fast test-all lint bench clean
.PHONY: prerequisites prerequisites-demo prerequisites-podman

all: build

build:
	$(CARGO) build --release

prerequisites:
	@.ci/prerequisites

prerequisites-demo:
	@.ci/prerequisites demo

prerequisites-podman:
	@.ci/prerequisites podman

demo: prerequisites-demo build
	@.ci/demo

test-fast:
	$(CARGO) test

test: prerequisites prerequisites-podman
	$(CARGO) test --features real-engine --lib --test it -- $(REAL_UNIT_TESTS:%=--skip %)
	$(CARGO) test --features real-engine --lib -- large_tests::five_gib
	tests/standin/image el9
	tests/standin/image --rootfs el9
	OMNIBUILD_TEST_PLATFORMS=debian-12,rocky-9 \
		$(CARGO) test --features real-engine --test real -- $(LONG_TESTS:%=--skip %)
	OMNIBUILD_TEST_ENGINE=podman OMNIBUILD_TEST_PLATFORMS=debian-12,rocky-9 \
		$(CARGO) test --features real-engine --test real -- $(PODMAN_TESTS)
	OMNIBUILD_TEST_ENGINE=sandbox OMNIBUILD_TEST_PLATFORMS=debian-12,rocky-9 \
		$(CARGO) test --features real-engine --test real -- $(SANDBOX_TESTS)

test-all: prerequisites prerequisites-podman
	$(CARGO) test --features real-engine --lib --test it -- $(REAL_UNIT_TESTS:%=--skip %)
	tests/standin/image el9
	tests/standin/image el7
	tests/standin/image --rootfs el9
	$(CARGO) test --features real-engine --lib -- $(REAL_UNIT_TESTS)
	PIP_INDEX_URL=$${PIP_INDEX_URL:-$$(tests/standin/index)} OMNIBUILD_TEST_PLATFORMS=all $(CARGO) test --features real-engine --test real
	OMNIBUILD_TEST_ENGINE=podman OMNIBUILD_TEST_PLATFORMS=debian-12,rocky-9 \
		$(CARGO) test --features real-engine --test real
	OMNIBUILD_TEST_ENGINE=sandbox OMNIBUILD_TEST_PLATFORMS=debian-12,rocky-9 \
		$(CARGO) test --features real-engine --test real

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --all-features -- -D warnings
	CARGO="$(CARGO)" vendor/update --check

bench: prerequisites build
	@benches/compare.py $(BENCH)
	@benches/wheels.py
	@benches/packing.py
	@benches/engines.py
	$(CARGO) bench --bench store

clean:
	.ci/prerequisites stop
	$(CARGO) clean
	rm -rf packages .omnibuild .cache
