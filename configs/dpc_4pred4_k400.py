# DPC with the curriculum 5pred3 -> 4pred4 in one run: DPC Table 3, last row.
# 4pred4 from scratch (second row): dpc_k400.py --cfg-options model.pred_steps=4
_base_ = 'dpc_k400.py'

# Keys are epochs, values the number of predicted blocks from then on.
custom_hooks = [*_base_.custom_hooks, dict(type='PredictionStepsHook', schedule={0: 3, 150: 4})]
