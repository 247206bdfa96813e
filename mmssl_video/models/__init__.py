from . import backbones, data_preprocessors, heads, losses, memory_bank, necks, recognizers
