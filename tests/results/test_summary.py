"""tools/summarize_results.py: what stands together, means over seeds, CSV, figure, errors."""

import csv
import io
import json
import statistics
import sys

import cv2
import numpy as np
import pytest

from helpers.tiny_run import REPO, last_line, run
from mmssl_video.commands.summarize import main
from mmssl_video.evaluation import get_protocol, wilson_interval
from mmssl_video.results.averages import average_records
from mmssl_video.results.records import append_results, make_record
from mmssl_video.results.summary import CSV_COLUMNS, make_tables


def records(
    seed=0, name='epoch_2.pth', hash_='aaaa0000aaaa0000', noise=1.0, k=5, data=None, **fields
):
    """Records that the protocols themselves made, of features with a seed."""
    rng = np.random.default_rng(seed if data is None else data)
    labels = np.arange(60) % 6
    features = rng.normal(size=(60, 6)) * noise + np.eye(6)[labels]
    made = []
    for protocol, options in (('knn/cosine', dict(k=k)), ('linear/cached', {})):
        found = get_protocol(protocol)
        output = found(features[:40], labels[:40], features[40:], labels[40:], **options)
        made.append(
            make_record(
                output,
                **{
                    **dict(
                        protocol=protocol,
                        version=found.version,
                        options=options,
                        dataset='set',
                        split=dict(gallery='train.txt', query='test.txt'),
                        views='1 window',
                        subject=name,
                        kind='encoder',
                        checkpoint=f'runs/{hash_[:4]}/{name}',
                        checkpoint_hash=hash_,
                        seed=seed,
                        bn_batches=0,
                        num_gallery=40,
                        num_queries=20,
                        num_classes=6,
                        unreadable=dict(gallery=[], query=[]),
                    ),
                    **fields,
                },
            )
        )
    return made


def save(path, *parts):
    append_results(path, [record for part in parts for record in part])
    return str(path)


def cells(text):
    """Rows of the first Markdown table."""
    lines = [line.strip('|').split('|') for line in text.splitlines() if line.startswith('|')]
    return {line[0].strip(): [cell.strip() for cell in line[1:]] for line in lines}


def test_checkpoints_of_several_files_stand_in_one_table(tmp_path, capsys):
    first, second = records(0), records(0, 'other.pth', 'bbbb0000bbbb0000', data=1)
    files = [save(tmp_path / 'a.json', first), save(tmp_path / 'b.json', second)]
    main([*files, files[0]])  # a file given twice is one
    rows = cells(capsys.readouterr().out)
    assert list(rows) == ['', '---', 'chance', 'epoch_2.pth', 'other.pth']
    assert rows[''] == ['knn/cosine top1', 'linear/cached top1', 'linear/cached top5']
    assert rows['chance'] == ['16.7', '16.7', '83.3']
    for made, name in ((first, 'epoch_2.pth'), (second, 'other.pth')):
        metric = made[0]['metrics']['top1']
        half = max(metric['high'] - metric['value'], metric['value'] - metric['low'])
        assert rows[name][0] == f'{metric["value"]:.1f} ±{half:.1f}'


@pytest.mark.parametrize(
    'change',
    [
        dict(dataset='other'),
        dict(views='3 windows'),
        dict(split=dict(gallery='train2.txt', query='test.txt')),
        dict(split=dict(gallery='train.txt', query='test2.txt')),
    ],
)
def test_what_is_of_other_data_or_views_stands_apart(change):
    tables = make_tables(records(0) + records(1, 'b.pth', 'b' * 16, **change))
    assert [{r['subject'] for r in table.records} for table in tables] == [
        {'epoch_2.pth'},
        {'b.pth'},
    ]


def test_other_settings_of_a_protocol_are_another_column():
    [table] = make_tables(records(0) + records(0, k=3))
    assert {r['protocol'] for r in table.records} == {
        'knn/cosine (k=5)',
        'knn/cosine (k=3)',
        'linear/cached',
    }


def test_seeds_are_averaged_and_counted(capsys, tmp_path):
    made = [records(seed) for seed in range(3)]
    path = save(tmp_path / 'r.json', *made)
    main([path, '--protocol', 'knn/*'])
    values = [each[0]['metrics']['top1']['value'] for each in made]
    assert cells(capsys.readouterr().out)['epoch_2.pth'] == [
        f'{statistics.mean(values):.1f} ±{statistics.stdev(values):.1f} (3 seeds)'
    ]


def test_checkpoints_of_one_name_are_told_apart_or_averaged_when_asked(capsys, tmp_path):
    path = save(tmp_path / 'r.json', records(0), records(1, hash_='bbbb0000bbbb0000'))
    main([path])
    text = capsys.readouterr().out
    assert {'epoch_2.pth [aaaa0000]', 'epoch_2.pth [bbbb0000]'} < set(cells(text))
    assert 'epoch_2.pth is 2 checkpoints: [aaaa0000] runs/aaaa/epoch_2.pth' in text
    main([path, '--over-checkpoints', '--metric', 'top1'])
    rows = cells(capsys.readouterr().out)
    assert all(cell.endswith('(2 seeds)') for cell in rows['epoch_2.pth'])
    assert rows[''] == ['knn/cosine top1', 'linear/cached top1']


def test_of_one_seed_the_latest_counts_and_a_note_says_so():
    old, new = records(0), records(0, noise=3.0)
    [table] = make_tables(old + new)
    assert [r['metrics'] for r in table.records] == [r['metrics'] for r in new]
    assert 'the latest counts: epoch_2.pth (knn/cosine, seed 0)' in ' '.join(table.notes)
    [table] = make_tables(old + old)
    assert 'latest' not in ' '.join(table.notes)


def test_averages_over_splits_say_so(tmp_path, capsys):
    made = {
        i: records(data=i, split=dict(gallery=f'train_split{i}.txt', query=f'test_split{i}.txt'))
        for i in (1, 2)
    }
    main([save(tmp_path / 'r.json', average_records(made)), '--format', 'text'])
    text = capsys.readouterr().out
    assert 'test_split*.txt' in text and '(2 splits)' in text and '|' not in text


def test_csv_has_every_figure(tmp_path):
    made = records(0) + records(1)
    made[0]['details']['queries'] = dict(top1=7)
    out = tmp_path / 'new' / 'out.csv'
    main([save(tmp_path / 'r.json', made), '--format', 'csv', '--out', str(out)])
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert tuple(rows[0]) == CSV_COLUMNS
    flat = [(r, name, metric) for r in made for name, metric in r['metrics'].items()]
    assert len(rows) == len(flat) == 6
    for row, (record, name, metric) in zip(rows, flat):
        assert (row['metric'], row['protocol'], row['seed']) == (
            name,
            record['protocol'],
            str(record['seed']),
        )
        assert float(row['value']) == metric['value'] and float(row['low']) == metric['low']
        assert row['checkpoint_hash'] == record['checkpoint_hash']
        assert (row['split_query'], row['views']) == ('test.txt', '1 window')
    assert [row['num_queries'] for row in rows] == ['7', *['20'] * 5]
    assert wilson_interval(0.5, 20)[0] < 0.5


def test_figure_and_the_tool_as_typed(tmp_path):
    path = save(tmp_path / 'r.json', records(0), records(1, 'b.pth', 'b' * 16, dataset='other'))
    loop = dict(
        records(0)[0],
        protocol='loop/val',
        unit='fraction',
        chance={},
        metrics={'ssl/loss': dict(value=5.02208)},
    )
    append_results(path, [loop])
    done = run(
        sys.executable,
        REPO / 'tools' / 'summarize_results.py',
        path,
        '--figure',
        'bars.png',
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout
    image = cv2.imread(str(tmp_path / 'bars.png'))
    assert image.std() > 10 and image.shape[0] > 900  # two tables
    assert '5.0221' in done.stdout
    assert last_line(done.stdout).startswith('the figure is bars.png; not in %, so not drawn: set')
    done = run(sys.executable, REPO / 'tools' / 'summarize_results.py', 'none.json', cwd=tmp_path)
    assert done.returncode == 1
    assert last_line(done.stdout).startswith('error: there is no results file none.json')


def test_mistakes_are_named(tmp_path):
    path = save(tmp_path / 'r.json', records(0))
    with pytest.raises(ValueError, match=r'nothing matches .*the files have knn/cosine \(top1\), '):
        main([path, '--protocol', 'retrieval/*'])
    with pytest.raises(ValueError, match='nothing matches'):
        main([path, '--metric', 'R@1'])
    (tmp_path / 'empty.json').write_text('[]')
    with pytest.raises(ValueError, match='empty.json holds no results'):
        main([str(tmp_path / 'empty.json')])
    (tmp_path / 'odd.json').write_text(json.dumps([dict(protocol='x')]))
    with pytest.raises(ValueError, match='record 1 of .*odd.json lacks version, subject'):
        main([str(tmp_path / 'odd.json')])
    with pytest.raises(ValueError, match='--out .* is a directory'):
        main([path, '--out', str(tmp_path)])
    loop = dict(records(0)[0], unit='fraction')
    with pytest.raises(ValueError, match='none of the figures is in percent'):
        main([save(tmp_path / 'loop.json', [loop]), '--figure', str(tmp_path / 'b.png')])
