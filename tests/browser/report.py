"""Opens reports in a real browser at three widths, in light and dark: `make test-report`.

Nothing may run over the page's edge, text must stand out from what is behind it, and links must lead somewhere. Screenshots are left in
target/report, to be looked at. Where no browser is, the test is skipped, and says so.
"""

import pathlib
import subprocess
import sys
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import browser  # noqa: E402

PROJECT = pathlib.Path(__file__).resolve().parents[2]
OUT = PROJECT / "target" / "report"
PIPELINES = {"quickstart": "pipelines/quickstart.yaml", "browser": "tests/browser/pages.yaml"}
WIDTHS = (420, 900, 1600)

# What is wider than the page, but for what scrolls by itself; at 900 and more nothing needs to scroll.
OVERFLOW = """(() => {
  const wide = document.documentElement.clientWidth, found = [];
  if (document.documentElement.scrollWidth > wide) found.push('the page scrolls sideways');
  for (const element of document.querySelectorAll('main *')) {
    const inside = element.closest('.wide');
    const edge = element.getBoundingClientRect();
    if (!inside && edge.width > 0 && (edge.right > wide + 0.5 || edge.left < -0.5))
      found.push(element.tagName + ' ' + (element.textContent || '').slice(0, 40));
  }
  if (wide >= 900)
    for (const box of document.querySelectorAll('.wide:not(.graph)'))
      if (box.scrollWidth > box.clientWidth + 1) found.push('a table scrolls: ' + box.textContent.slice(0, 40));
  return found;
})()"""

# Text whose contrast with the page or its panel is below 4.5 (WCAG 2.1, 1.4.3).
CONTRAST = """(() => {
  const parts = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parts(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll('main *')) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!own || ['desc', 'title'].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const ink = parts(element.namespaceURI.endsWith('svg') ? style.fill : style.color);
    const [a, b] = [light(ink), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(element.tagName + ' ' + element.textContent.slice(0, 30) + ' ' + ratio.toFixed(2));
  }
  return found;
})()"""

LINKS = "[...document.querySelectorAll('a')].map(link => link.href)"
HEADINGS = "[...document.querySelectorAll('h2')].map(heading => heading.textContent)"
OPEN_ALL = "document.querySelectorAll('details').forEach(part => part.open = true)"
WANTED = ["What was asked", "What came out", "Can it be believed", "Figures", "Outputs", "Stages", "Provenance"]


def report(name, pipeline):
    """Runs a pipeline, and gives the path of its report."""
    results = OUT / "results"
    # The second makes the page anew, whatever program made it before. 5: something is outside its tolerance, as it should be.
    for command, codes in (("run", (0, 5)), ("report", (0,))):
        words = [PROJECT / "target/debug/actionfinder", command, pipeline, "--results", results]
        ended = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True)
        if ended.returncode not in codes:
            sys.exit(f"{command} {pipeline} ended with code {ended.returncode}\n{ended.stderr}")
    return results / name / "report.html"


def look(page, path, name):
    """All that is wrong with a report."""
    wrong = []
    for width in WIDTHS:
        for scheme in ("light", "dark"):
            page.open(path, width, scheme)
            page.screenshot(OUT / f"{name}_{width}_{scheme}.png")
            page.evaluate(OPEN_ALL)
            here = f"{name}, {width} px, {scheme}"
            wrong += [f"{here}: too wide: {text}" for text in page.evaluate(OVERFLOW)]
            wrong += [f"{here}: too pale: {text}" for text in page.evaluate(CONTRAST)]
    headings = page.evaluate(HEADINGS)
    if headings != WANTED:
        wrong.append(f"{name}: its sections are {headings}")
    for link in page.evaluate(LINKS):
        parts = urllib.parse.urlparse(link)
        if parts.scheme != "file" or not pathlib.Path(urllib.parse.unquote(parts.path)).exists():
            wrong.append(f"{name}: a link leads nowhere: {link}")
    return wrong


def main():
    program = browser.find()
    if program is None:
        print(f"skipped: no browser is here; install one of {', '.join(browser.NAMES)}, or name one in BROWSER")
        return
    OUT.mkdir(parents=True, exist_ok=True)
    paths = {name: report(name, pipeline) for name, pipeline in PIPELINES.items()}
    page = browser.Browser(program)
    try:
        wrong = [text for name, path in paths.items() for text in look(page, path, name)]
    finally:
        page.close()
    print("\n".join(wrong))
    if wrong:
        sys.exit(f"{len(wrong)} faults; screenshots are in {OUT}")
    print(f"{len(paths)} reports are well at {len(WIDTHS)} widths, light and dark; screenshots are in {OUT}")


main()
