"""The temporal memory bank against a plain reference, its draws, its files, its errors."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch

from mmssl_video.models.memory_bank import TemporalMemoryBank


class PlainBank:
    """Eq. (1) and (2) one cell after the other; None is an empty cell."""

    def __init__(self, num_videos, dim, num_cells, m, c, strategy, rule):
        self.cells = [[None] * num_cells for _ in range(num_videos)]
        self.dim, self.L, self.m, self.c, self.strategy, self.rule = (
            dim,
            num_cells,
            m,
            c,
            strategy,
            rule,
        )

    def update(self, videos, positions, features):
        by_cell = {}
        for n, position, h in zip(videos, positions, features):
            h = h / np.linalg.norm(h)
            for cell in range(1, self.L + 1):
                if (cell - 1) / self.L <= position < cell / self.L:
                    m = self.m
                elif self.strategy == 'own':
                    continue
                else:
                    d = abs((2 * cell - 1) / (2 * self.L) - position)
                    m = (
                        (1 - d) * self.c * self.m
                        if self.rule == 'equation'
                        else 1 - (1 - d) * self.c * (1 - self.m)
                    )
                theta = self.cells[n][cell - 1]
                theta = np.zeros(self.dim) if theta is None else theta
                by_cell.setdefault((n, cell - 1), []).append(m * theta + (1 - m) * h)
        for (n, cell), values in by_cell.items():
            mean = sum(values) / len(values)
            self.cells[n][cell] = mean / np.linalg.norm(mean)

    def table(self):
        return np.array(
            [[np.zeros(self.dim) if cell is None else cell for cell in row] for row in self.cells]
        )


def make(num_videos=10, folder='.', **kwargs):
    bank = TemporalMemoryBank(**{**dict(dim=6, num_cells=2), **kwargs})
    bank.set_videos(num_videos, 'list', seed=5, folder=folder)
    return bank


def clips(rng, num_videos, count, dim=6):
    return (
        torch.from_numpy(rng.integers(0, num_videos, count)),
        torch.from_numpy(rng.uniform(0, 1, count)),
        torch.from_numpy(rng.normal(size=(count, dim)) * rng.uniform(0.1, 9, (count, 1))),
    )


@pytest.mark.parametrize(
    'strategy, rule', [('own', 'equation'), ('neighbours', 'equation'), ('neighbours', 'rate')]
)
@pytest.mark.parametrize(
    'num_cells, momentum, storage', [(1, 0.5, 'buffer'), (2, 0.5, 'mapped'), (5, 0.9, 'buffer')]
)
def test_equals_the_plain_bank_over_hundreds_of_updates(
    tmp_path, strategy, rule, num_cells, momentum, storage
):
    rng = np.random.default_rng(num_cells)
    bank = make(
        7,
        tmp_path,
        num_cells=num_cells,
        momentum=momentum,
        strategy=strategy,
        neighbour_rule=rule,
        storage=storage,
    )
    plain = PlainBank(7, 6, num_cells, momentum, 0.6, strategy, rule)
    most = 0
    for _ in range(300):
        videos, positions, features = clips(rng, 7, int(rng.integers(1, 9)))
        most = max(most, int(videos.bincount().max()))
        bank.update(videos, positions, features)
        plain.update(videos.tolist(), positions.tolist(), features.numpy())
    assert most >= 4  # a video four times in one batch
    np.testing.assert_allclose(bank.table.numpy(), plain.table(), atol=2e-5)
    assert torch.equal(bank.filled, torch.from_numpy(plain.table().any(2)))
    assert bank.num_updates == 300


def test_momenta_of_equation_2():
    bank = make(num_cells=4, momentum=0.8, attenuation=0.5)
    momenta, moved = bank.momenta(torch.tensor([0.1, 0.25, 0.999]))
    assert moved.all()
    centres = np.array([1, 3, 5, 7]) / 8
    for row, position, own in zip(momenta, (0.1, 0.25, 0.999), (0, 1, 3)):  # 1/4 opens cell 2
        expected = (1 - np.abs(centres - position)) * 0.5 * 0.8
        expected[own] = 0.8
        np.testing.assert_allclose(row, expected, rtol=1e-6)
    bank.neighbour_rule = 'rate'
    rates = 1 - bank.momenta(torch.tensor([0.1]))[0][0]
    assert rates[0] == pytest.approx(0.2) and np.all(np.diff(rates.numpy()) < 0)
    bank.strategy = 'own'
    assert bank.momenta(torch.tensor([0.6]))[1].tolist() == [[False, False, True, False]]


def test_first_clip_fills_and_cells_have_length_one():
    bank = make(strategy='own')
    h = torch.tensor([[3.0, 4.0, 0, 0, 0, 0]])
    bank.update(torch.tensor([4]), torch.tensor([0.2]), h)
    torch.testing.assert_close(bank.table[4, 0], h[0] / 5)
    assert bank.filled.sum() == 1 and bank.statistics()['bank/filled'] == 1 / 20
    bank.update(torch.tensor([4, 4]), torch.tensor([0.2, 0.9]), torch.randn(2, 6))
    torch.testing.assert_close(bank.table[4].norm(dim=1), torch.ones(2))


def test_order_of_the_clips_of_an_update_does_not_matter():
    rng = np.random.default_rng(0)
    one, two = make(), make()
    for _ in range(20):
        batch = clips(rng, 10, 12)
        order = torch.from_numpy(rng.permutation(12))
        one.update(*batch)
        two.update(*(part[order] for part in batch))
    torch.testing.assert_close(one.table, two.table, rtol=0, atol=1e-6)


def test_opposite_clips_leave_a_cell_as_it_was():
    bank = make(momentum=0.0, strategy='own')
    bank.update(torch.tensor([1]), torch.tensor([0.1]), torch.ones(1, 6))
    before = bank.table.clone()
    h = torch.randn(1, 6)
    bank.update(torch.tensor([1, 1]), torch.tensor([0.1, 0.2]), torch.cat([h, -h]))
    assert torch.equal(bank.table, before)
    bank.update(torch.tensor([2, 2]), torch.tensor([0.1, 0.2]), torch.cat([h, -h]))
    assert not bank.filled[2].any()


def test_video_feature_is_the_mean_of_the_row():
    rng = np.random.default_rng(0)
    bank = make()
    bank.update(*clips(rng, 5, 40))
    asked = torch.tensor([3, 0, 3, 9])
    torch.testing.assert_close(
        bank.video_features(asked), torch.stack([bank.table[i].mean(0) for i in asked])
    )
    assert not bank.video_features(asked)[3].any()


def filled_bank(num_videos=20, num_filled=15):
    bank = make(num_videos, dim=2)
    angle = torch.arange(num_filled) * 2 * torch.pi / num_filled
    bank.update(
        torch.arange(num_filled),
        torch.full((num_filled,), 0.1),
        torch.stack([angle.cos(), angle.sin()], 1),
    )
    return bank


def video_of(cells, num_filled=15):
    turns = torch.atan2(cells[:, 1], cells[:, 0]) / (2 * torch.pi) * num_filled
    return (turns.round().long() % num_filled).tolist()


def test_negatives_are_filled_cells_of_other_videos_without_repeats():
    bank = filled_bank()
    counts = np.zeros(15)
    for bank.num_updates in range(2000):
        cells, valid = bank.draw(10, [np.array([3, 3, 7])])
        videos = video_of(cells)
        assert len(cells) == 10 and valid.all() and max(np.bincount(videos)) <= 2
        np.add.at(counts, videos, 1)
    assert counts[[3, 7]].sum() == 0
    others = np.delete(counts, [3, 7])
    assert np.all(np.abs(others / others.mean() - 1) < 0.1)


def test_each_group_gets_its_number_from_one_draw():
    bank = filled_bank()
    groups = [np.array([0, 1]), np.array([2, 3, 4]), np.array([0, 5])]
    cells, valid = bank.draw(9, groups)
    assert valid.sum(1).tolist() == [9, 9, 9]
    for group, mine in zip(groups, valid):
        assert not set(video_of(cells[mine])) & set(group.tolist())
    for number, group in enumerate(groups):  # as if each had asked alone
        assert torch.equal(bank.draw(9, [group])[0], cells[valid[number]])


def test_draws_depend_on_seed_and_number_of_updates_only():
    one, two = filled_bank(), filled_bank()
    torch.manual_seed(7)
    np.random.seed(7)
    group = [np.array([1])]
    assert torch.equal(one.draw(8, group)[0], two.draw(8, group)[0])
    two.num_updates += 1
    assert not torch.equal(one.draw(8, group)[0], two.draw(8, group)[0])
    two.num_updates, two.seed = one.num_updates, 6
    assert not torch.equal(one.draw(8, group)[0], two.draw(8, group)[0])


def test_as_many_negatives_as_there_are():
    assert len(make().draw(8, [np.array([0])])[0]) == 0
    bank = filled_bank()
    assert len(bank.draw(10_000, [np.arange(5)])[0]) == 20
    assert len(bank.draw(10_000, [np.arange(15)])[0]) == 0


@pytest.mark.parametrize('storage', ['buffer', 'mapped'])
@pytest.mark.parametrize('dtype', ['float32', 'float16'])
def test_state_goes_through_a_checkpoint_exactly(tmp_path, storage, dtype):
    rng = np.random.default_rng(0)
    (tmp_path / 'a').mkdir()
    bank = make(folder=tmp_path / 'a', storage=storage, dtype=dtype)
    for _ in range(5):
        bank.update(*clips(rng, 8, 6))
    torch.save(bank.state(tmp_path / 'saved.bin'), tmp_path / 'state.pth')
    assert (tmp_path / 'saved.bin').exists() == (storage == 'mapped')
    saved = bank.table.clone()
    more = clips(rng, 8, 6)
    bank.update(*more)
    assert not torch.equal(bank.table, saved)  # what was saved is no view of what goes on
    (tmp_path / 'b').mkdir()
    other = make(folder=tmp_path / 'b', storage=storage, dtype=dtype)
    other.update(*clips(rng, 8, 6))  # of another life
    other.restore(torch.load(tmp_path / 'state.pth', weights_only=True), tmp_path)
    assert torch.equal(other.table, saved) and other.num_updates == 5
    other.update(*more)
    assert torch.equal(other.table, bank.table) and torch.equal(other.filled, bank.filled)
    group = [np.array([0])]
    assert torch.equal(other.draw(3, group)[0], bank.draw(3, group)[0])


def test_half_precision_stays_close():
    rng = np.random.default_rng(0)
    full, half = make(), make(dtype='float16')
    for _ in range(300):
        batch = clips(rng, 10, 5)
        full.update(*batch)
        half.update(*batch)
    torch.testing.assert_close(half.table.float(), full.table, rtol=0, atol=3e-3)


def test_weights_and_bank_are_separate():
    assert not make().state_dict()


@pytest.mark.parametrize(
    'change, text',
    [
        (dict(num_videos=9), 'the list of training videos has changed'),
        (dict(fingerprint='other'), 'the list of training videos has changed since'),
        (dict(num_cells=1), 'model.bank.num_cells has changed'),
        (dict(dtype='float16'), 'model.bank.dtype has changed'),
    ],
)
def test_another_list_or_size_is_refused(change, text):
    state = make().state()
    state.update(change)
    with pytest.raises(ValueError, match=text):
        make().restore(state)


def test_a_lost_or_cut_file_is_named(tmp_path):
    bank = make(folder=tmp_path, storage='mapped')
    state = bank.state(tmp_path / 'x.bin')
    with (tmp_path / 'x.bin').open('ab') as file:
        file.truncate(7)
    with pytest.raises(FileNotFoundError, match='x.bin, of 480 bytes, is not there or not whole'):
        bank.restore(state, tmp_path)


def test_a_mapped_bank_is_not_saved_without_a_file(tmp_path):
    with pytest.raises(ValueError, match='needs a file'):
        make(folder=tmp_path, storage='mapped').state()


def test_videos_that_are_not_there():
    bank = make()
    for wrong in (-1, 10):
        with pytest.raises(ValueError, match='is not in the temporal memory bank of 10 videos'):
            bank.update(torch.tensor([wrong]), torch.tensor([0.5]), torch.ones(1, 6))
        with pytest.raises(ValueError, match='sample_idx must be the index'):
            bank.video_features(torch.tensor([wrong]))
    with pytest.raises(ValueError, match='MethodHook'):
        TemporalMemoryBank().video_features(torch.tensor([0]))


@pytest.mark.parametrize(
    'wrong',
    [
        dict(strategy='all'),
        dict(neighbour_rule='x'),
        dict(dtype='int8'),
        dict(storage='disk'),
        dict(num_cells=0),
        dict(dim=-1),
        dict(momentum=1.0),
        dict(attenuation=0),
    ],
)
def test_arguments_are_checked(wrong):
    with pytest.raises(ValueError, match='model.bank'):
        TemporalMemoryBank(**wrong)


LARGE = textwrap.dedent("""
    import sys
    import torch
    import mmssl_video
    from mmssl_video.models.memory_bank import TemporalMemoryBank
    torch.set_num_threads(1)
    def peak():  # getrusage would count what the parent had before the exec
        return int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) * 1024
    before = peak()
    bank = TemporalMemoryBank(dim=512, num_cells=2, dtype='float16', storage=sys.argv[1])
    bank.set_videos(240_000, folder=sys.argv[2])
    for first in range(0, 240_000, 4000):
        bank.update(torch.arange(first, first + 4000), torch.full((4000, ), 0.3),
                    torch.randn(4000, 512))
    import numpy as np
    cells, _ = bank.draw(2048, [np.arange(64)])
    assert len(cells) == 2048 and bank.filled.all()
    print(peak() - before)
""")


@pytest.mark.slow
@pytest.mark.parametrize('storage', ['buffer', 'auto'])
def test_kinetics_fits_into_a_gibibyte(tmp_path, storage):
    done = subprocess.run(
        [sys.executable, '-c', LARGE, storage, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 2**30
    assert len(list(tmp_path.iterdir())) == (storage == 'auto')  # mapped
