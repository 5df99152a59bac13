"""Where the project is on the web: ``[project.urls]`` of pyproject.toml says it, and everything else follows.

python docs/site/project_address.py     # writes it into the files that others read as they stand (make address)
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_CONTACT = """contact_links:
  - name: Report a vulnerability
    url: {address}/security/advisories/new
    about: A privacy claim that does not hold, or code that runs though nobody trusted it, is reported in private.
"""


def project_urls(top: Path) -> dict[str, str]:
    """Return the addresses that pyproject.toml states, without a slash at their ends.

    Args:
        top: The repository.

    Returns:
        By key: ``Repository``, and ``Documentation`` where the site is.
    """
    with (top / "pyproject.toml").open("rb") as file:
        stated = tomllib.load(file)["project"].get("urls", {})
    return {key: str(address).rstrip("/") for key, address in stated.items()}


def lead_site(config: Any, urls: Mapping[str, str]) -> None:
    """Set the site's own address, and a link to the repository in its footer.

    The theme's own setting, ``repo_url``, would have every reader's browser ask the host for stars and versions.

    Args:
        config: The settings of MkDocs.
        urls: What :func:`project_urls` returns.
    """
    if "Documentation" in urls:
        config["site_url"] = urls["Documentation"] + "/"
    if "Repository" in urls:
        link = {"icon": "material/source-repository", "link": urls["Repository"], "name": "The repository"}
        config["extra"] = {**config["extra"], "social": [link]}


def citation(text: str, address: str | None) -> str:
    """Return CITATION.cff with the repository's address, or without one."""
    text = re.sub(r"^repository-code:.*\n", "", text, flags=re.MULTILINE)
    return text if address is None else re.sub(r"^(license:.*\n)", rf"\1repository-code: {address}\n", text, flags=re.M)


def issue_links(text: str, address: str | None) -> str:
    """Return the settings of issue forms with a link to private reports, or without one."""
    text = re.sub(r"^contact_links:\n(?:[ -].*\n)*", "", text, flags=re.MULTILINE)
    return text if address is None else text + _CONTACT.format(address=address)


WRITTEN: Mapping[str, Callable[[str, str | None], str]] = {
    "CITATION.cff": citation,
    ".github/ISSUE_TEMPLATE/config.yml": issue_links,
}
"""The files that hold the address, since others read them as they stand; a test holds that they agree."""


def main() -> None:
    """Write the address into the files that hold it."""
    top = Path(__file__).resolve().parents[2]
    address = project_urls(top).get("Repository")
    for name, lead in WRITTEN.items():
        path = top / name
        path.write_text(lead(path.read_text(encoding="utf-8"), address), encoding="utf-8")
    print(
        f"{' and '.join(WRITTEN)} have {address or 'no address: [project.urls] in pyproject.toml states no Repository'}"
    )


if __name__ == "__main__":
    main()
