# The pieces of .ci/run, one recipe each. `just --list` shows them.

# List the recipes
default:
    @just --list

# Check the formatting
fmt:
    cargo fmt --all --check

# Lint all targets with all features that are on by default
lint:
    cargo clippy --locked --all-targets -- -D warnings

# Lint the library as it is built without the emulator
lint-without-emulator:
    cargo clippy --locked --package mssql-sync --no-default-features --lib -- -D warnings

# Build the documentation; a broken link fails
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

# Check licences, bans and sources of the dependencies
deny:
    .ci/deny licenses bans sources

# Check the dependencies for known weaknesses (needs the advisory database)
advisories:
    .ci/advisories

# Run the demo twice in a directory of its own; the second time there is nothing to do
demo:
    #!/usr/bin/env bash
    set -euo pipefail
    demo=$(mktemp -d)
    trap 'rm -rf "$demo"' EXIT
    cargo run --locked --release --quiet -- demo --dir "$demo/demo"
    cargo run --locked --release --quiet -- demo --dir "$demo/demo"

# Run the tests; `just test --test it settle::` runs one topic
test *ARGS:
    cargo test --locked {{ARGS}}

# Run the benchmarks
bench *ARGS:
    cargo bench --locked {{ARGS}}

# Run everything that a change must pass
ci:
    .ci/run
