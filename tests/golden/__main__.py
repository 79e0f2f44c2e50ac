"""Write the golden scores anew from their source: `python -m tests.golden`."""

from tests.golden.build import FOLDER, documents, written

for name, document in documents().items():
    (FOLDER / f"{name}.json").write_bytes(written(document))
