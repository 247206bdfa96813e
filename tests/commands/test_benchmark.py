"""The benchmark command: its sections run and its ratios are what they say."""

from __future__ import annotations

import json

import pytest

from mmssl_video.benchmark import measure
from mmssl_video.commands import benchmark
from mmssl_video.datasets.demo_videos import make_demo_videos


def test_ratios_are_of_the_same_round():
    result = measure.Result('work', dict(ours=[1.0, 2.0, 4.0], theirs=[3.0, 8.0, 8.0]), 's')
    assert result.ratios('theirs') == [3.0, 4.0, 2.0]
    assert result.to_json()['candidates']['theirs'] == dict(
        values=[3.0, 8.0, 8.0], median=8.0, ratio=3.0
    )
    assert '3 (2-4)' in result.table()


def test_candidates_run_in_turns():
    calls = []
    seconds = measure.in_turns(dict(a=lambda: calls.append('a'), b=lambda: calls.append('b')), 2)
    assert calls == ['a', 'b'] * 3  # the first round does not count
    assert [len(values) for values in seconds.values()] == [2, 2]


def test_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, 'one_thread', lambda worker_id=0: None)  # stay as we are
    make_demo_videos(tmp_path, classes=2, per_class=1, size=(48, 64), frames=20, test_share=0)
    benchmark.main(
        [
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
        ]
    )
    assert '[augment]' in capsys.readouterr().out
    found = json.loads((tmp_path / 'out.json').read_text())['sections']
    assert len(found['augment']) == 2
    (pipeline,) = found['pipeline']
    rates = {name: row['median'] for name, row in pipeline['candidates'].items()}
    assert rates['decoding alone'] > rates['whole pipeline'] > 0

    with pytest.raises(ValueError, match='there is no section nothing; there are augment'):
        benchmark.main(['nothing'])
