"""Exact integer execution: executor, torch and native kernels, accumulation bounds, self-test."""
