"""Regenerates the published results in docs/results: ``python -m studies.experiments.NAME`` from the root folder."""
