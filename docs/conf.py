"""How Sphinx builds the documentation: ``python -m sphinx -W --keep-going -b html docs docs/_build``.

Pages are Markdown (MyST), so that they can be read on GitHub, too; the API reference is made of the package's
docstrings. Nothing is fetched: the build is the same without a network.
"""

from __future__ import annotations

import os
import re
from typing import Any

from docutils.nodes import Node, literal
from sphinx.addnodes import desc_signature, pending_xref
from sphinx.transforms import SphinxTransform

from airflow_green_notify.version import VERSION

project = "airflow-green-notify"
version = release = VERSION
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.intersphinx"]
exclude_patterns = ["_build", "security"]  # reports to others, which a person sends before they are public
nitpicky = True
nitpick_ignore = [
    # What docstrings say is raised, and no page describes: Airflow's own, and two that only stores raise.
    ("py:exc", "AirflowException"),
    ("py:exc", "BatchTaken"),
    ("py:exc", "PageLost"),
]
suppress_warnings = ["misc.highlighting_failure"]  # Pygments has no lexer for DuckDB's SQL

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 90

# Links to Python and Airflow need their lists of names from the network, which not every build has:
# SPHINX_INTERSPHINX=1 makes them links, without it they are plain text.
intersphinx_mapping = {}
if os.environ.get("SPHINX_INTERSPHINX"):
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "airflow": ("https://airflow.apache.org/docs/apache-airflow/stable", None),
    }

# Light and dark, readable on a phone, well kept: pip's and pytest's documentation use it.
html_theme = "furo"
html_title = f"airflow-green-notify {VERSION}"
html_show_sourcelink = False
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["tables.css"]


def leave_annotation_plain(app: Any, env: Any, node: Node, contnode: Node) -> Node | None:
    """Show a type that a signature names and no page describes as plain text; mypy has checked its name.

    What a docstring or a page names in its text stays an error if it isn't there.
    """
    within = node.parent
    while within is not None and not isinstance(within, desc_signature):
        within = within.parent
    return contnode if within is not None else None


class LinkNames(SphinxTransform):
    """Make a link of what a page names in code and the reference has, so that pages stay plain Markdown.

    A name that begins like one of ours and isn't there is an error, as any other link that leads nowhere.
    """

    default_priority = 400
    ours = re.compile(
        r"GreenApi[A-Z]\w+|(Sql|ObjectStorage|Notification)Store|Notification(Filter|StoreError)?"
        r"|(read_batch|read_new|read_events|commit|create_asset|check_instance|has_file|media_name)"
    )

    def apply(self) -> None:
        if not str(self.document.get("source", "")).endswith(".md"):
            return
        for code in [*self.document.findall(literal)]:
            if not isinstance(code.parent, pending_xref) and self.ours.fullmatch(code.astext()):
                link = pending_xref(
                    "",
                    code.deepcopy(),
                    refdomain="py",
                    reftype="obj",
                    reftarget=code.astext(),
                    refspecific=True,
                    refwarn=True,
                )
                link.source, link.line = code.source, code.line
                code.replace_self(link)


def setup(app: Any) -> None:
    app.add_transform(LinkNames)
    app.connect("missing-reference", leave_annotation_plain, priority=900)  # behind intersphinx
