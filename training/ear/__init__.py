"""The ear: a network that hears drums, trained on performances rendered for it.

`python -m training.ear render` makes practice, `train` fits the network, `release` chooses its
thresholds, scores it (with `python -m benchmarks.hearing`'s data) and writes what services/audio
serves. Each has --help; the first two go on where they were stopped.
"""
