# Two commands: `make run` shows the isochrone experiment, `make test` passes the tests. Both do all set-up.

.PHONY: run test setup prerequisites build clean-results

# libgomp's threads spin between tensor operations unless told otherwise.
export OMP_WAIT_POLICY ?= passive

run: build
	target/debug/actionfinder run pipelines/quickstart.yaml

test: setup
	OMP_NUM_THREADS=1 scripts/test.sh

build: setup
	cargo build --quiet

setup: prerequisites
	@python3 scripts/setup_libtorch.py

prerequisites:
	@scripts/prerequisites.sh

clean-results:
	rm -rf results/cache results/checkpoints
