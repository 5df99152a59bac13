"""The project's address: one place states it, and packages, site, citation and issue forms follow from it."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

TOP = Path(__file__).resolve().parents[1]
ADDRESS = "https://example.org/us/it"


def _load(path):
    spec = importlib.util.spec_from_file_location(path.replace("/", "_").removesuffix(".py"), TOP / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def addresses():
    return _load("docs/site/project_address.py")


def test_files_that_hold_the_address_have_the_one_that_is_stated(addresses):
    address = addresses.project_urls(TOP).get("Repository")
    for name, lead in addresses.WRITTEN.items():
        text = (TOP / name).read_text(encoding="utf-8")
        assert lead(text, address) == text, f"{name} is not what `make address` writes"


def test_an_address_comes_changes_and_goes(addresses):
    for name, lead in addresses.WRITTEN.items():
        bare = lead((TOP / name).read_text(encoding="utf-8"), None)
        assert ADDRESS not in bare
        led = lead(bare, ADDRESS)
        assert led.count(ADDRESS) == 1
        assert lead(lead(bare, "https://example.com/other"), ADDRESS) == led
        assert lead(led, None) == bare
    citation = yaml.safe_load(addresses.citation((TOP / "CITATION.cff").read_text(encoding="utf-8"), ADDRESS))
    assert citation["repository-code"] == ADDRESS
    form = yaml.safe_load(addresses.issue_links("blank_issues_enabled: true\n", ADDRESS))
    assert form["contact_links"][0]["url"] == f"{ADDRESS}/security/advisories/new"


def test_the_package_leads_to_what_follows_from_the_repository():
    hook = _load("hatch_build.py").ReadmeHook(str(TOP), {})
    metadata = {"urls": {"Paper": "https://example.org/paper", "Repository": f"{ADDRESS}/", "Issues": "https://bugs"}}
    hook.update(metadata)
    assert metadata["urls"] == {
        "Paper": "https://example.org/paper",
        "Repository": f"{ADDRESS}/",
        "Issues": "https://bugs",
        "Changelog": f"{ADDRESS}/blob/HEAD/CHANGELOG.md",
    }
    assert f"({ADDRESS}/raw/v" in metadata["readme"]["text"]
    without = {"urls": {"Paper": "https://example.org/paper"}}
    hook.update(without)
    assert without["urls"] == {"Paper": "https://example.org/paper"}


@pytest.mark.parametrize("beside", ["make_models.py", None], ids=["repository", "sdist"])
def test_the_package_of_models_has_the_suites_addresses(tmp_path, beside):
    stated = f'[project]\n[project.urls]\nRepository = "{ADDRESS}"\n'
    models = tmp_path / "models"
    models.mkdir()
    if beside:
        (models / beside).touch()
        (tmp_path / "pyproject.toml").write_text(stated)
    else:
        (models / "suite.toml").write_text(stated)
    metadata = {}
    _load("models/hatch_build.py").AddressHook(str(models), {}).update(metadata)
    assert metadata == {"urls": {"Repository": ADDRESS}}


def test_the_site_links_to_it_and_asks_it_for_nothing(addresses):
    config = {"site_url": None, "extra": {"generator": False}}
    addresses.lead_site(config, {})
    assert config == {"site_url": None, "extra": {"generator": False}}
    addresses.lead_site(config, {"Repository": ADDRESS, "Documentation": "https://docs.example.org"})
    assert config["site_url"] == "https://docs.example.org/"
    assert [link["link"] for link in config["extra"]["social"]] == [ADDRESS]
    assert "repo_url" not in config
    assert "repo_url" not in (TOP / "mkdocs.yml").read_text(encoding="utf-8")


def test_no_other_place_states_an_address_of_the_project(addresses):
    """Where it is known, only the files that ``make address`` writes may repeat it."""
    address = addresses.project_urls(TOP).get("Repository", ADDRESS)
    places = ["README.md", "mkdocs.yml", "SECURITY.md", "models/pyproject.toml", "models/README.md", "Dockerfile"]
    for name in places:
        text = (TOP / name).read_text(encoding="utf-8")
        assert address not in text, name
        assert not re.search(r"github\.com/[\w-]+/adpfl-bench", text), name
