"""``python -m mmssl_video COMMAND ...``: what the command ``mmssl`` does."""

from .commands import main

if __name__ == '__main__':
    main()
