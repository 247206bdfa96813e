"""The benchmark command: its sections run and its ratios are what they say."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from mmssl_video.datasets.demo_videos import make_demo_videos

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def benchmark():
    spec = importlib.util.spec_from_file_location('benchmark', ROOT / 'tools/benchmark.py')
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, 'benchmark', module)  # its dataclasses look there
        spec.loader.exec_module(module)
        yield module


def test_ratios_are_of_the_same_round(benchmark):
    result = benchmark.Result('work', dict(ours=[1.0, 2.0, 4.0], theirs=[3.0, 8.0, 8.0]), 's')
    assert result.ratios('theirs') == [3.0, 4.0, 2.0]
    assert result.to_json()['candidates']['theirs'] == dict(
        values=[3.0, 8.0, 8.0], median=8.0, ratio=3.0
    )
    assert '3 (2-4)' in result.table()


def test_candidates_run_in_turns(benchmark):
    calls = []
    seconds = benchmark.in_turns(dict(a=lambda: calls.append('a'), b=lambda: calls.append('b')), 2)
    assert calls == ['a', 'b'] * 3  # the first round does not count
    assert [len(values) for values in seconds.values()] == [2, 2]


def test_command(benchmark, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, 'one_thread', lambda worker_id=0: None)  # stay as we are
    make_demo_videos(tmp_path, classes=2, per_class=1, size=(48, 64), frames=20, test_share=0)
    monkeypatch.setattr(
        sys,
        'argv',
        [
            'benchmark.py',
            'augment',
            'pipeline',
            '--repeats',
            '1',
            '--clips',
            '2',
            '--videos',
            str(tmp_path / 'videos'),
            '--json',
            str(tmp_path / 'out.json'),
        ],
    )
    assert benchmark.main() == 0
    assert '[augment]' in capsys.readouterr().out
    found = json.loads((tmp_path / 'out.json').read_text())['sections']
    assert len(found['augment']) == 2
    (pipeline,) = found['pipeline']
    rates = {name: row['median'] for name, row in pipeline['candidates'].items()}
    assert rates['decoding alone'] > rates['whole pipeline'] > 0

    monkeypatch.setattr(sys, 'argv', ['benchmark.py', 'nothing'])
    with pytest.raises(SystemExit):
        benchmark.main()
    assert 'no section nothing' in capsys.readouterr().err
