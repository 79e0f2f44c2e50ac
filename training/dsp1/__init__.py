"""The classifier of `dsp-1`; its card is docs/models/dsp-1.md."""
