"""Names in Markdown: a renderer shows each as it is, and makes no link, picture, heading or tag of it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from adpfl_bench.leaderboard.formatting import (
    TextTable,
    escape_markdown,
    markdown_code,
    markdown_line,
    markdown_table,
)

NAMES = [
    *("[x](http://y)", "![x](http://y)", "[x][y]", "[x]: http://y", "[a[b]](x)", "[![i](u)](v)", "a\\](x)"),
    *("<img src=x onerror=alert(1)>", "<!-- x", "&lt;b&gt; &#64;", "http://y", "https://y", "ftp://y", "www.y.z"),
    *("a|b", "`code`", "``", "*x*", "_x_", "__x__", "~~x~~", "$x$", "\\", "\\|", "# x", "- x", "+ x", "1. x", "12) x"),
    *("> x", ">= 5", "===", "---", "dp_fl", "a@b.com", "mailto:a@b.com", "x [1]", "a\tb", "x\u2028y", "~~~"),
]
LETTERS = st.characters(exclude_categories=["Cs", "Cc"])
TEXTS = st.text(LETTERS, min_size=1, max_size=30) | st.text("[]()!<>`_*#|~$&;:/@w.\\ ax1-", min_size=1, max_size=12)
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def inline(text: str) -> list[Token]:
    return [child for token in MARKDOWN.parse(text) for child in token.children or ()]


def shown(text: str) -> str:
    """What is read of a text, which must hold nothing but letters, code and the comment in addresses."""
    tokens = inline(text)
    kinds = {token.type for token in tokens} - {"text", "code_inline"}
    assert kinds <= {"html_inline"}, kinds
    assert {token.content for token in tokens if token.type == "html_inline"} <= {"<!-- -->"}
    return "".join(token.content for token in tokens if token.type != "html_inline")


def one_line(name: str) -> str:
    return " ".join(name.split())


@given(TEXTS.filter(str.strip))
@example("[x](http://y)")
def test_any_name_in_a_table_is_shown_as_it_is(name: str) -> None:
    lines = markdown_table(TextTable(["heading"], [False], [[name], ["end"]]))
    tokens = MARKDOWN.parse("\n".join(lines))
    assert [token.type for token in tokens].count("tr_open") == 3
    assert shown("\n".join(lines)) == f"heading{one_line(name)}end"


@given(TEXTS.filter(str.strip))
def test_any_name_at_the_beginning_of_a_sentence_is_shown_as_it_is(name: str) -> None:
    text = f"- {markdown_line(name)}"
    assert {token.type for token in MARKDOWN.parse(text)} <= {
        *("bullet_list_open", "list_item_open", "paragraph_open", "inline"),
        *("paragraph_close", "list_item_close", "bullet_list_close"),
    }
    assert shown(text) == one_line(name)


@given(TEXTS.filter(str.strip))
def test_any_folder_is_shown_as_code(name: str) -> None:
    tokens = inline(f"- {markdown_code(name)}: reason")
    assert [token.type for token in tokens] == ["code_inline", "text"]
    assert tokens[0].content == one_line(name)


@pytest.mark.parametrize("name", NAMES)
def test_names_that_look_like_markup(name: str) -> None:
    test_any_name_in_a_table_is_shown_as_it_is.hypothesis.inner_test(name)
    test_any_name_at_the_beginning_of_a_sentence_is_shown_as_it_is.hypothesis.inner_test(name)
    test_any_folder_is_shown_as_code.hypothesis.inner_test(name)


def test_what_needs_no_escape_has_none() -> None:
    for text in ("dp_fl", "Dice 50.00 (delta 0.0001)", "none [1]", "+21.67 *"[:-2], ">= 1.5", "0.00 to 100.00"):
        assert escape_markdown(text) == text
