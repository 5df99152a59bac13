"""The command ``adpfl-bench export``: a trained model that leaves as a MONAI bundle."""

from collections.abc import Sequence
from pathlib import Path

from adpfl_bench.config.config_files import WordParser
from adpfl_bench.text import say_loading

_HELP = """usage: adpfl-bench export RUN --output DIR

Writes the model of a run (its folder) as a MONAI bundle, which needs MONAI and not this suite.

  configs/metadata.json    what it is, takes and gives, in MONAI's words
  configs/inference.json   network, pre- and post-processing; MONAI's own runner makes masks of a folder of pictures, or
                           of NIfTI files with a channel each:
                           python -m monai.bundle run --config_file DIR/configs/inference.json --bundle_root DIR
                             --dataset_dir IMAGES --output_dir MASKS
  configs/adpfl_bench.json what adpfl-bench segment needs, which takes DIR in place of a run
  models/model.pt          the weights, as a state dict
  models/model.ts          the network with its weights, as TorchScript
  docs/README.md           the model card: training data, method, scores by cohort, the statement on privacy, digests

It is the model of the run's last round, with one of MONAI's networks.

options:
  --output DIR       folder of the bundle; it must be empty, or not be there
  --client NAME      the client whose own model it is, of methods that train such
  --authors TEXT     who made the model, for the metadata
  --copyright TEXT   who holds the rights, for the metadata
  --trust MODULE     let the configuration name a module of your own; may be given several times"""


def export(words: Sequence[str]) -> int:
    """Run the command.

    Args:
        words: The command line after the program's name.

    Returns:
        The exit status, 0.

    Raises:
        BenchError: An option is wrong, or the run or the folder cannot be used.
    """
    _, *words = words
    if not words or words[0] in ("-h", "--help"):
        print(_HELP)
        return 0
    parser = WordParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--client")
    parser.add_argument("--authors", default="not stated")
    parser.add_argument("--copyright", default="not stated")
    parser.add_argument("--trust", action="append", default=[])
    options = parser.parse_args(list(words))
    say_loading("export")
    from adpfl_bench.running.exporting import Export, export_run  # deferred: importing torch takes seconds

    export_run(
        Export(options.run, options.output, options.client, options.authors, options.copyright, tuple(options.trust))
    )
    return 0
