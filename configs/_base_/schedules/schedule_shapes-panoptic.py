_base_ = "./schedule_shapes.py"

default_hooks = dict(visualization=dict(type="DetVisualizationHook"))
