"""What holds for every shipped config: form, names of steps, tables, and that it builds."""

import ast
import re
from pathlib import Path

import pytest
from mmaction.registry import DATASETS, TRANSFORMS

from helpers.configs import (
    COMBINATIONS,
    DATA,
    FOLDERS,
    PRETRAININGS,
    PROTOCOLS,
    build,
    flat_steps,
    load,
    names_in,
    read,
    spelling,
)
from mmssl_video.apis import load_config
from mmssl_video.datasets.pipelines import pipeline_of
from mmssl_video.settings.checks import check_config
from mmssl_video.settings.names import config_dir, find_config

CONFIGS = [path for folder in FOLDERS for path in sorted((config_dir() / folder).glob('*.py'))]
BASES = sorted((config_dir() / '_base_').rglob('*.py'))
COMMAND = r'(?:tools/(?:train|test|splits)\.py|mmssl (?:train|test|splits)) (\S+)(?: --data (\S+))?'
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
# What a step of this name is, everywhere.
STEPS = dict(
    init={'VideoInit'},
    sample={'SampleWindow', 'SampleTimedWindow', 'SampleUnintentionalWindow'},
    repeat={'RepeatClips'},
    rate={'PlaybackRateDistortion'},
    dropout={'TemporalRandomDropout'},
    time_crop={'TemporalRandomCrop'},
    decode={'DecodeFrames'},
    views={'PerClip'},
    crop={'RandomResizedCrop', 'RandomCrop', 'CenterCrop', 'MultiCrop'},
    resize={'Resize', 'RandomRescale'},
    shrink={'Resize'},
    flip={'Flip', 'VideoFlip'},
    grey={'VideoRandomGray'},
    jitter={'VideoColorJitter'},
    blur={'VideoGaussianBlur'},
    blocks={'SplitBlocks'},
    label={'LabelUnintentionalSteps'},
    format={'FormatShape'},
    pack={'PackActionInputs'},
)


def ids(path):
    return path.stem


def pipelines(cfg):
    return [cfg[loader].dataset.pipeline for loader in LOADERS if cfg.get(loader)]


# ---------------------------------------------------------------- files


def test_names_are_unique_and_folders_small():
    """A name alone finds its file, in whatever folder it lies."""
    assert len({path.stem for path in CONFIGS}) == len(CONFIGS)
    for folder in FOLDERS:
        assert 0 < len(names_in(folder)) <= 40
    for path in CONFIGS:
        assert find_config(path.stem) == path


@pytest.mark.parametrize('path', CONFIGS, ids=ids)
def test_it_fits_on_a_screen_and_begins_with_what_it_is(path):
    lines = path.read_text().splitlines()
    assert len(lines) <= 52
    assert lines[0].startswith('# ')


@pytest.mark.parametrize('path', [*CONFIGS, *BASES], ids=ids)
def test_configs_are_plain_settings(path):
    """Data that a person can read: no functions, imports or loops, and no places in lists."""
    forbidden = (
        ast.FunctionDef,
        ast.ClassDef,
        ast.Import,
        ast.ImportFrom,
        ast.Lambda,
        ast.ListComp,
        ast.DictComp,
        ast.GeneratorExp,
        ast.For,
        ast.If,
        ast.IfExp,
    )
    text = path.read_text()
    assert not any(isinstance(node, forbidden) for node in ast.walk(ast.parse(text)))
    assert not re.search(r'(pipeline|transforms)\.\d', text)


@pytest.mark.parametrize('folder', FOLDERS)
def test_the_table_of_a_folder_names_each_file_once(folder):
    table = (config_dir() / folder / 'README.md').read_text()
    rows = re.findall(r'^\| `(\w+)` \|', table, re.MULTILINE)
    assert sorted(rows) == names_in(folder)


def spelled_out(word):
    """``a_{b,c}`` as both names."""
    before, brace, rest = word.partition('{')
    if not brace:
        return [word]
    choices, _, after = rest.partition('}')
    return [before + choice + after for choice in choices.split(',')]


def test_documents_name_configs_that_exist():
    """And docs/methods.md every pre-training that is a row of a paper."""
    root = config_dir().parent
    tables = [config_dir() / folder / 'README.md' for folder in FOLDERS]
    for document in [root / 'README.md', *sorted((root / 'docs').glob('*.md')), *tables]:
        text = document.read_text()
        for name in re.findall(r'configs/([\w/]+\.py)', text):
            assert (config_dir() / name).is_file(), f'{document.name}: {name}'
        commands = re.findall(COMMAND, text)
        for config, data in commands:
            for name in spelled_out(config.strip('`')):
                written = f'# {name}\n' in text  # on the page itself
                if not written and not re.match(r'[A-Z]|my_|--', name):
                    assert find_config(name), f'{document.name}: {name}'
            for name in spelled_out(data.strip('`')):
                assert '/' in name or name in ('', '…', *DATA), f'{document.name}: {name}'
    methods = (root / 'docs' / 'methods.md').read_text()
    for name in names_in('', 'ablations'):
        assert name in methods, name


# ---------------------------------------------------------------- contents


def objects(value, path=''):
    yield path, value
    for key, each in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(each, (dict, list)):
            yield from objects(each, f'{path}.{key}')


@pytest.mark.parametrize('path', CONFIGS, ids=ids)
def test_no_setting_stands_in_two_places_at_once(path):
    """What is changed in one place (the blocks of training) must not change another by itself."""
    places = {}
    for where, value in objects(read(path)._cfg_dict):
        assert id(value) not in places, (places[id(value)], where)
        places[id(value)] = where


@pytest.mark.parametrize('name', PRETRAININGS)
def test_pretrainings_build(name):
    cfg = load_config(name)
    check_config(cfg)
    build(cfg)
    assert cfg.data.name and cfg.work_dir == f'work_dirs/{name}'
    for loader in LOADERS[:2]:
        if cfg.get(loader):
            assert cfg[loader].dataset.ann_file.startswith('data/')
    assert {'SampleSeedHook', 'TrainingHealthHook'} < {hook['type'] for hook in cfg.custom_hooks}


@pytest.mark.parametrize('name', PROTOCOLS)
def test_protocols_name_no_videos_and_ask_for_some(name):
    text = find_config(name).read_text()
    code = ''.join(line for line in text.splitlines(True) if not line.lstrip().startswith('#'))
    assert not re.search(r'ann_file|data_prefix|classes=', code)
    with pytest.raises(ValueError, match=rf'{name}\.py says how .* add --data with one of demo, h'):
        load_config(name)


def steps_by_name(pipeline):
    for name, step in pipeline.items():
        if step is not None:
            yield name, step
            if 'transforms' in step:
                yield from steps_by_name(step.transforms)


@pytest.mark.parametrize(
    'name, data, flow',
    [(name, None, False) for name in PRETRAININGS]
    + [each for each in COMBINATIONS if each[1] in ('ucf101', 'demo', 'oops', 'oops_demo')],
    ids=spelling,
)
def test_steps_have_one_name_everywhere_and_exist(name, data, flow):
    cfg = load(name, data, flow)
    for pipeline in pipelines(cfg):
        for step_name, step in steps_by_name(pipeline):
            assert step['type'] in STEPS[step_name]
        assert list(pipeline)[0] == 'init' and list(pipeline)[-1] == 'pack'
        for step in flat_steps(pipeline):
            TRANSFORMS.build(step)
    for loader in LOADERS:
        if cfg.get(loader):
            assert DATASETS.get(cfg[loader].dataset.type) is not None
            assert pipeline_of(cfg[loader])


# ---------------------------------------------------------------- dense prediction


DENSE = [name for name in PRETRAININGS if read(name).model.type == 'DensePredictiveCoding']


@pytest.mark.parametrize('name', DENSE)
def test_windows_and_blocks_of_dense_prediction(name):
    cfg = load(name)
    window = cfg.train_dataloader.dataset.pipeline.sample
    assert window.num_frames == (46 if name.startswith('mix_sstl') else 40)
    assert window.stride == (2 if 'ut_interaction' in name else 3)
    model = build(cfg)
    assert (model.num_blocks, model.pred_steps) == (8, 3)
    one_way = cfg.model.predictor.type == 'MLPPredictor' or 'uni' in name
    assert model.neck.bidirectional == (not one_way)


@pytest.mark.parametrize(
    'name, millions', [('dpc_k400', 14.58), ('memdpc_ucf101', 15.44), ('dpc_r34_k400', 32.95)]
)
def test_parameters_of_the_papers_networks(name, millions):
    parameters = sum(p.numel() for p in build(load(name)).parameters())
    assert round(parameters / 1e6, 2) == millions


def test_one_key_changes_the_number_of_slots():
    cfg = load('memdpc_ucf101', **{'model.predictor.num_slots': 512})
    assert len(build(cfg).predictor.memory) == 512


def test_grey_frames_of_both_releases():
    """p = 0.5 in DPC's code, 0.25 in MemDPC's."""
    for name in DENSE:
        grey = load(name).train_dataloader.dataset.pipeline.grey
        released_dpc = name.startswith('dpc') and 'demo' not in name
        assert 'flow' in name if grey is None else grey.p == (0.5 if released_dpc else 0.25)


def test_curriculum_is_one_hook():
    cfg = load('dpc_4pred4_k400')
    [hook] = [hook for hook in cfg.custom_hooks if hook['type'] == 'PredictionStepsHook']
    assert dict(hook['schedule']) == {0: 3, 150: 4}
    assert len(cfg.custom_hooks) > 1  # those of default_runtime.py are kept


def test_the_command_everybody_types_is_there():
    """``tools/dist_train.sh configs/memdpc_k400.py 8``."""
    assert Path(config_dir() / 'memdpc_k400.py').is_file()
