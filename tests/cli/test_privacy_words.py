"""The words of a forecast are those of the dataset."""

import pytest

from adpfl_bench.cli import main


@pytest.mark.parametrize(
    ("task", "method", "sentences"),
    [
        (
            "isic",
            "adp_fl_quantile",
            (
                "patient (one image): one image; further images of the same person are further units",
                "what all images of one person together get is not known",
                "a 10, b 9 training images",
            ),
        ),
        (
            "ham10000",
            "dp_sgd",
            ("patient (one lesion): all", "what all lesions of one person together", "a 10, b 9 training lesions"),
        ),
        (
            "kits",
            "dp_fl_record",
            (
                "record (one patient): all training examples of one patient",
                "a person is one patient",
                "b 9 training pat",
            ),
        ),
        ("lgg_slices", "dp_fl", ("batch: what one batch", "a 10, b 9 training slices")),
    ],
)
@pytest.mark.usefixtures("empty_folder")
def test_a_forecast_has_the_word_of_the_dataset(capsys, task, method, sentences):
    words = ("--config", f"tasks/{task}.yaml", "--config", "configs/smoke.yaml", "--config", f"callbacks/{method}.yaml")
    assert main(["privacy", *words, "--clients", "a=10", "b=9", "--targets", "4"]) == 0
    output = capsys.readouterr().out
    for sentence in (*sentences, "noise from the seed: whoever knows it can take it off"):
        assert sentence in output
