"""A mirror of toy pictures."""

import torch

from adpfl_bench.callbacks.phantom_mirror import PhantomMirror
from adpfl_bench.federation.training_batch import Example
from adpfl_bench.privacy.proofs import register_proof


class ToyMirror(PhantomMirror):
    """Toy pictures in place of phantoms, of which the toy data have none."""

    def __init__(self, **arguments):
        super().__init__(**{"cases": 8, "batch_size": 3, "horizon": 4, **arguments})

    def make_phantoms(self, trainer):
        generator = torch.Generator().manual_seed(self.seed)
        label = (torch.rand(self.cases, 1, 8, 8, generator=generator) > 0.5).float()
        return Example(label - 0.5 + 0.3 * torch.rand(label.shape, generator=generator), label)


register_proof(ToyMirror, "its pictures are made up")
