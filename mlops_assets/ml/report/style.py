"""How a report looks: one style sheet, light and dark, on screen and on paper.

Belongs here: that sheet. Does not belong here: structure (`html`).
"""

CSS = """
:root{color-scheme:light dark;--ink:#1f2328;--soft:#59636e;--line:#d8dee4;--ground:#fff;
--panel:#f6f8fa;--good:#1a7f37;--warn:#9a6700;--bad:#cf222e;--dim:#59636e;
--accent:#0b5cad}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9198a1;--line:#3d444d;
--ground:#0d1117;--panel:#161b22;--good:#3fb950;--warn:#d29922;--bad:#f85149;--dim:#9198a1;
--accent:#6cb6ff}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:62rem;padding:2.5rem 1.5rem 4rem;background:var(--ground);
color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,
"Liberation Sans",sans-serif}
header{border-bottom:1px solid var(--line);padding-bottom:1.25rem}
h1{font-size:1.9rem;line-height:1.2;letter-spacing:-.015em;margin:.1rem 0 .6rem}
h2{font-size:1.25rem;line-height:1.3;letter-spacing:-.01em;margin:0 0 .35rem}
.over{margin:0;color:var(--soft);font-size:.85rem}
.because{margin:0;max-width:48rem}
.words{margin:0 0 1rem;max-width:48rem}
nav ul{display:flex;flex-wrap:wrap;gap:.35rem 1.4rem;list-style:none;margin:0;padding:.9rem 0;
border-bottom:1px solid var(--line);font-size:.875rem}
nav .mark{font-size:.68rem}
a{color:var(--accent);text-decoration:none}
a:hover{text-decoration:underline}
h2 a{color:inherit}
.ways{margin:0 0 .5rem;color:var(--soft);font-size:.85rem}
section{padding:2rem 0 1rem;border-bottom:1px solid var(--line)}
.mark{display:inline-block;vertical-align:middle;margin-left:.6rem;padding:.05em .6em .1em;
border:1px solid currentColor;border-radius:1em;font-size:.75rem;font-weight:600;line-height:1.45;
letter-spacing:.01em;white-space:nowrap}
td .mark{margin:0}
.healthy{color:var(--good)}.warning{color:var(--warn)}.failing{color:var(--bad)}
.unknown{color:var(--dim);border-style:dashed}
figure{margin:0 0 1.25rem}
img{display:block;max-width:100%;height:auto;background:#fff;border:1px solid var(--line);
border-radius:6px;padding:.5rem}
figcaption,caption{color:var(--soft);font-size:.85rem;text-align:left}
figcaption{margin-top:.4rem;max-width:48rem}
caption{padding-bottom:.4rem}
.wide{overflow-x:auto;margin:0 0 1.25rem}
table{border-collapse:collapse;font-size:.875rem;line-height:1.4}
th{color:var(--soft);font-weight:600;text-align:left;white-space:nowrap;
border-bottom:1px solid var(--line)}
td{border-bottom:1px solid var(--line)}
tbody tr:last-child td{border-bottom:0}
th,td{padding:.4rem 1.6rem .4rem 0;vertical-align:top}
td:first-child{white-space:nowrap}
th:last-child,td:last-child{padding-right:0}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
footer{color:var(--soft);font-size:.85rem;padding-top:1.25rem}
@media print{body{max-width:none;padding:0}section{break-inside:avoid}nav,.ways{display:none}}
"""
