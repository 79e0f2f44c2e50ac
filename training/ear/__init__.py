"""The ear: a network that hears drums, trained on performances rendered for it.

`python -m training.ear render` makes practice, `train` fits the network, `evaluate` scores it and
`export` writes what services/audio serves. Each has --help and goes on where it was stopped.
"""
