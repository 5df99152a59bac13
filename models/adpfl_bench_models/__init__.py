"""Models to start from for adpfl-bench: weights trained on phantoms alone, with a card each and an index of digests.

Nothing here has to be imported: ``adpfl-bench list models`` and ``--model.init_from models/NAME`` find the files.
"""

__version__ = "0.1.0"
