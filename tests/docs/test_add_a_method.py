"""docs/add_a_method.md holds a whole method: here it is tested, trained and judged as printed."""

import re
import subprocess
import sys

import pytest

from helpers.tiny_run import REPO, scalars
from mmssl_video.datasets.demo_videos import make_demo_videos

PAGE = REPO / 'docs' / 'add_a_method.md'
FILES = {'simsiam.py', 'simsiam_demo.py', 'test_simsiam.py'}


def run(folder, *arguments):
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-m', *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """An empty folder with the files of the page; each block begins with the name of its file."""
    folder = tmp_path_factory.mktemp('method')
    blocks = re.findall(r'```python\n# (\S+\.py)\n(.*?)```', PAGE.read_text(), re.DOTALL)
    assert {name for name, _ in blocks} == FILES and len(blocks) == len(FILES)
    for name, text in blocks:
        (folder / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('PYTHONPATH', f'{folder}:{REPO}')
        yield folder


def test_its_tests_pass(folder):
    said = run(folder, 'pytest', '-q', '-p', 'no:cacheprovider', 'test_simsiam.py')
    assert re.search(r'^[2-9] passed', said.splitlines()[-1])


def test_it_is_about_sixty_lines(folder):
    lines = [
        line for name in FILES for line in (folder / name).read_text().splitlines() if line.strip()
    ]
    assert len(lines) <= 80


def test_it_trains_and_is_judged(folder):
    """By the commands of the page, on few videos."""
    [train, judge] = re.findall(r'^mmssl (.*?)(?:\s+#.*)?$', PAGE.read_text(), re.MULTILINE)[:2]
    make_demo_videos(folder / 'data' / 'demo', classes=2, per_class=4, size=(72, 96))
    short = ['train_cfg.max_epochs=1', 'train_dataloader.batch_size=2']
    short += [f'{name}_dataloader.num_workers=0' for name in ('train', 'val')]
    short += [f'{name}_dataloader.persistent_workers=False' for name in ('train', 'val')]
    run(folder, 'mmssl_video', *train.split(), '--cfg-options', *short)
    logged = scalars(folder / 'work_dirs' / 'simsiam_demo')
    assert any('loss_prediction' in line for line in logged)
    judge = judge.replace('epoch_20.pth', 'epoch_1.pth')
    small = [f'evaluation.{role}.num_workers=0' for role in ('gallery', 'query')]
    said = run(folder, 'mmssl_video', *judge.split(), '--no-baselines', '--cfg-options', *small)
    assert 'epoch_1.pth' in said and 'top1' in said
