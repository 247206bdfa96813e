# FGKVMemPred (section 3.3): KVMemPred with visual concepts aligned across the views.
_base_ = 'kvmem_r3d18.py'

model = dict(
    concepts=dict(
        type='ConceptDictionaries',
        in_channels=256,
        feature_channels=512,
        num_concepts=4096,
    ),
    losses=dict(
        reconstruction=dict(type='ConceptReconstructionLoss', weight=0.01),
        alignment=dict(type='ConceptAlignmentLoss', weight=0.01, online_temperature=0.05),
    ),
)
