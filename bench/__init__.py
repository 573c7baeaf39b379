"""Benchmarks: `python -m bench [audit] [process] [image]`, each prints a table.

Figures are compared within one run only: contenders take turns (A B C A B C …), and a ratio is
the median of the rounds' ratios, so that a slow moment of the machine hits all of them.
"""
