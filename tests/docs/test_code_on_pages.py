"""The code on the pages works as it stands there."""

import os
import re
import subprocess
import sys

import pytest

from helpers.configs import build
from helpers.documents import PAGES, REPO, blocks, named_files
from mmssl_video.apis import load_config

CONFIGS = [
    (page.relative_to(REPO), text)
    for page in PAGES
    for text in blocks(page, 'python')
    if re.search(r'^_base_ = ', text, re.MULTILINE) and 'custom_imports' not in text
]


def test_a_predictor_from_its_page(tmp_path):
    files = named_files(REPO / 'docs' / 'add_a_predictor.md')
    assert set(files) == {'low_rank.py', 'low_rank_demo.py', 'test_low_rank.py'}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', 'test_low_rank.py'],
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join([str(tmp_path), str(REPO)])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and '1 passed' in done.stdout, done.stdout + done.stderr


def test_there_are_configs_on_the_pages():
    assert {str(page) for page, _ in CONFIGS} >= {'README.md', 'docs/data.md'}


@pytest.mark.parametrize('page, text', CONFIGS, ids=lambda value: str(value)[:40])
def test_configs_on_pages_are_read(page, text, tmp_path, monkeypatch):
    """Lists of the reader's own stand in ``data/mine`` and ``lists/mine``."""
    monkeypatch.chdir(tmp_path)
    for folder in ('data/mine', 'lists/mine'):
        (tmp_path / folder / 'videos').mkdir(parents=True)
        (tmp_path / folder / 'flow').mkdir()
        for name in ('train.txt', 'test.txt'):
            (tmp_path / folder / name).write_text('a.mp4 0\n')
    (tmp_path / 'page.py').write_text(text)
    cfg = load_config('page.py')
    if 'model' in cfg:
        assert list(build(cfg).parameters())
