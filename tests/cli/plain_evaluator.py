"""A stand-in for MONAI's SupervisedEvaluator, which needs ignite: the same steps in the same order, and no events."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from monai.data import decollate_batch


class PlainEvaluator:
    """Brings each batch to the device, infers, takes the batch apart, and gives its examples to the post-processing."""

    def __init__(
        self,
        device: torch.device,
        val_data_loader: Iterable[Any],
        network: torch.nn.Module,
        inferer: Callable[..., Any],
        postprocessing: Callable[[Any], Any],
    ) -> None:
        self.device, self.batches = device, val_data_loader
        self.network, self.inferer, self.postprocessing = network, inferer, postprocessing

    def run(self) -> None:
        self.network.eval()
        for batch in self.batches:
            with torch.no_grad():
                pred = self.inferer(batch["image"].to(self.device), self.network)
            for example in decollate_batch({**batch, "pred": pred}):
                self.postprocessing(example)
