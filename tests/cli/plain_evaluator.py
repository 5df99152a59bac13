"""A stand-in for MONAI's SupervisedEvaluator, which needs ignite: the same steps in the same order, and no events."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import monai.bundle
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


def run_bundle(bundle: Path, images: Path, masks: Path) -> None:
    """Run it by MONAI's own runner."""
    evaluator = json.loads((bundle / "configs/inference.json").read_text())["evaluator"]
    assert evaluator["_target_"] == "SupervisedEvaluator"
    monai.bundle.run(
        config_file=str(bundle / "configs/inference.json"),
        meta_file=str(bundle / "configs/metadata.json"),
        bundle_root=str(bundle),
        dataset_dir=str(images),
        output_dir=str(masks),
        device="$torch.device('cpu')",
        evaluator={**evaluator, "_target_": "tests.cli.plain_evaluator.PlainEvaluator"},
    )
