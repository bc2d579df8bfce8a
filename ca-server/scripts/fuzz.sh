#!/usr/bin/env bash
# Random and mutated octets at every parser for T seconds each: the property tests, with as many cases as fit.
# Coverage-guided fuzzing needs a nightly compiler, which the two commands must not ask for.
set -euo pipefail
seconds=${1:-60}
# A package whose parsers have lost their tests must not pass for want of any (exit status 4).
for package in ca-verifier ca-core ukey ca-server; do
    echo "== $package, $seconds s"
    end=$(($(date +%s) + seconds))
    while [ "$(date +%s)" -lt "$end" ]; do
        PROPTEST_CASES=20000 cargo nextest run -p "$package" --locked -E 'test(never_panic) or test(mutat) or test(random) or test(arbitrary)' \
            --status-level fail --final-status-level fail || exit 1
    done
done
