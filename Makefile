# Two commands: `make run` shows the isochrone experiment, `make test` passes the tests. Both do all set-up.

.PHONY: run test test-python test-report test-slurm test-cache test-network attack docs dist setup prerequisites build clean-results

# libgomp's threads spin between tensor operations unless told otherwise.
export OMP_WAIT_POLICY ?= passive

run: build
	target/debug/actionfinder run pipelines/quickstart.yaml

test: setup
	OMP_NUM_THREADS=1 scripts/test.sh

# The Python package, built and tested in python/.venv.
test-python: prerequisites
	scripts/test_python.sh

# Reports in a real browser, at three widths, light and dark. Skipped where no browser is.
test-report: build
	python3 tests/browser/report.py

# A sweep by a real Slurm on loopback, disturbed in every way.
test-slurm: build
	scripts/test_slurm.sh

# Two clones that share a sweep by an S3 server on loopback, once as Google Cloud, which is damaged and killed; and a crate before a validator of others.
test-cache: build
	scripts/test_cache.sh

# Two runs share a results folder on a network file system, each by a mount of its own. Skipped where GlusterFS is not installed.
test-network: build
	scripts/test_network.sh

# Kills, signals, damage, full disks, many runs at once: no test, and less than 20 minutes on two idle cores.
attack: build
	python3 tests/attack/attack.py

# The manual as a website, in target/book. The pages in docs/ are plain Markdown, and can be read as they are.
docs:
	@command -v mdbook >/dev/null || { echo "mdbook is missing; get it by: cargo install mdbook --locked"; exit 1; }
	mdbook build docs

# A folder that runs on any Linux of this processor with a glibc as new: program, libtorch for the CPU, pipelines, manual; packed in target/dist.
dist: setup
	scripts/dist.sh

build: setup
	@[ -x target/debug/actionfinder ] || echo "building actionfinder; the first time this takes some minutes"
	cargo build

setup: prerequisites
	@python3 scripts/setup_libtorch.py

prerequisites:
	@scripts/prerequisites.sh

clean-results:
	rm -rf results/cache results/checkpoints
