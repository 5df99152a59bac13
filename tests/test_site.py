"""The documentation site: its menu, and links that hold in the repository and in the site. ``make site`` builds it."""

import importlib.util
import json
import re
from pathlib import Path

import pytest
import yaml

TOP = Path(__file__).resolve().parents[1]
TUTORIALS = sorted((TOP / "docs" / "tutorials").glob("*.ipynb"))


class _Settings(yaml.SafeLoader):
    """Settings of MkDocs, which name functions by tags."""


_Settings.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: suffix)


def _leaves(menu):
    inner = menu.values() if isinstance(menu, dict) else menu
    return [menu] if isinstance(menu, str) else [leaf for part in inner for leaf in _leaves(part)]


def _load(name):
    spec = importlib.util.spec_from_file_location(name, TOP / "docs" / "site" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_menu_leads_to_every_page_once():
    settings = yaml.load((TOP / "mkdocs.yml").read_text(encoding="utf-8"), _Settings)
    leaves = _leaves(settings["nav"])
    docs = TOP / "docs"
    pages = [path.relative_to(docs) for path in docs.rglob("*.md")]
    pages += [path.relative_to(docs).with_suffix(".md") for path in docs.rglob("*.ipynb")]
    repository = _load("repository_links").REPOSITORY_PAGES.values()
    assert len(pages) > 20
    assert len(leaves) == len(set(leaves))
    assert {*map(str, pages), *repository} - set(leaves) == set()


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/own_data.md", "docs/hospitals.md"])
def test_blocks_that_are_files_are_blocks_of_the_site_too(page):
    """Python-Markdown takes ``file=`` in a fence for no fence at all, and sets the file as a paragraph."""
    text = (TOP / page).read_text(encoding="utf-8")
    named = _load("repository_links").name_files(text)
    files = re.findall(r"^```\w+ file=(\S+)$", text, re.MULTILINE)
    assert files
    assert [name for name in files if f' title="{name}"\n' in named] == files
    assert all(
        re.fullmatch(r'```+(\w+( title="[^"]+")?)?', line) for line in named.split("\n") if line.startswith("```")
    )


@pytest.mark.parametrize(
    ("link", "led"),
    [
        ("[a](docs/privacy.md#limits)", "[a](../privacy.md#limits)"),
        ("[a](CONTRIBUTING.md#the-rooms)", "[a](contributing.md#the-rooms)"),
        ("[a](results/README.md)", "[a](../results/index.md)"),
        ("![a](docs/images/overlays.png)", "![a](../images/overlays.png)"),
        ("[a](docs/tutorials/first_run.ipynb)", "[a](../tutorials/first_run.md)"),
        ("[a](#here)", "[a](#here)"),
        ("[a](https://example.org/README.md)", "[a](https://example.org/README.md)"),
        ("[a](nowhere.md)", "[a](nowhere.md)"),
        ("```\n[a](README.md)\n```\n[a](README.md)", "```\n[a](README.md)\n```\n[a](overview.md)"),
    ],
)
def test_links_of_the_repository_lead_into_the_site(link, led):
    text, needed = _load("repository_links").lead_into_site(link, "README.md", "project/overview.md", TOP)
    assert (text, needed) == (led, {})


def test_pipes_in_code_of_tables_are_shown_without_their_backslash():
    show = _load("repository_links").show_pipes
    assert show("| `a\\|b` | c |") == "| <code>a&#124;b</code> | c |"
    assert show("| `a` \\| `b` |") == "| `a` \\| `b` |"
    assert show("say `a\\|b`") == "say `a\\|b`"  # no table: the backslash is meant


def test_what_lies_outside_the_site_is_brought_along():
    links = _load("repository_links")
    text, needed = links.lead_into_site("[a](../Makefile)", "docs/privacy.md", "privacy.md", TOP)
    assert (text, needed) == ("[a](files/Makefile)", {"files/Makefile": TOP / "Makefile"})


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_tutorials_hold_what_came_out_of_them_and_name_files_that_exist(path):
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))  # all, in their order
    assert {output["output_type"] for cell in cells for output in cell["outputs"]} <= {
        "stream",
        "display_data",
        "execute_result",
    }
    pictures = [cell for cell in cells if any("image/png" in output.get("data", ()) for output in cell["outputs"])]
    assert pictures
    assert all(cell["metadata"].get("alt") for cell in pictures)
    sources = "".join(line for cell in cells for line in cell["source"])
    named = re.findall(r"(?<![\w/])(?:tasks|callbacks|configs)/\w+\.yaml", sources)
    assert named
    assert [name for name in named if not (TOP / name).is_file()] == []
    assert "/tmp/" not in json.dumps(cells)
