# Not mmdet's own: its default_hooks count epochs, and MMEngine lets no two bases define the same key.
custom_imports = dict(imports=["mmmaskformer"], allow_failed_imports=False)
default_scope = "mmdet"
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl"),
)
vis_backends = [dict(type="LocalVisBackend")]
visualizer = dict(type="mmmaskformer.SegmentationVisualizer", vis_backends=vis_backends, name="visualizer")
log_processor = dict(type="LogProcessor", window_size=50, by_epoch=False)
log_level = "INFO"
load_from = None
resume = False
