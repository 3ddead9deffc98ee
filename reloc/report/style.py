"""The look of the page: light and dark, on a screen of any width and on paper."""

from __future__ import annotations

from reloc.estimate import Verdict
from reloc.report.svg import RUN_COLORS
from reloc.sinks.pictures import VERDICT_COLORS

# Told apart by the colour-blind: after Okabe and Ito, "Color universal design" (2008), with a darker yellow and a lighter blue.
_LIGHT = ("#0072b2", "#d55e00", "#009e73", "#aa4499", "#b8860b", "#2c9fd6", "#882255", "#666666")
_DARK = ("#4ba3e3", "#f08a3c", "#2fc296", "#d884c8", "#e0b040", "#7cc8f0", "#d0708e", "#a8a8a8")
_UNKNOWN_VERDICT = "#8a8f98"

_SHEET = """
:root { color-scheme: light dark; --page: #ffffff; --card: #f6f7f9; --ink: #1c2128; --muted: #626b76; --grid: #e1e4e8;
  --line: #d3d8de; --accent: #0b63b0; --warn: #9a4b00; LIGHT }
@media (prefers-color-scheme: dark) { :root { --page: #14171b; --card: #1d2127; --ink: #e4e7eb; --muted: #98a1ac;
  --grid: #2b3037; --line: #363c44; --accent: #6cb4f5; --warn: #f0a860; DARK } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body { margin: 0 auto; padding: 1.5rem clamp(1rem, 4vw, 2.5rem) 4rem; max-width: 1120px; background: var(--page);
  color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", sans-serif; }
header h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.01em; overflow-wrap: anywhere; }
header p { margin: 0; color: var(--muted); }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: 1rem 0 0; padding: .6rem 0;
  border-block: 1px solid var(--line); }
a { color: var(--accent); text-decoration: none; } a:hover { text-decoration: underline; }
section { margin-top: 2.4rem; scroll-margin-top: 1rem; }
h2 { font-size: 1.2rem; margin: 0 0 .8rem; } h3 { font-size: 1rem; margin: 1.4rem 0 .5rem; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; min-width: 50%; }
caption { text-align: left; color: var(--muted); padding-bottom: .35rem; }
th, td { padding: .32rem .9rem .32rem 0; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child { text-align: left; max-width: 22rem; overflow: hidden; text-overflow: ellipsis; }
thead th { color: var(--muted); font-weight: 500; vertical-align: bottom; } tbody th { font-weight: 500; }
.text { text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 16rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: .7rem; margin-bottom: 1rem; }
.card { background: var(--card); border-radius: 8px; padding: .7rem .9rem; }
.card b { display: block; font-size: 1.35rem; font-weight: 600; line-height: 1.25; font-variant-numeric: tabular-nums; }
.card span { color: var(--muted); font-size: .85rem; }
.bad { color: var(--warn); font-weight: 600; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.2rem; margin: .2rem 0 .8rem; padding: 0; list-style: none;
  font-size: .9rem; }
.legend li { overflow-wrap: anywhere; }
.swatch { display: inline-block; width: .85em; height: .85em; border-radius: 3px; margin-right: .45em;
  vertical-align: -.08em; }
figure { margin: .6rem 0 1.2rem; }
figcaption { color: var(--muted); font-size: .88rem; margin-top: .4rem; overflow-wrap: anywhere; }
svg.plot { display: block; width: 100%; height: auto; min-width: 560px; stroke-linejoin: round; }
svg.plot text { font-family: inherit; }
.wide { overflow-x: auto; }
svg.map { display: block; width: 100%; height: auto; max-height: min(82vh, 46rem); background: var(--card); border-radius: 8px; }
svg.map polyline, svg.map path { fill: none; stroke-linejoin: round; stroke-linecap: round; }
.casing { stroke: #ffffff; stroke-width: 5; opacity: .75; } .path { stroke-width: 2.6; }
.truth { stroke: #111418; stroke-width: 1.6; stroke-dasharray: 5 5; opacity: .8; }
.look { stroke-width: 1.8; } .end { stroke: #ffffff; stroke-width: 2; }
.scale { stroke: #111418; stroke-width: 2; } .scale.back { stroke: #ffffff; stroke-width: 5; opacity: .85; }
svg.map text { font: 600 15px system-ui, sans-serif; fill: #111418; stroke: #ffffff; stroke-width: 4px; paint-order: stroke; }
.shots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: .5rem; }
.shots img { width: 100%; height: auto; border-radius: 6px; display: block; background: var(--card); }
.note { background: var(--card); border-left: 3px solid var(--warn); border-radius: 4px; padding: .55rem .9rem; margin: .6rem 0;
  overflow-wrap: anywhere; }
.quiet { color: var(--muted); margin: .3rem 0 .8rem; max-width: 46rem; }
details { margin: .5rem 0; } summary { cursor: pointer; color: var(--accent); overflow-wrap: anywhere; }
pre { background: var(--card); border-radius: 8px; padding: .8rem 1rem; overflow-x: auto; font-size: .82rem; line-height: 1.45; }
@media print { nav, details { display: none; } section { break-inside: avoid; } body { max-width: none; } }
"""


def style_sheet() -> str:
    """Return the CSS of the page."""
    verdicts = {f"--verdict-{i}": "#" + bytes(VERDICT_COLORS[verdict]).hex() for i, verdict in enumerate(Verdict)}
    verdicts[f"--verdict-{len(Verdict)}"] = _UNKNOWN_VERDICT
    light = {f"--run-{i}": _LIGHT[i] for i in range(RUN_COLORS)} | verdicts
    dark = {f"--run-{i}": _DARK[i] for i in range(RUN_COLORS)}
    return _SHEET.strip().replace("LIGHT", _declared(light)).replace("DARK", _declared(dark))


def _declared(variables: dict[str, str]) -> str:
    return " ".join(f"{name}: {value};" for name, value in variables.items())
