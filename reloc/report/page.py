"""The page: one HTML file in which everything is, so that it can be sent and opened anywhere."""

from __future__ import annotations

from collections.abc import Sequence

from reloc import __version__
from reloc.evaluate.judge import Rules
from reloc.report import sections
from reloc.report.html import attribute, section, text
from reloc.report.style import style_sheet
from reloc.report.subject import MapView, Subject

# Nothing may be loaded from anywhere, whatever a file of a run has smuggled in.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(subjects: Sequence[Subject], views: Sequence[MapView], rules: Rules) -> str:
    """Return the HTML of the page about some runs, at least one."""
    title = " · ".join(subject.run.name for subject in subjects)
    runs = list(enumerate(subjects))
    parts = {
        "Summary": sections.summary(subjects, rules),
        "From above": "".join(sections.from_above(subjects, view) for view in views),
        "Over time": sections.over_time(subjects),
        "Errors": sections.errors(subjects),
        "Is it right about itself?": sections.trust(subjects, rules),
        "Why not TRACKED": "".join(sections.reasons(i, subject, subjects) for i, subject in runs),
        "Worst frames": sections.frames_words(subjects) + "".join(sections.worst(i, one, subjects) for i, one in runs),
        "Time a frame takes": sections.timing(subjects),
        "Exposure": sections.exposure(subjects),
        "Settings and versions": sections.settings(subjects),
    }
    shown = {name: content for name, content in parts.items() if content}
    links = "".join(f'<a href="#part-{i}">{name}</a>' for i, name in enumerate(shown))
    body = "\n".join(section(f"part-{i}", name, content) for i, (name, content) in enumerate(shown.items()))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{attribute(_POLICY)}">
<meta name="generator" content="reloc {attribute(__version__)}">
<title>{text(title)} – reloc</title>
<style>
{style_sheet()}
</style>
</head>
<body>
<header>
<h1>{text(title)}</h1>
<p>Where the camera was, and how sure that is. Made by reloc {text(__version__)}.</p>
</header>
<nav>{links}</nav>
<main>
{body}
</main>
</body>
</html>
"""
