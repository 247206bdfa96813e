"""``--data`` and ``--flow``: what a data set is, where it is found, and how it meets a config."""

import json
from pathlib import Path

import pytest
from mmengine.config import Config

from helpers.configs import DATA, load, read
from mmssl_video.apis import load_config
from mmssl_video.commands.prepare import parser
from mmssl_video.compat import steps_as_lists
from mmssl_video.datasets.preparation.output import MARK
from mmssl_video.settings.data import apply_data, load_data
from mmssl_video.settings.names import find_config


def write(path, text=''):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def lists(tmp_path, monkeypatch):
    """A folder ``lists/mine`` with lists, classes and videos; the current folder above it."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / 'lists' / 'mine'
    for name in ('train.txt', 'test.txt', 'classes.txt', 'videos/a.mp4'):
        write(folder / name)
    return folder


@pytest.mark.parametrize('name', DATA)
def test_shipped_data_sets_say_what_they_are(name):
    data = load_data(name)
    assert (data.key, data.settings) == (name, name) and data.name != name
    for part in (data, data.get('flow', data)):
        for role in ('train', 'test'):
            assert part[role].ann_file.startswith('data/')
    assert ('flow' in data) == ('oops' not in name)
    assert set(read(name)) == {'data'}


# ---------------------------------------------------------------- folders


def test_a_folder_of_lists(lists):
    cfg = load_config('linear', data='lists/mine')
    assert cfg.evaluation.dataset == 'mine' and cfg.work_dir == 'work_dirs/linear_mine'
    for role, name in (('gallery', 'train'), ('query', 'test')):
        dataset = cfg.evaluation[role].dataset
        assert dataset == dict(
            type='VideoListDataset',
            test_mode=True,
            ann_file=f'lists/mine/{name}.txt',
            data_prefix=dict(video='lists/mine/videos'),
            classes='lists/mine/classes.txt',
        )
    with pytest.raises(ValueError, match='mine has no flow: say where it lies with flow=dict'):
        load_config('linear', data='lists/mine', flow=True)


@pytest.mark.parametrize(
    'files, videos, train, test',
    [
        (['videos/a.mp4'], ['videos'] * 2, 'train.txt', 'test.txt'),
        (['videos_train/a.mp4', 'videos_val/b.mp4'], None, 'train.txt', 'val.txt'),
        (['x/a.mp4'], ['.'] * 2, 'train_split1.txt', 'test_split1.txt'),
    ],
    ids=['videos', 'videos_train and videos_val', 'in the folder itself'],
)
def test_where_a_folder_has_its_lists_and_videos(tmp_path, files, videos, train, test):
    for name in (train, test, *files):
        write(tmp_path / name)
    data = load_data(tmp_path)
    videos = videos or ['videos_train', 'videos_val']
    for role, name, folder in (('train', train, videos[0]), ('test', test, videos[1])):
        assert data[role].ann_file == str(tmp_path / name)
        assert Path(data[role].data_prefix.video) == tmp_path / folder
    assert 'classes' not in data and 'flow' not in data


@pytest.mark.parametrize('suffix', ['.flow.mp4', '.flow'])
def test_flow_in_a_folder(lists, suffix):
    if suffix == '.flow':
        write(lists / 'flow' / 'jump' / 'a.mp4.flow' / 'meta.json')
    else:
        write(lists / 'flow' / 'jump' / 'a.mp4.flow.mp4')
    cfg = load_config('finetune_memdpc', data=lists, flow=True)
    for part in ('train', 'val', 'test'):
        dataset = cfg[f'{part}_dataloader'].dataset
        assert (dataset.modality, dataset.suffix) == ('Flow', suffix)
        assert dataset.data_prefix.video == str(lists / 'flow')
        assert dataset.ann_file == str(lists / f'{"train" if part == "train" else "test"}.txt')
    assert cfg.classification.dataset == 'mine, flow'
    assert cfg.work_dir == 'work_dirs/finetune_memdpc_flow_mine'


@pytest.mark.parametrize(
    'dataset, name', [('ucf101', 'ucf101'), ('kinetics400', 'k400'), ('oops', 'oops')]
)
def test_what_prepare_wrote_is_the_shipped_set_elsewhere(tmp_path, dataset, name):
    write(tmp_path / MARK, json.dumps(dict(dataset=dataset, resize=None)))
    shipped, here = load_data(name), load_data(tmp_path)
    assert here.to_dict() == json.loads(
        json.dumps(shipped.to_dict()).replace(f'data/{dataset}/', f'{tmp_path}/')
    )
    assert str(tmp_path) in here.train.ann_file


def test_prepare_says_which_set_a_folder_holds():
    """The names by which a folder is known are those that prepare.py takes."""
    [choices] = [action.choices for action in parser()._actions if action.dest == 'dataset']
    for dataset in set(choices) - {'folder'}:
        assert (
            f'data/{dataset}/'
            in load_data(dict(kinetics400='k400').get(dataset, dataset)).test['ann_file']
        )


def test_a_folder_called_like_a_shipped_set_is_not_taken_for_it(lists):
    folder = lists.rename(lists.parent / 'demo')
    data = load_data('lists/demo')
    assert (data.key, data.settings) == ('demo', None)
    cfg = load_config('finetune_dpc', data=str(folder))
    assert cfg.train_cfg.max_epochs == 100 and cfg.model.backbone.base_channels == 64


# ---------------------------------------------------------------- configs


def test_a_config_of_ones_own(tmp_path):
    path = write(
        tmp_path / 'small.py',
        "data = dict(name='Small set', settings='demo', views=dict(stride=1),\n"
        "    train=dict(ann_file='a.txt'), test=dict(ann_file='b.txt'))\n",
    )
    cfg = load_config('finetune_dpc', data=path)
    assert cfg.train_cfg.max_epochs == 12 and cfg.classification.dataset == 'Small set'
    assert cfg.work_dir == 'work_dirs/finetune_dpc_small'
    assert cfg.train_dataloader.dataset.ann_file == 'a.txt'
    assert 'classes' not in cfg.train_dataloader.dataset
    assert load_config('knn', data=path).evaluation.views == dict(stride=1)


def test_a_config_that_names_its_data_set(lists, tmp_path):
    path = write(
        tmp_path / 'mine.py',
        f"_base_ = {str(find_config('linear'))!r}\ndata = 'lists/mine'\n"
        'evaluation = dict(protocol=[dict(type="knn/cosine", k=5)])\n',
    )
    cfg = load_config(path)
    assert cfg.evaluation.gallery.dataset.ann_file == 'lists/mine/train.txt'
    assert cfg.evaluation.protocol[0].k == 5 and cfg.data.name == 'mine'
    assert load_config(path, data='ucf101').evaluation.dataset == 'UCF101'  # the command wins
    assert load_config(path, dict(data='hmdb51')).evaluation.dataset == 'HMDB51'
    text = path.read_text().replace("'lists/mine'", "'demo'\nflow = True")
    assert load_config(write(tmp_path / 'flow.py', text)).evaluation.dataset == 'demo videos, flow'


def test_settings_of_a_data_set_that_go_over_a_config_are_said(tmp_path, capsys):
    text = f'_base_ = {str(find_config("finetune_dpc"))!r}\ntrain_cfg = dict(max_epochs=3)\n'
    assert load_config(write(tmp_path / 'a.py', text + "data = 'ucf101'")).train_cfg.max_epochs == 3
    assert 'per_data' not in ''.join(capsys.readouterr())
    assert (
        load_config(write(tmp_path / 'b.py', text + "data = 'hmdb51'")).train_cfg.max_epochs == 300
    )
    assert 'train_cfg, param_scheduler are set for HMDB51 by per_data.hmdb51' in ''.join(
        capsys.readouterr()
    )
    own = text + "per_data = dict(hmdb51=dict(train_cfg=dict(max_epochs=3)))\ndata = 'hmdb51'"
    assert load_config(write(tmp_path / 'c.py', own)).train_cfg.max_epochs == 3


def test_a_data_config_as_base_serves_a_protocol_and_replaces_nothing(tmp_path):
    bases = [str(find_config(name)) for name in ('finetune_memdpc', 'hmdb51')]
    cfg = load_config(write(tmp_path / 'a.py', f'_base_ = {bases!r}\n'))
    assert cfg.classification.dataset == 'HMDB51'
    assert cfg.train_dataloader.dataset.ann_file == 'data/hmdb51/train_split1.txt'
    own = write(
        tmp_path / 'b.py',
        f'_base_ = {str(find_config("memdpc_ucf101"))!r}\n'
        "train_dataloader = dict(dataset=dict(ann_file='mine.txt'))\n",
    )
    assert load_config(own).train_dataloader.dataset.ann_file == 'mine.txt'


def test_a_pretraining_reads_other_videos(lists):
    cfg, before = load_config('memdpc_ucf101', data='lists/mine'), load('memdpc_ucf101')
    assert cfg.train_dataloader.dataset.ann_file == 'lists/mine/train.txt'
    assert cfg.val_dataloader.dataset.ann_file == 'lists/mine/test.txt'
    assert 'classes' not in cfg.train_dataloader.dataset  # labels are not used
    assert cfg.train_dataloader.dataset.pipeline == before.train_dataloader.dataset.pipeline
    assert cfg.model == before.model and cfg.work_dir == 'work_dirs/memdpc_ucf101_mine'


def test_a_pretraining_of_flow_stays_one():
    cfg = load_config('memdpc_flow_ucf101', data='hmdb51')
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        assert loader.dataset.data_prefix.video == 'data/hmdb51/flow'
    pipeline = load('memdpc_flow_ucf101').train_dataloader.dataset.pipeline
    assert cfg.train_dataloader.dataset.pipeline == pipeline


def test_pretraining_takes_all_of_a_set_and_classifiers_what_is_labelled():
    lists = [
        load(name, data).train_dataloader.dataset.ann_file
        for name, data in (
            ('memdpc_ucf101', 'oops'),
            ('unintentional_linear', 'oops'),
            ('memdpc_ucf101', 'ut_interaction'),
            ('finetune_memdpc', 'ut_interaction'),
        )
    ]
    assert [Path(path).name for path in lists] == [
        'pretrain.txt',
        'train.txt',
        'train.txt',
        'labelled.txt',
    ]
    gallery = load('linear', 'ut_interaction').evaluation.gallery.dataset
    assert gallery.ann_file.endswith('labelled.txt')


def test_options_win_over_the_data_set():
    cfg = load_config('finetune_dpc', {'train_cfg.max_epochs': 7}, 'hmdb51')
    assert cfg.train_cfg.max_epochs == 7 and cfg.param_scheduler[0].milestones == [150, 250]


def test_a_dumped_config_is_read_as_it_is(tmp_path):
    """As tools/splits.py --train does: nothing is applied a second time."""
    cfg = load_config('finetune_dpc', {'train_cfg.max_epochs': 7}, 'hmdb51')
    cfg.dump(tmp_path / 'config.py')
    again = load_config(tmp_path / 'config.py')
    assert again.pretty_text == cfg.pretty_text
    assert again._cfg_dict == steps_as_lists(cfg.to_dict())


def test_wrapped_datasets_get_their_lists():
    cfg = load('memdpc_ucf101')
    cfg.train_dataloader.dataset = dict(
        type='RepeatDataset', times=2, dataset=cfg.train_dataloader.dataset
    )
    apply_data(cfg, 'hmdb51')
    assert cfg.train_dataloader.dataset.dataset.ann_file == 'data/hmdb51/train_split1.txt'
    assert set(cfg.train_dataloader.dataset) == {'type', 'times', 'dataset'}


def test_pipelines_in_lists_are_made_fit_for_flow_too():
    steps = [dict(type='Flip', flip_ratio=0.5), dict(type='ColorJitter'), dict(type='Resize')]
    cfg = Config(dict(train_dataloader=dict(dataset=dict(type='X', pipeline=steps))))
    apply_data(cfg, 'ucf101', flow=True)
    assert cfg.train_dataloader.dataset.pipeline == [
        dict(type='VideoFlip', flip_ratio=0.5),
        dict(type='Resize'),
    ]


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    'name, data, words',
    [
        ('linear', 'ucf100', "there is no data set 'ucf100': name one of demo, hmdb51, k400, "),
        ('linear', 'no.py', "config 'no.py' does not exist"),
        ('linear', 'empty', 'empty holds no train.txt: write its lists with mmssl prepare'),
        ('linear', 'untested', 'untested holds no test.txt: '),
        ('linear', 'wrong.py', 'wrong.py is no data set: it has no setting trian'),
        ('linear', 'none.py', r'none.py is no data set: it needs data = dict\(train=dict'),
        ('linear', 'listless.py', 'listless.py: data.train has no ann_file'),
        ('linear', 'other.py', "other.py is no data set but takes 'ucf101'"),
        ('linear', 'oops', r'Oops has times of failures and no classes, which linear\.py needs'),
        ('unintentional_linear', 'ucf101', 'UCF101 does not say when an action fails, which unint'),
        ('unintentional_surprise', 'demo', 'demo videos does not say when an action fails'),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, monkeypatch, name, data, words):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / 'empty' / 'jump' / 'a.mp4')
    write(tmp_path / 'untested' / 'train.txt')
    write(tmp_path / 'wrong.py', 'data = dict(train=dict(), test=dict(), trian=1)\n')
    write(tmp_path / 'none.py', 'model = dict()\n')
    write(tmp_path / 'listless.py', 'data = dict(train=dict(), test=dict(ann_file="a"))\n')
    write(tmp_path / 'other.py', 'data = "ucf101"\n')
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        load_config(name, data=data)


def test_a_slip_in_the_name_of_a_step_is_named():
    from mmssl_video.datasets.pipelines import pipeline_of

    cfg = load('memdpc_ucf101', **{'train_dataloader.dataset.pipeline.sampel.stride': 2})
    with pytest.raises(ValueError, match="step 'sampel' of a pipeline has no type: its steps are"):
        pipeline_of(cfg.train_dataloader)


def test_flow_of_lists_that_no_data_set_names_is_refused(tmp_path):
    path = write(
        tmp_path / 'own.py',
        f'_base_ = {str(find_config("finetune_memdpc"))!r}\n'
        + ''.join(
            f"{part}_dataloader = dict(dataset=dict(ann_file='{part}.txt'))\n"
            for part in ('train', 'val', 'test')
        ),
    )
    assert load_config(path).classification.dataset == 'test.txt'
    with pytest.raises(ValueError, match='has lists of its own, of which the flow is not known'):
        load_config(path, flow=True)
