"""Our own hearing, timed, in a process of its own."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from backbeat.hear import as_rows, hear_file
from benchmarks.hearing.truth import Take


def hear_takes(takes: list[Take], sensitivity: float, out: Path) -> dict[str, float]:
    """In a process of its own: hear all takes into `out`; speed and memory."""
    first = takes[0].sound
    assert first is not None
    hear_file(first, lambda done: None)  # the model is loaded once, and not counted
    heard, audio_s, spent_s = {}, 0.0, 0.0
    for take in takes:
        assert take.sound is not None
        started_s = time.process_time()
        performance = hear_file(take.sound, lambda done: None, sensitivity=sensitivity)
        spent_s += time.process_time() - started_s
        audio_s += performance.duration_s
        heard[take.name] = as_rows(performance)
        print(f"\r{len(heard)} of {len(takes)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    out.write_text(json.dumps(heard))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"speed": audio_s / max(spent_s, 1e-9), "peak_mb": peak_mb}
