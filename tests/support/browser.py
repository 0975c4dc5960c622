"""Pages laid out by a real browser: what leaves the window, and texts that lie on each other."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")

# Fonts' boxes are higher than their letters; lines of text may come this close.
SLACK_PX = 2.5

SCRIPT = """
function shown(element) {
  const box = element.getBoundingClientRect();
  return box.width > 0 && box.height > 0 && element.checkVisibility();
}

function textBoxes(page) {
  const boxes = [];
  const walker = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, parent = node.parentElement;
    if (!node.data.trim() || parent.closest("title, style") || !shown(parent)) continue;
    const range = page.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) boxes.push([box, node.data.trim()]);
  }
  return boxes;
}

function overlaps(boxes, slack) {
  const found = [];
  boxes.sort((a, b) => a[0].top - b[0].top);
  for (let i = 0; i < boxes.length; i++) {
    const [a, text] = boxes[i];
    for (let j = i + 1; j < boxes.length && boxes[j][0].top < a.bottom - slack; j++) {
      const [b, other] = boxes[j];
      const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      if (height > slack && width > slack) found.push(`"${text}" lies on "${other}"`);
    }
  }
  return found;
}

function problems(page, slack) {
  const found = [], right = page.documentElement.clientWidth;
  if (page.documentElement.scrollWidth > right) found.push("the page scrolls sideways");
  for (const element of page.body.querySelectorAll("*")) {
    const box = element.getBoundingClientRect();
    if (shown(element) && (box.left < -0.5 || box.right > right + 0.5))
      found.push(`<${element.tagName}> ${element.textContent.slice(0, 40)} leaves the window`);
  }
  const texts = textBoxes(page);
  for (const text of page.querySelectorAll("svg text")) {
    const picture = text.ownerSVGElement.getBoundingClientRect();
    const box = text.getBoundingClientRect();
    if (shown(text) && (box.left < picture.left - 1 || box.right > picture.right + 1
        || box.top < picture.top - 2 || box.bottom > picture.bottom + 2))
      found.push(`"${text.textContent}" is cut`);
  }
  if (texts.length < 20) found.push(`only ${texts.length} texts are shown`);
  return found.concat(overlaps(texts, slack));
}

window.onload = () => {
  const found = {};
  for (const frame of document.querySelectorAll("iframe"))
    found[frame.name] = problems(frame.contentDocument, SLACK);
  document.body.innerHTML = "<pre id=found></pre>";
  document.getElementById("found").textContent = JSON.stringify(found);
};
"""


@dataclass(frozen=True)
class Browser:
    """Chromium, without a window."""

    command: str

    def problems(
        self, pages: Sequence[Path], widths: Sequence[int], folder: Path
    ) -> dict[str, list[str]]:
        """By page and width what is wrong with it, as shown in a window of that width.

        Args:
            folder: for what the browser keeps.
        """
        frames = [
            f'<iframe name="{page.stem} at {width}" width="{width}" height="900" '
            f'style="border: 0" srcdoc="{html.escape(page.read_text(encoding="utf-8"))}"></iframe>'
            for page in pages
            for width in widths
        ]
        script = SCRIPT.replace("SLACK", str(SLACK_PX))
        outer = folder / "outer.html"
        outer.write_text(
            f"<!DOCTYPE html><meta charset=utf-8><body>{''.join(frames)}<script>{script}</script>",
            encoding="utf-8",
        )
        found = re.search(r'<pre id="found">(.*)</pre>', self._dom(outer, folder), re.DOTALL)
        assert found is not None, "the browser ran no script"
        problems: dict[str, list[str]] = json.loads(html.unescape(found[1]))
        return problems

    def _dom(self, page: Path, folder: Path) -> str:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        profile = f"--user-data-dir={folder / 'profile'}"
        command = [self.command, *options, profile, "--window-size=1400,1000", "--dump-dom"]
        return subprocess.run(
            [*command, page.as_uri()], capture_output=True, text=True, check=True, timeout=300
        ).stdout


def find_browser() -> Browser | None:
    """The browser of this computer; None where there is none that starts."""
    commands = filter(None, map(shutil.which, NAMES))
    return next((Browser(command) for command in commands if _starts(command)), None)


def _starts(command: str) -> bool:
    # Some distributions have a script of that name that only says where to get one.
    return subprocess.run([command, "--version"], capture_output=True, check=False).returncode == 0
