"""A full disk costs no file that was there, ends nobody without a sentence, and names the file."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.tiny_run import REPO, environment
from helpers.writers import WRITERS, contents, file_limit
from mmssl_video.atomic_files import open_atomic, reserve, write_atomic

SAID = r'(cannot be written|there is no room for|No space left|File too large)'


@pytest.mark.parametrize('name', WRITERS)
def test_a_file_that_does_not_fit_leaves_the_former_one(name, tmp_path):
    write = WRITERS[name]
    write(tmp_path / name, 6144)
    before = contents(tmp_path)
    assert before
    with file_limit(30_000 if name != 'flow.folder' else 900), pytest.raises(OSError) as caught:
        write(tmp_path / name, 3072 * 200)
    assert re.search(SAID, str(caught.value)) and '\n' not in str(caught.value)
    assert name.split('.')[0] in str(caught.value) or 'temporal_memory_bank' in str(caught.value)
    assert contents(tmp_path) == before  # nothing half written is left either


def private_disk(folder: Path) -> list[str]:
    """What to put before a command so that ``folder`` is a disk of 2 MiB for it alone."""
    mount = 'mount -t tmpfs -o size=2m none "$0" && exec "$@"'
    for options in (['-m'], ['-rm']):
        start = ['unshare', *options, 'sh', '-c', mount, str(folder)]
        if shutil.which('unshare') and not subprocess.run([*start, 'true']).returncode:
            return start
    pytest.skip('no disk can be mounted here')


def test_on_a_disk_that_is_full(tmp_path):
    """A real one, where a mapped file without its room would end in a bus error."""
    done = subprocess.run(
        [*private_disk(tmp_path), sys.executable, '-m', 'helpers.writers', str(tmp_path)],
        env=environment(PYTHONPATH=f'{REPO}:{REPO / "tests"}', TMPDIR='/tmp'),
        stdout=subprocess.PIPE,
        timeout=300,
    )
    assert done.returncode == 0, done.returncode
    outcomes = json.loads(done.stdout.splitlines()[-1])
    assert set(outcomes) == set(WRITERS)
    for name, outcome in outcomes.items():
        assert outcome['kept'], name
        kind, said = outcome['error']
        assert re.search(SAID, said) and str(tmp_path) in said, (name, kind, said)


def test_reserved_room_is_zero_and_kept(tmp_path):
    reserve(tmp_path / 'a', 70_000)
    assert (tmp_path / 'a').read_bytes() == bytes(70_000)
    (tmp_path / 'a').write_bytes(b'x' * 10)
    reserve(tmp_path / 'a', 12)
    assert (tmp_path / 'a').read_bytes() == b'x' * 10 + bytes(2)
    reserve(tmp_path / 'a', 0)
    assert (tmp_path / 'a').read_bytes() == b''


def test_other_errors_are_as_they_were(tmp_path):
    with pytest.raises(FileNotFoundError, match='gone'), open_atomic(tmp_path / 'gone' / 'a'):
        pass
    with pytest.raises(ZeroDivisionError), open_atomic(tmp_path / 'a'):
        raise ZeroDivisionError
    with pytest.raises(IsADirectoryError):
        write_atomic(b'x', tmp_path)
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_in_place():
    """Every writer of the package goes through ``atomic_files``, apart from those named here."""
    allowed = {
        'atomic_files.py',
        'benchmark/measure.py',  # /proc/self/clear_refs
        'benchmark/sections.py',  # a temporary folder
        'commands/errors.py',  # the launcher's temporary folder
        'datasets/flow_format.py',  # a folder that is renamed as a whole
        'datasets/preparation/output.py',  # a lock and a journal
        'results/run_lock.py',
    }
    pattern = r"\.write_text\(|\.write_bytes\(|open\([^)\n]*['\"][wax]b?\+?['\"]|savefig\((?!file)"
    found = {
        str(path.relative_to(REPO / 'mmssl_video'))
        for path in (REPO / 'mmssl_video').rglob('*.py')
        if re.search(pattern, re.sub(r'av\.open\([^\n]*', '', path.read_text()))
    }
    assert found == allowed
