"""Pictures of a memory: python tools/visualize_memory.py CKPT --videos LIST --out x.png."""

from mmssl_video.apis import cli
from mmssl_video.apis.memory_pictures import main

if __name__ == '__main__':
    cli.run(main)
