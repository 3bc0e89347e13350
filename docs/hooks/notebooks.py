"""Hook of the documentation site: every notebook is a page that shows it as it was stored."""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

NOTEBOOK_LINK = re.compile(r"\]\(([^():]+)\.ipynb\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page in Markdown for each notebook of the documentation."""
    for file in list(files):
        if file.src_uri.endswith(".ipynb"):
            notebook = json.loads(Path(file.abs_src_path or "").read_text(encoding="utf-8"))
            page = file.src_uri.removesuffix(".ipynb") + ".md"
            files.append(File.generated(config, page, content=markdown_of(notebook, Path(file.src_uri).name)))
    return files


def on_page_markdown(markdown: str, page: Page, **more: Any) -> str:
    """Let links to notebooks lead to their pages, which only the site has."""
    # The page of a notebook itself offers the file.
    return markdown if page.file.generated_by else NOTEBOOK_LINK.sub(r"](\1.md)", markdown)


def markdown_of(notebook: dict[str, Any], name: str) -> str:
    """Return a notebook with its outputs as Markdown.

    Args:
        notebook: the notebook, in format 4.
        name: name of its file, which the page links to.
    """
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        else:
            parts += [f"```python\n{source}\n```", *map(_output, cell["outputs"])]
    heading, *rest = parts
    return "\n\n".join([heading, f"[This notebook]({name}), as it was executed.", *rest]) + "\n"


def _output(output: dict[str, Any]) -> str:
    if "text" in output:
        return f"```text\n{''.join(output['text']).rstrip()}\n```"
    data = output["data"]
    if "text/html" in data:
        # Markdown ends a block of HTML at an empty line.
        lines = "".join(data["text/html"]).splitlines()
        return f"<div>{' '.join(line for line in lines if line.strip())}</div>"
    if "image/png" in data:
        told = escape("".join(data["text/plain"]))
        return f'<p><img alt="{told}" src="data:image/png;base64,{data["image/png"]}"></p>'
    return f"```text\n{''.join(data['text/plain'])}\n```"
