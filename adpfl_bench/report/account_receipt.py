"""Receipt of an account: one page for a data-protection officer, as HTML that needs nothing beside it, and as text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import adpfl_bench
from adpfl_bench.privacy.account.account_checks import AccountFinding, check_account
from adpfl_bench.privacy.account.cohort_account import CohortAccount
from adpfl_bench.privacy.odds import highest_true_positive_rate
from adpfl_bench.report.account_report import SIMULATION, epsilon_text
from adpfl_bench.report.account_statement import AccountStatement
from adpfl_bench.report.commands import write_files
from adpfl_bench.report.page_template import page_template
from adpfl_bench.text import count

_WIDTH = 100
_RATES = (0.01, 0.1)


class ReceiptSection(NamedTuple):
    """A section of the receipt.

    Attributes:
        heading: Its heading.
        paragraphs: What it says.
    """

    heading: str
    paragraphs: Sequence[str]


class OddsRow(NamedTuple):
    """What a test of membership finds at most.

    Attributes:
        what: Which epsilon.
        epsilon: That epsilon.
        found: At each false positive rate the largest share of members that it finds.
    """

    what: str
    epsilon: str
    found: tuple[str, ...]


def write_receipt(account: CohortAccount, output: Path) -> tuple[Path, Path]:
    """Write receipt.html and receipt.txt.

    Args:
        account: The account.
        output: Their folder.

    Raises:
        RecordError: The account is not as it was written, or the files could not be written.
    """
    statement, findings = AccountStatement.of(account), check_account(account)
    files = {
        output / "receipt.html": receipt_html(statement, findings),
        output / "receipt.txt": receipt_text(statement, findings),
    }
    write_files({path: text.encode() for path, text in files.items()})
    page, text_file = files
    return page, text_file


def receipt_html(statement: AccountStatement, findings: Sequence[AccountFinding]) -> str:
    """Make the page: style is inside it, and nothing is fetched."""
    return page_template("account.html.jinja", epsilon=epsilon_text).render(
        statement=statement,
        summary=_summary(statement),
        before=_before(statement),
        after=_after(statement),
        odds=_odds(statement),
        rates=[f"{100 * rate:g} %" for rate in _RATES],
        findings=findings,
        simulation=SIMULATION if statement.state.opening.simulation else "",
        made=_made(),
    )


def receipt_text(statement: AccountStatement, findings: Sequence[AccountFinding]) -> str:
    """Make the same as text."""
    opening = statement.state.opening
    lines = [f"Privacy receipt: {opening.name}", _made(), ""]
    lines += [*(f"WRONG: {finding.check}: {finding.text}" for finding in findings), *([""] if findings else [])]
    if opening.simulation:
        lines += [*textwrap.wrap(f"Note: {SIMULATION}.", _WIDTH), ""]
    for section in (ReceiptSection("In short", _summary(statement)), *_before(statement)):
        lines += _as_text(section)
    lines += ["What was released", "-" * 17]
    for run in statement.runs:
        lines += [
            f"* {run.label} ({run.data} data), reserved {run.at}: {run.state}",
            f"    epsilon {epsilon_text(run.epsilon)} by itself; {count(run.releases, 'release')}, {run.mechanism}"
            f" noise ({run.noise}), {run.units:,} units",
            f"    run {run.run}",
            f"    configuration (SHA-256) {run.config or 'not stated'}",
        ]
        lines += [f"    nothing is proved of it: {run.reason}"] if run.reason else []
    lines += [] if statement.runs else ["Nothing."]
    lines += ["", "What the number means", "-" * 21]
    for row in _odds(statement):
        pairs = zip(row.found, _RATES, strict=True)
        share = " and ".join(f"{found} of members where it wrongly suspects {100 * r:g} %" for found, r in pairs)
        lines += textwrap.wrap(f"* {row.what}, epsilon {row.epsilon}: a test finds at most {share}.", _WIDTH)
    lines.append("")
    for section in _after(statement):
        lines += _as_text(section)
    return "\n".join(lines).rstrip() + "\n"


def _as_text(section: ReceiptSection) -> list[str]:
    wrapped = [[*textwrap.wrap(paragraph, _WIDTH), ""] for paragraph in section.paragraphs]
    return [section.heading, "-" * len(section.heading), *(line for lines in wrapped for line in lines)]


def _summary(statement: AccountStatement) -> list[str]:
    opening, word = statement.state.opening, statement.word
    budget = f"epsilon {opening.epsilon:g} at delta {opening.delta:g}"
    texts = [
        f"{count(len(statement.runs), 'run')} on the data of {count(statement.state.units, word)}. All of them"
        f" together: {statement.spent_text}. What they may reach, for every {word} by itself: {budget}.",
        f"Left: {statement.left_text}.",
    ]
    return [*texts, f"{statement.open_text}, which is included."] if statement.open_text else texts


def _before(statement: AccountStatement) -> list[ReceiptSection]:
    word = statement.word
    return [
        ReceiptSection(
            "Who is protected",
            [
                f"Every {word} by itself: {statement.meaning}. The account counts for each {word} the runs that it was"
                " in, so that somebody who joined or left the cohort is counted for what was made of their data, and"
                f" for nothing else. No {word} is named in it, nor in this page: the account has keyed hashes.",
            ],
        ),
        ReceiptSection(
            "Against whom",
            [
                "Against the server, other hospitals, and everybody who sees what was released, a model, or anything"
                " that is computed from them, whatever else they know, and for all time. Each hospital adds its noise"
                " before anything leaves it, and relies on nobody else's. Not against the hospital's own staff and"
                " machines, which hold the data, this account and its key.",
            ],
        ),
    ]


def _after(statement: AccountStatement) -> list[ReceiptSection]:
    word = statement.word
    return [
        ReceiptSection(
            "What is not covered",
            [
                "Whatever was released without this account: runs that did not name it, scores, pictures, tables, and"
                f" releases of another hospital that has data of the same {word}s. People whose ids differ between data"
                " sets are others to it.",
                "Settings of later runs that were chosen by what earlier runs released. Where all noise is Gaussian and"
                " nothing is sampled, the number holds all the same (a privacy filter: Smith and Thakurta 2022, Koskela"
                " et al. 2023); otherwise it holds for runs that were settled on beforehand.",
                "Copies: whoever can write to the account's folder and has its key can make another history of it. The"
                " seal below is of this one.",
            ],
        ),
        ReceiptSection(
            "How to check this",
            [
                f"Keep the seal of line {statement.lines}: {statement.seal}. At any later time adpfl-bench account"
                " verify PATH --seal SEAL says whether the account still contains all that this page is about.",
                "Each run's folder has a run.json that states its releases and this account's id"
                f" ({statement.state.opening.account}); adpfl-bench verify-run checks it.",
            ],
        ),
    ]


def _odds(statement: AccountStatement) -> list[OddsRow]:
    opening = statement.state.opening
    kinds = {"all runs so far": statement.composed, "the whole budget": opening.epsilon}
    return [
        OddsRow(
            what,
            epsilon_text(epsilon),
            tuple(f"{100 * highest_true_positive_rate(epsilon, opening.delta, rate):.3g} %" for rate in _RATES),
        )
        for what, epsilon in kinds.items()
    ]


def _made() -> str:
    now = datetime.now(timezone.utc).isoformat(timespec="minutes")
    return f"Made {now} by adpfl-bench {adpfl_bench.__version__}"
