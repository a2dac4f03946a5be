#!/usr/bin/env bash
# Write constraints.txt: every package of development, docs and extras at one version, with the hashes of all its files, for
# every platform and Python that csfnns runs on. New packages are added, others keep their version unless --upgrade is given.
# Needs uv (`make lock` installs it). torch is pinned without hashes: its CPU builds come from other places than PyPI.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
torch=2.13.0

# uv's own configuration of indexes and this machine's are left out, so that the lock is the same everywhere.
uv pip compile pyproject.toml --quiet --no-header --no-annotate --universal --python-version 3.11 --generate-hashes \
  --all-extras --group dev --group docs --group demo --group fuzz \
  --constraints <(echo "torch==$torch") --no-emit-package torch --output-file constraints.txt "$@"
{
  echo "# The versions of development and CI, with hashes, which pip checks. Written by 'make lock'."
  echo "torch==$torch  # no hash: the CPU build, from PyTorch's own index or a local disk; see README for CUDA"
  cat constraints.txt
} > constraints.new
mv constraints.new constraints.txt
