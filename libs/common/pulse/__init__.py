"""Beats and bars under hits: audio asks for those it heard, notation for those that it is sent.

Needs numpy and onnxruntime, which only the extras `audio` and `notation` bring.
"""
