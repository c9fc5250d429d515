"""One self-contained HTML file: images inside, nothing fetched, readable on screen and on paper."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from TransferRiskLib.atomic import write_text
from TransferRiskLib.errors import ImageError
from TransferRiskLib.reports.tables import Table, to_html

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Figure:
    """An image of the report.

    Attributes:
        content: PNG bytes, or SVG text.
        alt: What the image shows, for readers who cannot see it.
        caption: Shown below it.
        wide: Takes the full width; narrow figures stand side by side.
    """

    content: bytes | str
    alt: str
    caption: str = ""
    wide: bool = True

    @property
    def data_uri(self) -> str:
        """The image as a `data:` address.

        Raises:
            ImageError: the content is neither PNG nor SVG.
        """
        if isinstance(self.content, str) and "<svg" in self.content:
            kind, content = "image/svg+xml", self.content.encode("utf-8")
        elif isinstance(self.content, bytes) and self.content.startswith(_PNG_SIGNATURE):
            kind, content = "image/png", self.content
        else:
            raise ImageError(f"The figure {self.alt!r} is neither PNG nor SVG.")
        return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


@dataclass(frozen=True)
class Section:
    """A part of the report: paragraphs of plain text, then figures, then tables."""

    title: str
    paragraphs: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()


def write_report(
    path: Path, title: str, sections: Sequence[Section], provenance: Mapping[str, object], notice: str = ""
) -> None:
    """Write the report atomically.

    Args:
        path: The HTML file.
        title: Of the document.
        sections: In reading order; they make the table of contents.
        provenance: What was used, shown at the end as name and value.
        notice: A sentence every reader must see, set off below the title.

    Raises:
        ImageError: a figure that is neither PNG nor SVG.
        StorageError: the file cannot be written.
    """
    write_text(Path(path), render_report(title, sections, provenance, notice))


def render_report(
    title: str, sections: Sequence[Section], provenance: Mapping[str, object], notice: str = ""
) -> str:
    """The HTML text that `write_report` writes."""
    anchors = _anchors([section.title for section in sections])
    contents = "".join(
        f'<li><a href="#{anchor}">{escape(section.title)}</a></li>'
        for anchor, section in zip(anchors, sections, strict=True)
    )
    body = "\n".join(_section(anchor, section) for anchor, section in zip(anchors, sections, strict=True))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>{escape(title)}</h1>
{f'<p class="notice" role="note">{escape(notice)}</p>' if notice else ""}
<nav aria-label="Contents"><ol>{contents}</ol></nav>
</header>
<main>
{body}
</main>
{_provenance(provenance)}
</body>
</html>
"""


def _section(anchor: str, section: Section) -> str:
    parts = [f'<section aria-labelledby="{anchor}">', f'<h2 id="{anchor}">{escape(section.title)}</h2>']
    parts += [f"<p>{escape(paragraph)}</p>" for paragraph in section.paragraphs]
    if section.figures:
        parts.append('<div class="figures">')
        parts += [_figure(figure) for figure in section.figures]
        parts.append("</div>")
    parts += [f'<div class="table">{to_html(table)}</div>' for table in section.tables]
    return "\n".join([*parts, "</section>"])


def _figure(figure: Figure) -> str:
    caption = f"<figcaption>{escape(figure.caption)}</figcaption>" if figure.caption else ""
    kind = "wide" if figure.wide else "narrow"
    return (
        f'<figure class="{kind}"><img src="{figure.data_uri}" alt="{escape(figure.alt)}">{caption}</figure>'
    )


def _provenance(provenance: Mapping[str, object]) -> str:
    if not provenance:
        return ""
    rows = "".join(f"<dt>{escape(str(k))}</dt><dd>{escape(str(v))}</dd>" for k, v in provenance.items())
    return f'<footer aria-labelledby="provenance"><h2 id="provenance">Provenance</h2><dl>{rows}</dl></footer>'


def _anchors(titles: Sequence[str]) -> list[str]:
    anchors: list[str] = []
    for number, title in enumerate(titles, start=1):
        words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
        anchors.append(f"s{number}-{words}" if words else f"s{number}")
    return anchors


# No font or script is fetched; figures keep a white ground because their ink is dark.
_STYLE = """
:root { --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --ground: #ffffff; --panel: #f6f8fa;
  --link: #0b57a4; --notice: #fff4d6; --notice-line: #e69f00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --soft: #a5adb6; --line: #3a424b;
  --ground: #14181d; --panel: #1d232a; --link: #7db8f0; --notice: #3a2f12; --notice-line: #e69f00; } }
* { box-sizing: border-box; }
html { background: var(--ground); color: var(--ink); -webkit-text-size-adjust: 100%; }
body { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  max-width: 66rem; margin: 0 auto; padding: 2rem 1.5rem 3rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 1rem; }
h2 { font-size: 1.3rem; line-height: 1.25; margin: 2.75rem 0 .75rem; padding-bottom: .35rem;
  border-bottom: 1px solid var(--line); }
p { max-width: 46rem; margin: .75rem 0; }
a { color: var(--link); }
.notice { max-width: none; background: var(--notice); border-left: .3rem solid var(--notice-line);
  padding: .75rem 1rem; margin: 0 0 1.25rem; font-weight: 600; }
nav ol { display: flex; flex-wrap: wrap; gap: .25rem 2.5rem; padding-left: 1.25rem; margin: 0; }
.figures { display: flex; flex-wrap: wrap; gap: 1.25rem; margin: 1.25rem 0; }
figure { margin: 0; } figure.wide { flex: 1 1 100%; } figure.narrow { flex: 1 1 20rem; max-width: 32rem; }
figure img { display: block; width: 100%; height: auto; background: #ffffff; border: 1px solid var(--line);
  border-radius: .3rem; }
figcaption { color: var(--soft); font-size: .9rem; margin-top: .4rem; }
.table { overflow-x: auto; margin: 1.25rem 0; }
table { border-collapse: collapse; font-size: .95rem; font-variant-numeric: tabular-nums; min-width: 50%; }
caption { text-align: left; color: var(--soft); font-size: .9rem; padding-bottom: .4rem; }
th, td { padding: .35rem .9rem .35rem .5rem; text-align: left; border-bottom: 1px solid var(--line); }
thead th { background: var(--panel); border-bottom: 2px solid var(--line); vertical-align: bottom; }
tbody th { font-weight: 500; } .number { text-align: right; white-space: nowrap; }
footer { margin-top: 3rem; color: var(--soft); font-size: .9rem; } footer h2 { color: var(--ink); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.25rem; margin: 0; }
dt { font-weight: 600; } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .5rem; } }
@media print { :root { --ink: #000; --soft: #333; --line: #999; --ground: #fff; --panel: #eee; --link: #000;
    --notice: #fff; } body { max-width: none; padding: 0; font-size: 10.5pt; } nav { display: none; }
  h2 { break-after: avoid; } figure, table { break-inside: avoid; } .table { overflow: visible; } }
"""
