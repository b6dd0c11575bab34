"""Simulated GPU hosts, for tests, demonstrations and an operator's trial.

A host is described in a few lines (`description`), written as a folder of
sysfs (`tree`), and behaves as the kernel does when its files are written to
(`simulated`). `hosts` has some real hosts ready-made.
"""
