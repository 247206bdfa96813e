# MemDPC on flow, fine-tuned on HMDB51: MemDPC Table 1, rows D and E2; Table 2.
# Fused with RGB (rows D2, E3): tools/fuse.py on what tools/test.py --dump writes of both.
_base_ = [
    '_base_/models/memdpc_flow_classifier.py',
    '_base_/datasets/hmdb51_flow_labelled_blocks.py',
    '_base_/schedules/finetune_memdpc.py',
    '_base_/default_runtime.py',
]
classification = dict(protocol='finetune', dataset='HMDB51, flow')
load_from = 'required'
