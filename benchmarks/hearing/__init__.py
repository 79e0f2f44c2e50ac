"""How well the drums are heard: the evaluation, and the fitting of `dsp-1`."""
