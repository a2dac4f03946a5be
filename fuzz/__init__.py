"""Fuzzing of csfnns: what everybody can send to it, changed at random. docs/fuzzing.md says how to run it."""
