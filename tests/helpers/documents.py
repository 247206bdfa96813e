"""What the documents and the comments of configs say: their commands, code blocks and paths."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from mmssl_video.settings.names import config_dir

REPO = Path(__file__).resolve().parents[2]
PAGES = [
    *(REPO / name for name in ('README.md', 'CONTRIBUTING.md', 'CHANGELOG.md')),
    *sorted((REPO / 'docs').glob('*.md')),
    *sorted(config_dir().rglob('README.md')),
]
_COMMAND = r'(?:python -m mmssl_video|mmssl|(?:python |bash )?tools/[\w/]+\.(?:py|sh))(?=$|[\s`])'
_FENCE = re.compile(r'^```(\w*)\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language, in their order."""
    return [text for kind, text in _FENCE.findall(page.read_text()) if kind == language]


def named_files(page: Path) -> dict[str, str]:
    """Blocks of code that begin with the name of their file, ``# simsiam.py``, by this name."""
    first_line = re.compile(r'# (\w+\.py)\n')
    named = [(first_line.match(text), text) for text in blocks(page, 'python')]
    return {match.group(1): text for match, text in named if match}


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub('', page.read_text())


def commands(path: Path) -> list[str]:
    """Commands of ours that a page or a config tells its reader to give, one a line.

    They stand in fenced ``bash`` blocks, between backticks with their arguments, and in comments
    that are indented like code. Lines are joined, remarks and what other programs do left out, and
    ``{a,b}`` is spelled out.
    """
    if path.suffix == '.py':
        comments = re.findall(r'^#(   .*)$', path.read_text(), re.MULTILINE)
        lines = re.sub(r'\n {5,}', ' ', '\n'.join(comments)).splitlines()
        lines = [re.sub(r' {4,}\(.*\)$', '', line) for line in lines]
    else:
        text = '\n'.join(blocks(path, 'bash')).replace('\\\n', ' ')
        spans = re.findall(rf'`({_COMMAND}[^`]*)`', prose(path))
        lines = text.splitlines() + [' '.join(span.split()) for span in spans]
    found = []
    for line in lines:
        for part in re.split(r'&&|;|\|\s', re.sub(r'(^|\s)#.*', '', line)):
            start = re.search(rf'(?<![\w/.]){_COMMAND}', part)
            if start:
                found += spelled_out(part[start.start() :].strip())
    return found


def spelled_out(text: str) -> list[str]:
    """``a_{b,c}`` as both names."""
    parts = [
        part[1:-1].split(',') if part.startswith('{') else [part]
        for part in re.split(r'(\{[^{}]*\})', text)
    ]
    return [''.join(choice) for choice in itertools.product(*parts)]
