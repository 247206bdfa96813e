"""Convert a checkpoint: python tools/convert_checkpoint.py SRC DST --from ORIGIN."""

from mmssl_video.commands import run

if __name__ == '__main__':
    run('convert')
