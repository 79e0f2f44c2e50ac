"""How well hands, sync, shots and views are told: against rendered drummers, whose truth is known.

`python -m benchmarks.seeing` prints the tables of docs/results.md.
"""
