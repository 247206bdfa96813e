# As fgkvmem_r3d18_ucf101.py, with R(2+1)D-18: FGKVMemPred Table 4, R(2+1)D, row 3.
# The network of the paper has 14.4M parameters: one block a stage, as released. The standard one of
# 33.2M: --cfg-options model.backbone.depth=18 model.backbone.stem_middle=45
#   model.backbone.factorised_shortcut=False
_base_ = 'fgkvmem_r3d18_ucf101.py'

model = dict(
    backbone=dict(
        kind='r2plus1d', depth=10, stem_middle=83, factorised_shortcut=True, last_stage='standard'
    )
)
