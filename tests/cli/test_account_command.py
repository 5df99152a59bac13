"""adpfl-bench account, and the commands that ask an account."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from adpfl_bench.cli import main
from adpfl_bench.privacy.account.cohort_account import CohortAccount
from adpfl_bench.privacy.accounting import client_epsilon
from tests.privacy.accounts import DELTA, RELEASE, asked, made

CREATE = ("account", "create", "ward", "--epsilon", "9", "--delta", "1e-3", "--simulation", "--name", "Ward <3>")


def said(capsys, *words, status=0):
    assert main(list(words)) == status
    printed = capsys.readouterr()
    return printed.out + printed.err


def test_a_cohort_is_trained_on_until_nothing_is_left(adpfl_bench, empty_folder, capsys):
    """The smoke run comes to epsilon 6.8 at this delta, and two of them do not fit into 9."""
    assert "nothing has been released or reserved" in said(capsys, *CREATE)
    account = ("--privacy.account", "ward", "--privacy.unit", "patient")
    run = (*account, "--score", "false", "--trainer.devices", "1")
    assert adpfl_bench("fit", *run, "--trainer.default_root_dir", "one", method="dp_sgd") == 0
    record = json.loads(Path("one/run.json").read_text())
    assert record["account"]["name"] == "Ward <3>"
    assert not re.search(r"ISIC_\d", json.dumps(record["account"]))
    capsys.readouterr()

    assert adpfl_bench("privacy", *account, "--output", "plan", method="dp_sgd") == 0
    planned = " ".join(capsys.readouterr().out.split())
    spent = record["account"]["composed_epsilon"]
    assert f"has no room: 21 of 21 images would come to more (from {spent:.4g}, up to" in planned
    assert adpfl_bench("privacy", *account, "--output", "plan", "--privacy.target_epsilon", "3", method="dp_sgd") == 0
    assert f"21 images would come from {spent:.4g} to" in " ".join(capsys.readouterr().out.split())

    assert adpfl_bench("fit", *run, "--trainer.default_root_dir", "two", method="dp_sgd") == 1
    refused = capsys.readouterr().err
    assert "The account Ward <3> (ward) has no room for this run: of 21 images 21 would come to more than" in refused
    assert "at most 1 of its 2 rounds fit (federated.rounds 1)" in refused
    assert not Path("two/run.json").exists()

    shown = said(capsys, "account", "show", "ward")
    assert f"epsilon {spent:.4g} at delta 0.001, of the image with most, by Gaussian DP" in shown
    assert "isic / dp_sgd / seed 0" in shown
    assert "verified (key, head, line, end, seal" in said(
        capsys, "account", "verify", "ward", "--seal", record["account"]["settled"]
    )


@pytest.fixture
def spent(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    account = made(tmp_path / "ward", epsilon=9.0, name="Ward <3>")
    for name in ("first", "second"):
        account.reserve(asked(name, {"a": ["Ada", "Bob"]}, tmp_path / name, config="c0ffee" * 8, rounds=2))
        account.settle(name, {"a": {RELEASE: 2}})
    return account


class Words(HTMLParser):
    """The words of a page, and what it would fetch."""

    def __init__(self, page):
        super().__init__()
        self.words, self.fetched = [], []
        self.feed(page)

    def handle_data(self, data):
        self.words += data.split()

    def handle_starttag(self, tag, attributes):
        self.fetched += [value for name, value in attributes if name in ("src", "href") and value != "data:,"]


def test_the_receipt_says_the_same_as_page_and_as_text(spent, capsys):
    assert said(capsys, "account", "receipt", "ward", "--output", "out").split() == [
        "out/receipt.html",
        "out/receipt.txt",
    ]
    page, text = Words(Path("out/receipt.html").read_text()), " ".join(Path("out/receipt.txt").read_text().split())
    words = " ".join(page.words)
    epsilon = (
        f"epsilon {client_epsilon({RELEASE: 4}, DELTA):.4g} at delta 1e-05, of the patient with most, by Gaussian DP"
    )
    for expected in (
        "Privacy receipt: Ward <3>",
        f"2 runs on the data of 2 patients. All of them together: {epsilon}",
        "Who is protected",
        "Against whom",
        "What was released",
        "What the number means",
        "What is not covered",
        spent.content().last,
        "c0ffeec0ffeec0ff",
    ):
        assert expected in words
        assert expected in text
    assert page.fetched == []
    assert "Ada" not in words + text
    assert "WRONG" not in text


def test_a_receipt_of_an_account_with_findings_begins_with_them(spent, capsys):
    spent.reserve(asked("third", {"a": ["Ada"]}, rounds=1))
    spent.settle("third", {"a": {RELEASE: 1}}, "its network changed without noise")
    said(capsys, "account", "receipt", "ward")
    assert "WRONG: proof: nothing is proved of a run: its network changed" in Path("receipt.txt").read_text()
    assert "Wrong (proof)" in Path("receipt.html").read_text()
    assert "spent    nothing is proved any more" in said(capsys, "account", "show", "ward")
    assert "proof: " in said(capsys, "account", "verify", "ward", status=1)


def test_tampering_is_told_by_name_and_status(spent, capsys):
    file = spent.folder / "account.log"
    file.write_bytes(file.read_bytes().replace(b'"l2",2]', b'"l2",1]'))
    assert said(capsys, "account", "verify", "ward", status=1).startswith("line: Line 3 of ward/account.log is not as")
    assert "Line 3 of ward/account.log" in said(capsys, "account", "show", "ward", status=1)
    assert "Line 3 of ward/account.log" in said(capsys, "account", "receipt", "ward", status=1)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("account", "show", "nothing"), "nothing is no account (account.log is missing there)"),
        (("account", "count"), "account has the commands create, show, verify, receipt, but was given count"),
        (("account", "create", "ward", "--epsilon", "1", "--delta", "1e-5"), "ward is there already"),
        (("account", "create", "new", "--epsilon", "-1", "--delta", "1e-5"), "--epsilon is a finite number above 0"),
        (("account", "receipt", "ward", "--output", "ward/key"), "could not be written"),
    ],
)
def test_wrong_words_are_told(spent, capsys, words, sentence):
    assert sentence in said(capsys, *words, status=1)
    assert len(CohortAccount(spent.folder).state().runs) == 2
