"""Names in configs are compared with what is registered, and never imported."""

import sys

import pytest
from mmaction.registry import MODELS, TRANSFORMS

from mmssl_video.datasets.transforms import SampleWindow
from mmssl_video.registered import UnregisteredError, registered


def test_registered_names_are_found_with_and_without_their_scope():
    import mmaction.datasets.transforms as theirs

    for name in ('Resize', 'mmaction.Resize', 'mmaction.datasets.transforms.Resize', theirs.Resize):
        assert registered(TRANSFORMS, name) is theirs.Resize
    for name in ('SampleWindow', 'mmaction.SampleWindow', SampleWindow):
        assert registered(TRANSFORMS, name) is SampleWindow
    assert registered(TRANSFORMS, f'{SampleWindow.__module__}.SampleWindow') is SampleWindow
    # what mmengine itself registers is found from mmaction2's registry
    assert registered(MODELS, 'BaseDataPreprocessor') is registered(
        MODELS, 'mmengine.BaseDataPreprocessor'
    )


@pytest.mark.parametrize(
    'name',
    ['marked.Sampler', 'marked', 'marked.Resize', 'os.Resize', 'os.system', 'Unheard', '', None, 3],
)
def test_anything_else_is_refused_and_not_imported(name, tmp_path, monkeypatch):
    mark = tmp_path / 'mark'
    (tmp_path / 'marked.py').write_text(
        f"open({str(mark)!r}, 'w').close()\nclass Sampler: pass\nclass Resize: pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UnregisteredError, match='is not registered as a transform: import the'):
        registered(TRANSFORMS, name)
    assert not mark.exists() and 'marked' not in sys.modules
