"""The progress line: what it counts, how often it speaks, and what it leaves out of the speed."""

import pytest

from mmssl_video import progress
from mmssl_video.progress import Progress, duration


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, 'monotonic', lambda: now[0])
    return now


def test_a_log_gets_a_line_after_five_seconds_then_every_half_minute_and_the_last(clock, capsys):
    bar = Progress('videos', 10)
    for seconds, bad, note in ((1, 0, ''), (6, 1, ''), (20, 0, ''), (40, 0, '7 flows/s')):
        clock[0] = 100.0 + seconds
        bar.step(bad=bad, note=note)
    bar.step(6, there=4)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        'videos: 2/10, 20.0/min, 24 s left, 1 bad',
        'videos: 4/10, 6.0/min, 1 min 00 s left, 1 bad, 7 flows/s',
        'videos: 10/10, 9.0/min, 0 s left, 4 there already, 1 bad',
    ]


def test_a_terminal_gets_one_line_that_changes(clock, capsys, monkeypatch):
    monkeypatch.setattr(progress.sys.stderr, 'isatty', lambda: True, raising=False)
    bar = Progress('videos', 2)
    for _ in range(2):
        clock[0] += 1
        bar.step()
    text = capsys.readouterr().err
    assert text.count('\r') == 2 and text.count('\n') == 1 and text.endswith('\n')


def test_nothing_is_shown_where_nothing_was_asked_for(clock, capsys):
    Progress('videos', 1, show=False).step()
    assert capsys.readouterr() == ('', '')


def test_durations():
    assert [duration(s) for s in (12.4, 250, 11100)] == ['12 s', '4 min 10 s', '3 h 05 min']
