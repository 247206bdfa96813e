# Probes on cached features: the training list of a data set is the gallery, its test list asks the
# queries. There is no pipeline here: an encoder sees the frames, blocks and size it was trained on,
# by default in windows that slide over each video with half overlap.
_loader = dict(batch_size=8, num_workers=8, dataset=dict(type='VideoListDataset', test_mode=True))
evaluation = dict(gallery=_loader, query=_loader)
del _loader

# Small sets, read by two processes.
_small = dict(evaluation=dict(gallery=dict(num_workers=2), query=dict(num_workers=2)))
per_data = dict(demo=_small, ut_interaction=_small, ut_interaction_folds=_small)
del _small
