# SSTL with a common memory bank (one cell a video): Table 5, row 2 (2048 negatives).
# Row 1, no bank: --cfg-options model.losses.clip.num_negatives=0;
# row 3: model.losses.clip.num_negatives=4096
_base_ = 'sstl_bank_k400.py'

model = dict(bank=dict(num_cells=1), losses=dict(video=None))
